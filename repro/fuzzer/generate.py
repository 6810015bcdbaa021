"""New graphs out of dice, valid by construction and biased to roles.

Key insight: the known bugs are about who reads a tensor and whether it is an output, far less about
what an op computes. So growth prefers the newest tensors (producer-consumer pairs), lets tensors be
read again (fan-out), and makes inner tensors outputs; shapes are small, odd, of every rank up to 4,
sometimes with a batch, and constants come in every shape that broadcasts.

Nearly all of the cost of a new graph on a software driver is compiling shaders that no graph had
before (about 100 ms against 10 ms for known ones). So graphs come in blocks that share a palette: a
few shapes, channel counts and kinds of steps, in ever new arrangements; the next block has another.

All dice are one `random.Random`, so that a graph is a function of its seed, and a property-based
test can draw graphs from the same code and shrink them.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from cases.builder import GraphBuilder
from cases.edit import without_dead_ops
from cases.graph import Graph, GraphError

Shape = tuple[int, ...]
MAX_ELEMENTS = 2048
CHANNELS = (1, 2, 3, 4, 5, 8)
EXTENTS = (1, 2, 3, 4, 5, 7)


Step = Callable[["Growth", str], Sequence[str] | None]
"""Adds ops behind a tensor and says which tensors it made; None where it does not fit the tensor."""


@dataclass(frozen=True)
class Palette:
    """What the graphs of one block are made of. The default is everything."""

    shapes: tuple[Shape, ...] = ()
    channels: tuple[int, ...] = CHANNELS
    activations: tuple[str, ...] = ("RELU", "RELU6", "RELU_N1_TO_1")
    steps: tuple[tuple[float, Step], ...] = ()


class Growth:
    """A graph while it grows. `tensors` are the runtime float tensors so far, oldest first."""

    def __init__(self, rng: random.Random, palette: Palette | None = None) -> None:
        self.rng = rng
        self.palette = palette or Palette()
        self.builder = GraphBuilder()
        self.tensors: list[str] = []
        self.shown: set[str] = set()  # tensors that shall be outputs although they are read
        self.inputs = 0
        self._numbers = np.random.default_rng(rng.getrandbits(32))

    def chance(self, probability: float) -> bool:
        return self.rng.random() < probability

    def shape(self, name: str) -> Shape:
        return self.builder.shape(name)

    def input(self, shape: Shape) -> str:
        self.inputs += 1
        name = self.builder.input(f"x{self.inputs - 1}", shape)
        self.tensors.append(name)
        return name

    def numbers(self, *shape: int) -> np.ndarray:
        """Magnitudes of 0.5 to 1.5, signs at random: nothing vanishes and nothing explodes."""
        return self._numbers.uniform(0.5, 1.5, shape) * self._numbers.choice([-1.0, 1.0], shape)

    def weights(self, *shape: int, depth: int) -> np.ndarray:
        return self.numbers(*shape) / np.sqrt(max(1, depth))

    def operand(self) -> str:
        """A tensor to work on: mostly the newest, sometimes an older one, which makes it fan out."""
        roll = self.rng.random()
        if roll < 0.62 or len(self.tensors) == 1:
            return self.tensors[-1]
        if roll < 0.8:
            return self.tensors[-2]
        return self.rng.choice(self.tensors)

    def partner(self, shape: Shape, exact: bool = False) -> str:
        """A tensor that broadcasts with `shape`: one that is there, or a new input."""
        fitting = [
            n for n in self.tensors if self.shape(n) == shape or (not exact and _broadcasts(self.shape(n), shape))
        ]
        if fitting and self.chance(0.6):
            return self.rng.choice(fitting)
        return self.input(shape if exact or self.chance(0.6) else self._broadcast_shape(shape))

    def _broadcast_shape(self, shape: Shape) -> Shape:
        if self.chance(0.35) and len(shape) > 1:
            return shape[self.rng.randrange(1, len(shape)) :]
        return tuple(1 if self.chance(0.5) else size for size in shape)

    def constant_shape(self, shape: Shape) -> Shape:
        """Scalar, per channel, per row, whole, of lower or higher rank: whatever broadcasts against `shape`."""
        forms: list[Shape] = [(), (1,), shape[-1:], shape, self._broadcast_shape(shape)]
        forms.append((1,) * (len(shape) - 1) + shape[-1:])
        if len(shape) < 4:
            forms.append((1, *shape))
        if len(shape) > 1:
            forms += [shape[1:], (*shape[:-1], 1)]
        return self.rng.choice(forms)


def _broadcasts(a: Shape, b: Shape) -> bool:
    try:
        np.broadcast_shapes(a, b)
    except ValueError:
        return False
    return True


def _binary(kind: str, with_constant: float) -> Step:
    def step(growth: Growth, name: str) -> Sequence[str]:
        shape = growth.shape(name)
        activation = growth.rng.choice(growth.palette.activations) if growth.chance(0.12) else "NONE"
        if kind not in ("ADD", "SUB", "MUL", "DIV"):
            activation = "NONE"
        if growth.chance(with_constant):
            other = growth.builder.const(growth.numbers(*growth.constant_shape(shape)))
        elif growth.chance(0.1 if kind in ("ADD", "MUL") else 0.01):  # the delegate refuses the others
            other = name
        else:
            other = growth.partner(shape)
        first, second = (other, name) if growth.chance(0.3) and kind != "DIV" else (name, other)
        return (growth.builder.binary(kind, first, second, activation=activation),)

    return step


def _division(growth: Growth, name: str) -> Sequence[str]:
    """By a constant, or by a tensor that cannot be near zero."""
    shape = growth.shape(name)
    if growth.chance(0.6):
        return (growth.builder.div(name, growth.builder.const(growth.numbers(*growth.constant_shape(shape)))),)
    square = growth.builder.unary("SQUARE", growth.partner(shape))
    safe = growth.builder.add(square, growth.builder.const(np.float32(1.0)))
    return square, safe, growth.builder.div(name, safe)


def _unary(kind: str) -> Step:
    return lambda growth, name: (growth.builder.unary(kind, name),)


def _after_square(kind: str) -> Step:
    """For ops that want a positive operand."""

    def step(growth: Growth, name: str) -> Sequence[str]:
        square = growth.builder.unary("SQUARE", name) if growth.chance(0.5) else growth.builder.mul(name, name)
        safe = growth.builder.add(square, growth.builder.const(np.float32(growth.rng.choice((0.25, 1.0)))))
        return square, safe, growth.builder.unary(kind, safe)

    return step


def _exponential(growth: Growth, name: str) -> Sequence[str]:
    bounded = growth.builder.unary("TANH", name)
    return bounded, growth.builder.unary("EXP", bounded)


def _softmax(growth: Growth, name: str) -> Sequence[str] | None:
    return (growth.builder.softmax(name),) if growth.shape(name)[-1] > 1 else None


def _fully_connected(growth: Growth, name: str) -> Sequence[str]:
    depth, out = growth.shape(name)[-1], growth.rng.choice(growth.palette.channels)
    activation = growth.rng.choice(growth.palette.activations) if growth.chance(0.15) else "NONE"
    bias = growth.numbers(out) if growth.chance(0.7) else None
    inputs = (name, growth.builder.const(growth.weights(out, depth, depth=depth)), "")
    if bias is not None:
        inputs = (*inputs[:2], growth.builder.const(bias))
    keep = len(growth.shape(name)) > 2 and growth.chance(0.75)
    return growth.builder.op("FULLY_CONNECTED", inputs, fused_activation_function=activation, keep_num_dims=keep)


def _window(growth: Growth, shape: Shape) -> tuple[int, int, str]:
    size = growth.rng.choice([s for s in (1, 1, 2, 3) if s <= min(shape[1:3])])
    return size, growth.rng.choice((1, 1, 2)), growth.rng.choice(("SAME", "VALID"))


def _convolution(growth: Growth, name: str) -> Sequence[str] | None:
    shape = growth.shape(name)
    if len(shape) != 4:
        return None
    size, stride, padding = _window(growth, shape)
    out = growth.rng.choice(growth.palette.channels)
    weights = growth.weights(out, size, size, shape[3], depth=size * size * shape[3])
    bias = growth.numbers(out) if growth.chance(0.8) else None
    activation = "RELU" if growth.chance(0.15) else "NONE"
    dilation = 2 if size > 1 and stride == 1 and min(shape[1:3]) > 4 and growth.chance(0.15) else 1
    made = growth.builder.conv2d(
        name, weights, bias, stride=stride, padding=padding, activation=activation, dilation=dilation
    )
    return (made,)


def _depthwise(growth: Growth, name: str) -> Sequence[str] | None:
    shape = growth.shape(name)
    if len(shape) != 4:
        return None
    size, stride, padding = _window(growth, shape)
    channels = shape[3] * (2 if growth.chance(0.15) else 1)
    weights = growth.weights(1, size, size, channels, depth=size * size)
    return (growth.builder.depthwise_conv2d(name, weights, growth.numbers(channels), stride=stride, padding=padding),)


def _pool(growth: Growth, name: str) -> Sequence[str] | None:
    shape = growth.shape(name)
    if len(shape) != 4:
        return None
    kind = growth.rng.choice(("AVERAGE_POOL_2D", "MAX_POOL_2D"))
    if growth.chance(0.25) and shape[1] == shape[2]:
        return (growth.builder.pool(kind, name, shape[1], 1),)
    size, stride, padding = _window(growth, shape)
    return (growth.builder.pool(kind, name, size, stride, padding=padding),)


def _reduction(growth: Growth, name: str) -> Sequence[str]:
    shape = growth.shape(name)
    kind = growth.rng.choice(("SUM", "MEAN", "MEAN", "REDUCE_MAX", "REDUCE_MIN", "REDUCE_PROD"))
    rank = len(shape)
    count = 2 if rank > 2 and growth.chance(0.3) else 1
    low = 0 if growth.chance(0.15) or rank == 1 else 1
    axes = sorted(growth.rng.sample(range(low, rank), min(count, rank - low)))
    keep = growth.chance(0.7) or rank - len(axes) == 0
    return (growth.builder.reduce(kind, name, axes, keep_dims=keep),)


def _reshape(growth: Growth, name: str) -> Sequence[str]:
    shape = growth.shape(name)
    elements = int(np.prod(shape))
    if growth.chance(0.2):
        return (growth.builder.reshape(name, shape),)
    rows = elements // shape[-1]
    forms: list[Shape] = [(rows, shape[-1]), (1, rows, shape[-1]), (1, 1, rows, shape[-1]), (1, rows, 1, shape[-1])]
    forms += [(rows, 1, shape[-1]), (1, elements), (elements,), (1, elements, 1)]
    for factor in (2, 3, 4):
        if shape[-1] % factor == 0:
            forms += [(1, rows, factor, shape[-1] // factor), (1, rows * factor, shape[-1] // factor)]
    if len(shape) == 3:
        forms.append((shape[0], shape[2], shape[1]))
    return (growth.builder.reshape(name, growth.rng.choice(forms)),)


def _transpose(growth: Growth, name: str) -> Sequence[str]:
    order = list(range(len(growth.shape(name))))
    growth.rng.shuffle(order)
    if growth.chance(0.6) and order[0] != 0:
        order.remove(0)
        order.insert(0, 0)
    return (growth.builder.transpose(name, order),)


def _slice(growth: Growth, name: str) -> Sequence[str]:
    shape = growth.shape(name)
    begin, size, strides = [], [], []
    for extent in shape:
        first = growth.rng.randrange(extent) if growth.chance(0.4) else 0
        begin.append(first)
        size.append(growth.rng.randint(1, extent - first) if growth.chance(0.4) else extent - first)
        strides.append(2 if growth.chance(0.15) else 1)
    if growth.chance(0.6):
        return (growth.builder.slice(name, begin, size),)
    ends = [b + s for b, s in zip(begin, size, strict=True)]
    return (growth.builder.strided_slice(name, begin, ends, strides),)


def _split(growth: Growth, name: str) -> Sequence[str] | None:
    shape = growth.shape(name)
    axes = [axis for axis, extent in enumerate(shape) if extent > 1]
    if not axes:
        return None
    axis = growth.rng.choice(axes)
    counts = [count for count in (2, 3, 4) if shape[axis] % count == 0]
    return growth.builder.split(name, growth.rng.choice(counts), axis) if counts else None


def _concatenation(growth: Growth, name: str) -> Sequence[str]:
    shape = growth.shape(name)
    axis = growth.rng.randrange(0 if growth.chance(0.1) else min(1, len(shape) - 1), len(shape))
    parts = [name]
    for _ in range(growth.rng.choice((0, 1, 1, 1, 2, 3))):
        if growth.chance(0.15):
            parts.append(growth.builder.const(growth.numbers(*shape) * (0.0 if growth.chance(0.3) else 1.0)))
            continue
        fitting = [n for n in growth.tensors if _fits_beside(growth.shape(n), shape, axis)]
        parts.append(growth.rng.choice(fitting) if growth.chance(0.7) else growth.input(shape))
    growth.rng.shuffle(parts)
    return (growth.builder.concat(parts, axis),)


def _fits_beside(other: Shape, shape: Shape, axis: int) -> bool:
    return len(other) == len(shape) and all(
        a == b for i, (a, b) in enumerate(zip(other, shape, strict=True)) if i != axis
    )


def _pad(growth: Growth, name: str) -> Sequence[str]:
    rank = len(growth.shape(name))
    table = [(0, 0) for _ in range(rank)]
    for axis in range(rank):
        if axis and growth.chance(0.5):
            table[axis] = (growth.rng.randint(0, 2), growth.rng.randint(0, 2))
    if growth.chance(0.25):
        value = growth.builder.const(np.float32(growth.rng.choice((0.0, 1.5, -2.0))))
        return growth.builder.op("PADV2", (name, growth.builder.const(table, dtype="int32"), value))
    return (growth.builder.pad(name, table),)


def _batch_matmul(growth: Growth, name: str) -> Sequence[str] | None:
    shape = growth.shape(name)
    if len(shape) < 3:
        return None
    turned = growth.chance(0.4)
    columns = growth.rng.choice(growth.palette.channels)
    wanted = (*shape[:-2], columns, shape[-1]) if turned else (*shape[:-2], shape[-1], columns)
    fitting = [n for n in growth.tensors if growth.shape(n)[:-2] == shape[:-2] and len(growth.shape(n)) == len(shape)]
    fitting = [n for n in fitting if growth.shape(n)[-1 if turned else -2] == shape[-1]]
    if fitting and growth.chance(0.5):
        other = growth.rng.choice(fitting)
    elif growth.chance(0.3):
        other = growth.builder.const(growth.weights(*wanted, depth=shape[-1]))
    else:
        other = growth.input(wanted)
    return (growth.builder.batch_matmul(name, other, adj_y=turned),)


def _resize(growth: Growth, name: str) -> Sequence[str] | None:
    shape = growth.shape(name)
    if len(shape) != 4:
        return None
    kind = growth.rng.choice(("RESIZE_NEAREST_NEIGHBOR", "RESIZE_BILINEAR"))
    factor = growth.rng.choice((1, 2, 2, 3))
    size = growth.builder.const([shape[1] * factor, shape[2] * factor], dtype="int32")
    return growth.builder.op(kind, (name, size), half_pixel_centers=growth.chance(0.5))


def _select(growth: Growth, name: str) -> Sequence[str]:
    shape = growth.shape(name)
    threshold = growth.builder.const(np.float32(growth.rng.choice((0.0, 0.5))))
    condition = growth.builder.binary(growth.rng.choice(("GREATER", "LESS_EQUAL")), name, threshold)
    other = growth.partner(shape, exact=True)
    return (growth.builder.select(condition, name, other),)


def _layer_norm(growth: Growth, name: str) -> Sequence[str] | None:
    """The hand-written one, in which everything is read twice or is next to a constant."""
    shape = growth.shape(name)
    if shape[-1] < 2:
        return None
    g, axis = growth.builder, [len(shape) - 1]
    mean = g.mean(name, axis)
    centred = g.sub(name, mean)
    variance = g.mean(g.unary("SQUARE", centred) if growth.chance(0.5) else g.mul(centred, centred), axis)
    shifted = g.add(variance, g.const(np.float32(1e-2)))
    root = g.unary("RSQRT", shifted)
    scaled = g.mul(centred, root)
    return mean, centred, variance, shifted, root, scaled


STEPS: tuple[tuple[float, Step], ...] = (
    (8.0, _binary("ADD", 0.45)),
    (6.0, _binary("MUL", 0.5)),
    (2.5, _binary("SUB", 0.4)),
    (0.8, _binary("MAXIMUM", 0.4)),
    (0.8, _binary("MINIMUM", 0.4)),
    (0.5, _binary("SQUARED_DIFFERENCE", 0.4)),
    (1.2, _division),
    *((0.5, _unary(kind)) for kind in ("NEG", "ABS", "TANH", "LOGISTIC", "RELU", "SQUARE")),
    *((0.3, _unary(kind)) for kind in ("RELU6", "HARD_SWISH", "GELU", "ELU", "SIN", "COS")),
    *((0.4, _after_square(kind)) for kind in ("RSQRT", "SQRT", "LOG")),
    (0.4, _exponential),
    (0.8, _softmax),
    (4.0, _fully_connected),
    (4.0, _convolution),
    (1.5, _depthwise),
    (1.5, _pool),
    (5.0, _reduction),
    (3.0, _reshape),
    (2.0, _transpose),
    (2.5, _slice),
    (2.5, _split),
    (3.0, _concatenation),
    (2.0, _pad),
    (1.5, _batch_matmul),
    (1.2, _resize),
    (0.6, _select),
    (0.8, _layer_norm),
)


def draw_palette(rng: random.Random, shapes: int = 3, channels: int = 2, kinds: int = 9) -> Palette:
    """A palette for one block: the frequent steps are in most of them, the rare ones in some."""
    pool = list(STEPS)
    steps: list[tuple[float, Step]] = []
    while len(steps) < kinds:
        place = rng.choices(range(len(pool)), [weight for weight, _ in pool])[0]
        # Weights count in the choice already, so inside a palette all steps are nearly equal.
        weight, step = pool.pop(place)
        steps.append((1.0 + weight / 8.0, step))
    few = tuple(rng.sample(CHANNELS, channels))
    starts = [start_shape(rng) for _ in range(shapes)]
    starts = [(*shape[:-1], rng.choice(few)) if len(shape) > 2 else shape for shape in starts]
    return Palette(tuple(starts), few, (rng.choice(("RELU", "RELU6", "RELU_N1_TO_1")),), tuple(steps))


def start_shape(rng: random.Random) -> Shape:
    """Rank 1 to 4, mostly 3 and 4, small and often odd; a batch above 1 now and then."""
    rank = rng.choices((1, 2, 3, 4), (0.4, 2.0, 4.0, 5.0))[0]
    batch = rng.choice((2, 3)) if rng.random() < 0.15 else 1
    if rank == 1:
        return (rng.choice((1, 3, 4, 8)),)
    if rank == 2:
        return (rng.choice(EXTENTS), rng.choice(CHANNELS))
    return (batch, *(rng.choice(EXTENTS) for _ in range(rank - 2)), rng.choice(CHANNELS))


def add_step(growth: Growth) -> bool:
    """One more step on some tensor. False where the dice chose something that does not fit.

    Every third step is a pair: what the first makes is read by the second and mostly an output as
    well, which is the role that the known bugs are about.
    """
    made = _step_on(growth, growth.operand())
    if made and growth.chance(0.35):
        middle = growth.rng.choice(made)
        if _step_on(growth, middle) and growth.chance(0.6):
            growth.shown.add(middle)
    return bool(made)


def _step_on(growth: Growth, name: str) -> list[str]:
    """Tensors that one step made of `name`; none where it does not fit."""
    steps = growth.palette.steps or STEPS
    chosen = growth.rng.choices([s for _, s in steps], [w for w, _ in steps])[0]
    try:
        made = chosen(growth, name) or ()
    except GraphError:
        return []
    fitting = [m for m in made if len(growth.shape(m)) and int(np.prod(growth.shape(m))) <= MAX_ELEMENTS]
    growth.tensors += fitting
    return fitting


def choose_outputs(growth: Growth, inner: float = 0.2) -> list[str]:
    """Everything that nobody reads, and inner tensors by chance, in some order."""
    graph = growth.builder.build(list(growth.tensors))
    made = [name for op in graph.ops for name in op.outputs if graph.tensors[name].dtype == "float32"]
    outputs = [n for n in made if n not in graph.uses or n in growth.shown or growth.chance(inner)]
    growth.rng.shuffle(outputs)
    return outputs


def grow(rng: random.Random, steps: int | None = None, palette: Palette | None = None) -> Graph:
    """A new graph of 1 to 6 steps with at least one output. A function of the dice and the palette."""
    wanted = steps or rng.choices((1, 2, 3, 4, 5, 6), (1, 3, 4, 3, 2, 1))[0]
    while True:
        growth = Growth(rng, palette)
        growth.input(rng.choice(growth.palette.shapes) if growth.palette.shapes else start_shape(rng))
        done = tries = 0
        while done < wanted and tries < 8 * wanted:
            done += add_step(growth)
            tries += 1
        outputs = choose_outputs(growth)
        if outputs:
            return without_dead_ops(growth.builder.build(outputs))
