"""The delegate's graph: nodes, values, and how it reads a shape.

Key insight: every shape is BHWC to the delegate, whatever its rank in the file, and most of its bugs
are about which axis became which. `repro.delegate.parser` makes such a graph of a file,
`repro.delegate.replay` applies the delegate's rewrites to it.

Source: LiteRT's `ml_drift_delegate/tflite/model_builder_helper.cc` (shapes) and google-ai-edge/ml-drift,
`common/model.h` (GraphFloat32).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from cases.graph import Graph, Op

Bhwc = tuple[int, int, int, int]

MAX_RANK = 4  # the delegate refuses a tensor of a higher one
GEMM = frozenset({"CONV", "DEPTHWISE", "TRANSPOSE_CONV", "FULLY_CONNECTED"})


@dataclass(frozen=True)
class Operand:
    """The constant operand of an elementwise node: how the delegate stores it, and its values.

    form: `scalar` (one element), `linear` (all leading dimensions 1: one value a channel) or `bhwc`.
    """

    form: str
    values: np.ndarray


@dataclass(eq=False, slots=True)
class Value:
    """A tensor of the delegate's graph.

    name: the file's tensor name, or empty for values the delegate made.
    shape: (batch, height, width, channels).
    consumers: the nodes that read it, in order; a dict, so that removing one costs the same however many there are.
    """

    name: str
    shape: Bhwc
    producer: Node | None = None
    consumers: dict[Node, None] = field(default_factory=dict)
    is_output: bool = False
    is_constant: bool = False


@dataclass(eq=False, slots=True)
class Node:
    """An operation of the delegate's graph, `op` being the file's operation it came from."""

    kind: str
    op: Op
    inputs: list[Value] = field(default_factory=list)
    outputs: list[Value] = field(default_factory=list)
    attrs: dict[str, Any] = field(default_factory=dict)
    removed: bool = False


@dataclass(eq=False)
class DelegateGraph:
    """Nodes in the delegate's execution order. Removed nodes stay in the list, marked."""

    nodes: list[Node]
    inputs: list[Value]

    def live(self) -> list[Node]:
        """The nodes that are still there."""
        return [node for node in self.nodes if not node.removed]


def only_reader(value: Value) -> Node | None:
    """The value's one consumer, or None if it has none or several."""
    return next(iter(value.consumers)) if len(value.consumers) == 1 else None


def bhwc(shape: tuple[int, ...]) -> Bhwc:
    """A TFLite shape as the delegate reads it: [N] is B=N, [N,C] is B=N, [B,N,C] is W=N.

    Ranks above 4 keep their last three axes apart and merge the rest into B; the delegate refuses them.
    """
    if len(shape) == 0:
        return (1, 1, 1, 1)
    if len(shape) == 1:
        return (shape[0], 1, 1, 1)
    if len(shape) == 2:
        return (shape[0], 1, 1, shape[1])
    if len(shape) == 3:
        return (shape[0], 1, shape[1], shape[2])
    return (int(np.prod(shape[:-3])), shape[-3], shape[-2], shape[-1])


def broadcast_bhwc(shape: tuple[int, ...]) -> Bhwc:
    """A TFLite shape aligned to the right, as the delegate reads it where ranks differ."""
    return (1,) * (4 - len(shape)) + tuple(shape) if len(shape) < 4 else bhwc(shape)  # type: ignore[return-value]


def axis_letters(rank: int) -> str:
    """Which BHWC axis each axis of a tensor of this rank is."""
    return {0: "", 1: "B", 2: "BC", 3: "BWC"}.get(rank, "BHWC")


def letter_of(letters: str, axis: int) -> str:
    """The BHWC axis of a tensor's axis, which may count from the end; empty above rank 4 (refused there)."""
    return letters[axis] if -len(letters) <= axis < len(letters) else ""


def constant_data(graph: Graph, name: str) -> np.ndarray | None:
    """Values of a constant, looking through a DEQUANTIZE of a float16 constant; None if it is computed."""
    tensor = graph.tensors[name]
    if tensor.data is not None:
        return tensor.data
    producer = graph.producers.get(name)
    if producer is not None and producer.kind == "DEQUANTIZE":
        source = graph.tensors[producer.inputs[0]]
        if source.data is not None and source.dtype == "float16":
            return source.data
    return None
