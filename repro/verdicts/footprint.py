"""How much memory it will take to judge a model, told from its graph before anything is made.

Key insight: the feeds and their references stay, the outputs of a run on cpu and of one on the target come back, and
beside them stands the larger of an evaluation and of what is made of one output to judge it.
"""

from __future__ import annotations

import math

from cases.evaluation.evaluate import unsupported
from cases.evaluation.footprint import ELEMENT_BYTES, evaluation_peak
from cases.graph import Graph

FEEDS = 3
OUTPUTS = 3 + 3 + 3
"""References of three feeds, their outputs on cpu, and on the target."""
COMPARED = 18
"""Arrays of the size of one output that are held at once to fit its floor (16 measured) or to judge it (9)."""


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
