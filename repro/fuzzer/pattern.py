"""The role pattern of a graph: what two bugs have in common when they are the same bug.

`ADD(x3,x3)>3!*1 SUM(0)>3*0` reads: an ADD of two rank-3 inputs makes a rank-3 tensor that is the
failing one (!), an output (*) and read once; a SUM of op 0's tensor makes a rank-3 output that nobody
reads. Names, sizes and values are not in it.
"""

from __future__ import annotations

from cases.graph import Graph


def role_pattern(graph: Graph, failing: str = "") -> str:
    """The pattern; `failing` marks a tensor, empty for none."""
    number = {name: index for index, op in enumerate(graph.ops) for name in op.outputs}
    words = []
    for op in graph.ops:
        operands = [_operand(graph, name, number, op.inputs[:place]) for place, name in enumerate(op.inputs) if name]
        activation = op.attrs.get("fused_activation_function", "NONE")
        kind = op.kind if activation == "NONE" else f"{op.kind}+{activation}"
        made = [_made(graph, name, failing) for name in op.outputs]
        words.append(f"{kind}({','.join(o for o in operands if o)})>{','.join(made)}")
    return " ".join(words)


def _operand(graph: Graph, name: str, number: dict[str, int], before: tuple[str, ...]) -> str:
    tensor = graph.tensors[name]
    if name in number:
        return str(number[name])
    again = "=" if name in before else ""
    if not tensor.is_constant:
        return f"{again}x{len(tensor.shape)}"
    data = tensor.data
    if data is None or data.dtype.kind != "f":
        return ""  # axes, shapes and the like say what the op does, not who reads whom
    return "cs" if data.size == 1 else f"c{len(tensor.shape)}"


def _made(graph: Graph, name: str, failing: str) -> str:
    marks = ("!" if name == failing else "") + ("*" if name in graph.outputs else "")
    return f"{len(graph.tensors[name].shape)}{marks}{len(graph.uses.get(name, ()))}"


def slug(signature: str, graph: Graph, limit: int = 4) -> str:
    """A folder name: the signature and the op kinds, `unwritten-add-sum`."""
    kinds = [op.kind.lower().replace("_", "-") for op in graph.ops[:limit]]
    return "-".join([signature.lower().replace("_", "-"), *kinds])
