"""How much memory it will take to judge a model, told from its graph before anything is made.

Key insight: two distinct feeds and their references stay, the outputs of a run on cpu and of one on the target come
back for three feeds each, and beside them stands the larger of an evaluation and of the comparison of one output.
"""

from __future__ import annotations

import math

from cases.evaluation.evaluate import unsupported
from cases.evaluation.footprint import ELEMENT_BYTES, evaluation_peak
from cases.graph import Graph

FEEDS = 2
OUTPUTS = 2 + 3 + 3
"""References of two feeds; outputs of three feeds on cpu, and on the target."""
COMPARED = 12
"""Arrays of the size of one output that the judge holds at once, at most."""


def judging_bytes(graph: Graph, model_bytes: int) -> int:
    """Bytes that the model, its feeds, references, outputs and verdicts take together, at most. Pure.

    model_bytes: length of the file, which stays in memory.
    """
    given, returned = (
        [math.prod(graph.tensors[name].shape) for name in names] for names in (graph.inputs, graph.outputs)
    )
    evaluated = 0 if unsupported(graph) else evaluation_peak(graph).nbytes
    compared = COMPARED * max(returned, default=0) * ELEMENT_BYTES
    kept = (FEEDS * sum(given) + OUTPUTS * sum(returned)) * ELEMENT_BYTES
    return model_bytes + kept + max(evaluated, compared)
