"""LSTM and UNIDIRECTIONAL_SEQUENCE_LSTM in all their variants."""

from __future__ import annotations

from typing import Any

from cases.drawn_ops.draw import Draw
from cases.drawn_ops.one_op import OneOp, fixed
from cases.graph import Tensor
from cases.tflite.extras import TensorExtras


def state(shape: tuple[int, ...]) -> Tensor:
    return Tensor("", shape, "float32", None, TensorExtras(is_variable=True))


def recurrent(draw: Draw, kind: str) -> OneOp:
    """Every variant: coupled gates, peepholes, a projection, layer norms, clips; or the basic cell."""
    batch, depth, cells = (draw.integer(1, 4) for _ in range(3))
    if kind == "LSTM" and draw.integer(0, 3) == 0:
        fed = [draw.floats((batch, extent)) for extent in (depth, cells, cells)]
        kept = [fixed(draw.floats(shape), "float32") for shape in ((4 * cells, depth + cells), (4 * cells,))]
        basic = {"kernel_type": 1, "fused_activation_function": "TANH"}
        return OneOp(kind, (*fed[:2], *kept, fed[2]), ("float32",) * 4, basic)
    coupled, peepholes, projects, norms = (draw.coin() for _ in range(4))
    outputs = draw.integer(1, 4) if projects else cells

    def matrix(*shape: int) -> Any:
        return fixed(draw.floats(shape, -1.0, 1.0), "float32")

    def by_gate(count: int, *shape: int, present: bool = True) -> list[Any]:
        """One constant per gate; the input gate comes first and is left out where it is coupled."""
        return [matrix(*shape) if present and not (coupled and gate == 0) else None for gate in range(count)]

    operands = [*by_gate(4, cells, depth), *by_gate(4, cells, outputs), *by_gate(3, cells, present=peepholes)]
    operands += [*by_gate(4, cells), matrix(outputs, cells) if projects else None]
    operands += [matrix(outputs) if projects and draw.coin() else None, state((batch, outputs))]
    operands += [state((batch, cells)), *(by_gate(4, cells) if norms else ())]
    attrs = {"fused_activation_function": "TANH", "cell_clip": draw.one_of([0.0, 0.5])}
    attrs |= {"proj_clip": draw.one_of([0.0, 0.3])}
    x = draw.floats((batch, depth))
    if kind != "LSTM":
        attrs["time_major"] = draw.coin()
        times = draw.integer(1, 4)
        x = draw.floats((times, batch, depth) if attrs["time_major"] else (batch, times, depth))
    return OneOp(kind, (x, *operands), attrs=attrs)
