"""Why a run ended without outputs, in the words of the model: which op it was, and whether the file is at fault at all.

Key insight: the target's log knows numbers of tensors, and only its own side. The graph knows what the numbers stand
for. And where one of TFLite's own kernels refuses its operands, here or on the cpu, the file is no model, whatever a
delegate says of it.
"""

from __future__ import annotations

import re
from dataclasses import replace

from cases.graph import Graph
from runner.encoding import shown_name
from runner.run import Outcome, Run

_DYNAMIC = re.compile(r"\(tensor#(\d+) is a dynamic-sized tensor\)")
# A kernel that refuses its operands names its source, a node that it could not prepare or both.
_KERNEL = re.compile(r"kernels/\w+\.cc:\d+|failed to prepare")
_LACKING = re.compile(r"unresolved custom op|[Dd]idn't find op for builtin opcode")


def explained(run: Run, cpu: Run, graph: Graph) -> Run:
    """The run with a message that says more, where it was refused. cpu: the same model on the cpu. Pure."""
    if run.outcome is not Outcome.REFUSED:
        return run
    for one in (run, cpu):
        if _is_broken(one):
            said = one.message.removeprefix("not compiled: ")
            open_input = next((name for name in graph.inputs if _is_open(graph, name)), None)
            if open_input is not None:
                named, has = shown_name(open_input), list(graph.tensors[open_input].shape)
                why = f"TFLite itself refuses the file with '{named}' at {has}, which it leaves open: {said}"
                return replace(run, message=f"{why}; give --shape {named}=...")
            return replace(run, message=f"the file is broken: TFLite itself refuses it: {said}")
    dynamic = _DYNAMIC.search(run.log)
    names = list(graph.tensors)
    if dynamic is not None and int(dynamic.group(1)) < len(names):
        name = names[int(dynamic.group(1))]
        maker = graph.producers.get(name)
        if maker is not None:
            where = f"'{shown_name(name)}', which {maker.kind} writes, has no size before the run"
            return replace(run, message=f"{run.message}; {where}")
    return run


def _is_open(graph: Graph, name: str) -> bool:
    """Whether a file leaves an extent of an input to whoever runs it."""
    return -1 in (getattr(graph.tensors[name].raw, "shape_signature", None) or ())


def _is_broken(run: Run) -> bool:
    """Whether one of TFLite's own kernels would not be prepared, for another reason than that it is lacking."""
    if run.outcome is not Outcome.REFUSED or _LACKING.search(f"{run.message} {run.log}"):
        return False
    return run.message.startswith("not compiled") and _KERNEL.search(run.message) is not None
