"""The delegate's passes over single nodes: no-ops that it takes out, and nodes that it turns into others.

Key insight: most of these are right, and matter because they bring two nodes together: a RESHAPE that is gone, a
pooling that is a MEAN, a CONCAT that is a PAD. What they do wrong is in what they leave: a SPLIT whose parts changed
places, an ADD that still needs the PAD in front of it.

Source: google-ai-edge/ml-drift, `common/transformations/*.cc` (remove_noop, make_padding, make_fully_connected,
global_pooling_to_reduce_op, merge_padding_with).
"""

from __future__ import annotations

from collections.abc import Iterator

from repro.delegate.graph import POINTWISE, SLICE_CHANNELS, Bhwc, DelegateGraph, Node, Pad, Value, only_reader
from repro.delegate.removal import bypass, drop_following, drop_preceding
from repro.delegate.sighting import Effect, Sighting


def identity_reshapes(graph: DelegateGraph) -> None:
    """A RESHAPE to the same shape goes, unless it makes a graph output or a reader reads its source too."""
    for node in graph.live():
        if node.kind != "RESHAPE" or len(node.inputs) != 1 or node.inputs[0].shape != node.new_shape:
            continue
        source, target = node.inputs[0], node.outputs[0]
        if target.is_output or not target.consumers:
            continue
        if not any(source in consumer.inputs for consumer in target.consumers):
            bypass(node)


def consecutive_reshapes(graph: DelegateGraph) -> Iterator[Sighting]:
    """Of two RESHAPEs in a row the second goes, and the first makes its shape."""
    for second in graph.live():
        if second.kind != "RESHAPE" or len(second.inputs) != 1:
            continue
        middle = second.inputs[0]
        first = middle.producer
        if first is None or first.kind != "RESHAPE" or len(middle.consumers) != 1 or middle.is_output:
            continue
        first.new_shape = second.new_shape
        yield from drop_following("noop-removed", first, second)


def identity_slices(graph: DelegateGraph) -> Iterator[Sighting]:
    """A SLICE of everything goes: with its result, or, where that is a graph output, with what it reads."""
    places: dict[Node, dict[Value, int]] = {}  # maker of a sliced value -> where each of its outputs was
    last_slices: dict[Node, Node] = {}
    for node in graph.live():
        if node.kind != "SLICE" or node.cut is None or not node.cut.takes_all:
            continue
        source, target = node.inputs[0], node.outputs[0]
        if not target.is_output and target.consumers:
            reads_both = next((reader for reader in target.consumers if source in reader.inputs), None)
            if reads_both is None:
                bypass(node)
            else:  # the pass fails on it, and with it the compilation
                yield Sighting("graph-refused", Effect.REFUSED, reads_both.outputs[0], node, reads_both)
            continue
        # RemoveSimpleNodeKeepOutput: the slice's output stays, what it read is deleted.
        maker = source.producer
        if maker is None or len(source.consumers) != 1:
            continue
        if source.is_output:
            yield Sighting("noop-removed", Effect.LOST, source, maker, node)
        place = places.setdefault(maker, {value: index for index, value in enumerate(maker.outputs)})
        place[target] = place[source]
        last_slices[maker] = node
        # It is appended, so that it changes places with the maker's other outputs.
        maker.outputs.remove(source)
        maker.outputs.append(target)
        target.producer = maker
        source.consumers = {}
        node.removed = True
    for maker, place in places.items():
        for index, value in enumerate(maker.outputs):
            if place[value] != index:
                yield Sighting("split-sliced", Effect.WRONG, value, maker, last_slices[maker])


def padding_from_concat(graph: DelegateGraph) -> None:
    """CONCAT of a tensor with one constant of zeros becomes a PAD of the constant's size."""
    for node in graph.live():
        if node.kind != "CONCAT" or len(node.inputs) != 2 or node.axis is None or node.axis not in ("H", "W", "C"):
            continue
        for position, value in enumerate(node.inputs):
            maker = value.producer
            if maker is None or maker.data is None or maker.data.dtype.kind != "f" or maker.data.any():
                continue
            size = value.shape["BHWC".index(node.axis)]
            node.kind = "PAD"
            node.pad = Pad({**dict.fromkeys("BHWC", (0, 0)), node.axis: (0, size) if position else (size, 0)})
            node.axis = None
            node.inputs.remove(value)
            maker.removed = True
            break


def fully_connected_from_convolution(graph: DelegateGraph) -> None:
    """A 1x1 convolution of one pixel is a FULLY_CONNECTED."""
    for node in graph.live():
        if node.kind == "CONV" and len(node.inputs) == 1 and node.window == POINTWISE:
            shape = node.inputs[0].shape
            if shape[1] == shape[2] == 1:
                node.kind = "FULLY_CONNECTED"


def global_pooling(graph: DelegateGraph) -> None:
    """Average pooling of the whole image becomes a MEAN, and so a consumer that ADD fuses with."""
    for node in graph.live():
        if node.kind != "POOL_AVERAGE" or len(node.outputs) != 1 or node.window is None:
            continue
        image, result = node.inputs[0].shape[1:3], node.outputs[0].shape[1:3]
        if node.window.padding == (0, 0) and node.window.size == image and result == (1, 1):
            node.kind, node.window, node.axes = "MEAN", None, frozenset("HW")


def padding_into_add(graph: DelegateGraph) -> Iterator[Sighting]:
    """A PAD that only appends channels is dropped in front of an ADD of two tensors."""
    for node in graph.live():
        pad = node.pad
        if node.kind != "PAD" or pad is None or len(node.inputs) != 1 or node.inputs[0].shape[3] % SLICE_CHANNELS:
            continue
        if pad.mirrors or not pad.only_along("C") or pad.amounts["C"][0] != 0:
            continue
        add = only_reader(node.outputs[0])
        if add is None or add.kind != "ADD" or add.operand is not None:
            continue
        others = [value for value in add.inputs if value is not node.outputs[0]]
        yield from drop_preceding("pad-merged", node, add)
        if any(_broadcasts(value.shape, add.outputs[0].shape) for value in others):
            yield Sighting("pad-add-broadcast", Effect.WRONG, add.outputs[0], node, add)
        if pad.fill != 0.0 and any(pad.amounts["C"]):
            yield Sighting("pad-value-gemm", Effect.WRONG, add.outputs[0], node, add)


def _broadcasts(shape: Bhwc, result: Bhwc) -> bool:
    """Along anything but the batch, which the kernel of the merged ADD still broadcasts."""
    return any(size == 1 and whole > 1 for size, whole in zip(shape[1:], result[1:], strict=True))


def concats_of_one(graph: DelegateGraph) -> Iterator[Sighting]:
    """Not a pass: a CONCAT of one tensor that none removed. Its kernel does not compile, and the submission is dropped.

    With nothing to tell the axis from, the delegate takes the batch, which a tensor of batch 1 does not have.
    An output that is a plain copy of a graph input can be right all the same, from the memory it happens to get.
    """
    for node in graph.live():
        if node.kind == "CONCAT" and len(node.inputs) == 1 and node.inputs[0].shape[0] == 1:
            yield Sighting("concat-of-one", Effect.VOID, node.outputs[0], node, node)
