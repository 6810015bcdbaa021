"""The delegate's graph: nodes, values, and how it reads a shape.

Key insight: every shape is BHWC to the delegate, whatever its rank in the file, and most of its bugs
are about which axis became which. `repro.delegate.parser` makes such a graph of a file,
`repro.delegate.replay` applies the delegate's rewrites to it.

Source: LiteRT's `ml_drift_delegate/tflite/model_builder_helper.cc` (shapes) and google-ai-edge/ml-drift,
`common/model.h` (GraphFloat32) and `common/operations.h` (the attributes of each kind of node).
"""

from __future__ import annotations

import enum
import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from cases.graph import Graph, Op

Bhwc = tuple[int, int, int, int]

MAX_RANK = 4  # the delegate refuses a tensor of a higher one
SLICE_CHANNELS = 4  # tensors are stored in slices of so many channels, and kernels compute whole slices
GEMM = frozenset({"CONV", "DEPTHWISE", "TRANSPOSE_CONV", "FULLY_CONNECTED"})


class OperandForm(enum.StrEnum):
    """How the delegate stores the constant operand of an elementwise node."""

    SCALAR = "scalar"
    """One element."""
    LINEAR = "linear"
    """One value per channel: all dimensions but the last are 1."""
    BHWC = "bhwc"
    """A whole tensor."""
    INTEGER = "integer"
    """One element that is no float."""


@dataclass(frozen=True, slots=True)
class Operand:
    """The constant operand of an elementwise node. comes_first: whether it is the left one of the two."""

    form: OperandForm
    values: np.ndarray
    comes_first: bool = False


@dataclass(frozen=True, slots=True)
class Window:
    """The window of a convolution or pooling; each field is (height, width).

    padding: rows and columns that the op itself adds, on both sides together.
    """

    size: tuple[int, int] = (1, 1)
    stride: tuple[int, int] = (1, 1)
    dilation: tuple[int, int] = (1, 1)
    padding: tuple[int, int] = (0, 0)


POINTWISE = Window()
"""The window of a 1x1 convolution that visits every pixel."""


@dataclass(frozen=True, slots=True)
class Weights:
    """The size of a convolution's constant weights.

    in_channels: how many channels one group reads (CONV_2D), or all of them (DEPTHWISE_CONV_2D).
    """

    out_channels: int
    in_channels: int
    groups: int


@dataclass(frozen=True, slots=True)
class Pad:
    """What a PAD adds.

    amounts: each BHWC axis -> (in front, behind). mirrors: whether it repeats the tensor's own values, without `fill`.
    """

    amounts: Mapping[str, tuple[int, int]]
    fill: float = 0.0
    mirrors: bool = False

    def only_along(self, axes: str) -> bool:
        """Whether it pads along no other BHWC axes than these."""
        return all(amount == (0, 0) for axis, amount in self.amounts.items() if axis not in axes)


@dataclass(frozen=True, slots=True)
class Cut:
    """What a SLICE takes. starts: BHWC axis -> first index, empty where they are not known."""

    starts: Mapping[str, int]
    unit_strides: bool
    takes_all: bool


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
    """An operation of the delegate's graph, `op` being the file's operation it came from.

    What a field says of a node is None where its kind has no such thing or the file does not say it:
    operand: of an elementwise node, the constant one. window, weights: of convolutions and poolings.
    axes: the BHWC axes that a reduction takes together. axis: the one along which CONCAT, SPLIT or GATHER
    works, empty for one that BHWC does not have. new_shape: of a RESHAPE. order: of a TRANSPOSE, the file's
    axes. data: of a CONSTANT.

    misparsed: the rule under which the parser took the op for something else, or empty.
    reads_one_twice: whether the file's op names one tensor as two operands; the node reads it once.
    fused_by: the rule of the kernel that this node became a part of, or empty.
    """

    kind: str
    op: Op
    inputs: list[Value] = field(default_factory=list)
    outputs: list[Value] = field(default_factory=list)
    operand: Operand | None = None
    window: Window | None = None
    weights: Weights | None = None
    pad: Pad | None = None
    cut: Cut | None = None
    axes: frozenset[str] | None = None
    axis: str | None = None
    new_shape: Bhwc | None = None
    order: tuple[int, ...] | None = None
    data: np.ndarray | None = None
    misparsed: str = ""
    reads_one_twice: bool = False
    fused_by: str = ""
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


def slices(channels: int) -> int:
    """How many slices hold so many channels."""
    return -(-channels // SLICE_CHANNELS)


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
    return (math.prod(shape[:-3]), shape[-3], shape[-2], shape[-1])


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
