"""The delegate's rewriting of its graph, pass by pass, with a record of every graph output it loses.

Key insight: whether an output survives is not a property of two neighbouring ops but of the order in
which the delegate's passes run: a CONV_2D swallows a following ADD only after it had its chance at a
MUL, and a RESHAPE between two ops is gone before either. So the passes are replayed here in the
delegate's own order, and each says what it did: `lost` (the pass deleted a tensor that is a graph
output, or swallowed it into one kernel) or `wrong` (the rewritten graph computes something else).

Source: google-ai-edge/ml-drift, `common/transformations/model_transformations.cc` (the order),
`transformations/*.cc` (the passes), `model.cc` (RemoveFollowingNode, RemovePrecedingNode) and
`selectors/special_selector.cc` (fusions into one kernel).
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from cases.graph import Graph, Op
from repro.delegate.graph import Bhwc, DelegateGraph, Node, Value, only_reader
from repro.delegate.kernel_fusions import fuse_into_kernels
from repro.delegate.kernel_links import link_into_splits
from repro.delegate.pair_passes import (
    DEGENERATE_RESIZE,
    GEMM_PASSES,
    PAD_PASSES,
    SINGLE_INPUT_ADD,
    SINGLE_INPUT_CONCAT,
    PairPass,
    kernel_is_one,
    padding_only,
)
from repro.delegate.parser import lower
from repro.delegate.thin_pointwise import thin_pointwise_chains
from repro.delegate.unused_lanes import poisoned_padding


@dataclass(frozen=True)
class Event:
    """One thing that a pass did to the meaning of the graph.

    rule: which rule of `repro.hazards.lint` describes it.
    tensor: the file's name of the tensor that is not what it should be; the nearest named tensor
        downstream where the delegate's own value has no name.
    effect: `lost` (graph output never written, or left as stale memory), `wrong` (other values),
        `void` (the kernel is invalid, so every output of the graph is), `refused` (compilation fails),
        `abort` (the process ends while the graph is compiled), `risk` (a graph output lost on some adapters only).
    producer, consumer: the two ops of the file that met.
    """

    rule: str
    tensor: str
    effect: str
    producer: Op
    consumer: Op


@dataclass(frozen=True)
class Replay:
    """The rewritten graph and what went wrong on the way, in the order it happened."""

    graph: DelegateGraph
    events: tuple[Event, ...]


EFFECTS_OF_PARSING = {
    "cumsum-no-batch": "void",
    "grouped-conv": "void",
    "cumsum-axis-aborts": "abort",
    "grouped-conv-aborts": "abort",
}
"""Effects of the rules under which an op is parsed into a kernel that is invalid, or ends the process; else `wrong`."""
# Ops whose parser reads one tensor twice without asking whether it may; others refuse, copy, or make another op of it.
READS_TWICE_ABORTS = frozenset(
    {"BATCH_MATMUL", "SELECT", "SELECT_V2", "PACK", "FULLY_CONNECTED", "CONV_2D", "DEPTHWISE_CONV_2D"}
)


class _Replayer:
    """Replays the passes on one delegate graph and collects the events."""

    def __init__(self, graph: DelegateGraph) -> None:
        self.graph = graph
        self.events: list[Event] = []

    def run(self) -> None:
        self.parsed_wrong()
        self.pairs(DEGENERATE_RESIZE)
        self.pairs(SINGLE_INPUT_ADD)
        self.pairs(SINGLE_INPUT_CONCAT)
        self.identity_reshapes()
        self.consecutive_reshapes()
        self.identity_reshapes()
        self.identity_slices()
        self.padding_from_concat()
        self.fully_connected_from_convolution()
        for fusion in (*PAD_PASSES, *GEMM_PASSES):
            self.pairs(fusion)
        self.global_pooling()
        self.padding_into_add()
        self.concats_of_one()
        for look in (fuse_into_kernels, link_into_splits, thin_pointwise_chains, poisoned_padding):
            for found in look(self.graph):
                self.report(*found)

    def report(self, rule: str, effect: str, value: Value, first: Node, second: Node) -> None:
        named = _nearest_name(value)
        if named:
            self.events.append(Event(rule, named, effect, first.op, second.op))

    # -- pairs ---------------------------------------------------------------------------------

    def pairs(self, fusion: PairPass) -> None:
        """Apply a pair pass to its fixed point: a merged node gets another chance, as in the delegate."""
        queue = deque(node for node in self.graph.nodes if not node.removed)
        while queue:
            first = queue.popleft()
            second = None if first.removed else _only_consumer(first)
            if second is None or not fusion.accepts(first, second):
                continue
            broken = fusion.wrong(first, second)
            before = first.inputs[0].producer if first.inputs else None
            if fusion.keep == "first":
                places = _places(first)
                if places:  # what the second makes should be where its first part was
                    places[second.outputs[0]] = places[second.inputs[0]]
                self.drop_following(fusion.rule, first, second)
                queue.appendleft(first)
                for value, place in _places(first).items():
                    if places.get(value, place) != place and not (broken and value in second.outputs):
                        self.report("split-merged", "wrong", value, first, second)
            else:
                self.drop_preceding(fusion.rule, first, second)
                if before is not None:
                    queue.appendleft(before)
            if broken:
                self.report(broken, "wrong", second.outputs[0], first, second)
            if first.kind == "SPLIT" and len(first.outputs) == 1 and _is_whole(first):
                self.source_renamed(first, second)

    def drop_following(self, rule: str, first: Node, second: Node) -> None:
        """RemoveFollowingNode: second vanishes and first now makes second's outputs."""
        for value in second.inputs:
            if value.is_output:
                self.report(rule, "lost", value, first, second)
            first.outputs.remove(value)
        for value in second.outputs:
            first.outputs.append(value)
            value.producer = first
        second.removed = True

    def drop_preceding(self, rule: str, first: Node, second: Node) -> None:
        """RemovePrecedingNode: first vanishes and second reads first's inputs."""
        for value in first.outputs:
            if value.is_output:
                self.report(rule, "lost", value, first, second)
            if value in second.inputs:
                second.inputs.remove(value)
        for value in first.inputs:
            del value.consumers[first]
            value.consumers[second] = None
            second.inputs.append(value)
        first.removed = True

    def parsed_wrong(self) -> None:
        """Not a pass: what the parsers already took for something else, or end the process over."""
        for node in self.graph.nodes:
            rule = node.attrs.get("misparsed")
            if rule:
                self.report(rule, EFFECTS_OF_PARSING.get(rule, "wrong"), node.outputs[0], node, node)
            if node.attrs.get("reads_twice") and _reads_twice_aborts(node):
                self.report("same-operand-aborts", "abort", node.outputs[0], node, node)

    def source_renamed(self, node: Node, second: Node) -> None:
        """A node that makes no kernel of its own: its source is renamed to its result, and nobody writes the source."""
        source = node.inputs[0]
        if source.producer is None:
            # Nothing to rename: the compilation ends with "Output id not found".
            self.report("graph-refused", "refused", node.outputs[0], node, second)
            return
        if source.is_output:
            self.report("source-renamed", "lost", source, node, second)
        for other in source.consumers:
            if other is not node:
                self.report("source-renamed", "wrong", other.outputs[0], node, other)

    def concats_of_one(self) -> None:
        """A CONCAT of one tensor that no pass removed: its kernel does not compile, and the submission is dropped.

        With nothing to tell the axis from, the delegate takes the batch, which a tensor of batch 1 does not have.
        An output that is a plain copy of a graph input can be right all the same, from the memory it happens to get.
        """
        for node in self.graph.live():
            if node.kind == "CONCAT" and len(node.inputs) == 1 and node.inputs[0].shape[0] == 1:
                self.report("concat-of-one", "void", node.outputs[0], node, node)

    # -- single nodes --------------------------------------------------------------------------

    def bypass(self, node: Node) -> None:
        """RemoveSimpleNodeKeepInput: consumers of the node's output read its input instead."""
        source, target = node.inputs[0], node.outputs[0]
        del source.consumers[node]
        for consumer in target.consumers:
            consumer.inputs[consumer.inputs.index(target)] = source
            source.consumers[consumer] = None
        target.consumers = {}
        node.removed = True

    def identity_reshapes(self) -> None:
        for node in self.graph.live():
            if node.kind != "RESHAPE" or len(node.inputs) != 1 or node.inputs[0].shape != node.attrs.get("shape"):
                continue
            target = node.outputs[0]
            if target.is_output or not target.consumers:
                continue
            if any(node.inputs[0] in consumer.inputs for consumer in target.consumers):
                continue
            self.bypass(node)

    def consecutive_reshapes(self) -> None:
        for second in self.graph.live():
            if second.kind != "RESHAPE" or len(second.inputs) != 1:
                continue
            middle = second.inputs[0]
            first = middle.producer
            if first is None or first.kind != "RESHAPE" or len(middle.consumers) != 1 or middle.is_output:
                continue
            first.attrs["shape"] = second.attrs["shape"]
            self.drop_following("noop-removed", first, second)

    def identity_slices(self) -> None:
        places: dict[Node, dict[Value, int]] = {}
        slices: dict[Node, Node] = {}
        for node in self.graph.live():
            if node.kind != "SLICE" or not node.attrs.get("identity"):
                continue
            source, target = node.inputs[0], node.outputs[0]
            if not target.is_output and target.consumers:
                twice = next((reader for reader in target.consumers if source in reader.inputs), None)
                if twice is None:
                    self.bypass(node)
                else:  # the pass fails on it, and with it the compilation
                    self.report("graph-refused", "refused", twice.outputs[0], node, twice)
                continue
            # RemoveSimpleNodeKeepOutput: the slice's output stays, what it read is deleted.
            if source.producer is None or len(source.consumers) != 1:
                continue
            if source.is_output:
                self.report("noop-removed", "lost", source, source.producer, node)
            maker = source.producer
            place = places.setdefault(maker, {value: index for index, value in enumerate(maker.outputs)})
            place[target] = place[source]
            slices[maker] = node
            # It is appended, so that it changes places with the maker's other outputs.
            maker.outputs.remove(source)
            maker.outputs.append(target)
            target.producer = maker
            source.consumers = {}
            node.removed = True
        for maker, place in places.items():
            for index, value in enumerate(maker.outputs):
                if place[value] != index:
                    self.report("split-sliced", "wrong", value, maker, slices[maker])

    def padding_from_concat(self) -> None:
        """CONCAT of a tensor with one constant of zeros becomes a PAD of the constant's size."""
        for node in self.graph.live():
            if node.kind != "CONCAT" or len(node.inputs) != 2 or node.attrs.get("axis") not in ("H", "W", "C"):
                continue
            for position, value in enumerate(node.inputs):
                maker = value.producer
                if maker is None or maker.kind != "CONSTANT" or maker.attrs["data"].dtype.kind != "f":
                    continue
                if maker.attrs["data"].any():
                    continue
                axis = node.attrs["axis"]
                size = value.shape["BHWC".index(axis)]
                amounts = dict.fromkeys("BHWC", (0, 0))
                amounts[axis] = (size, 0) if position == 0 else (0, size)
                node.kind = "PAD"
                node.attrs = {"amounts": amounts, "fill": 0.0, "mirror": False, "rank": 4}
                node.inputs.remove(value)
                maker.removed = True
                break

    def fully_connected_from_convolution(self) -> None:
        for node in self.graph.live():
            if node.kind == "CONV" and len(node.inputs) == 1 and kernel_is_one(node):
                shape = node.inputs[0].shape
                if shape[1] == shape[2] == 1:
                    node.kind = "FULLY_CONNECTED"

    def global_pooling(self) -> None:
        """Average pooling of the whole image becomes a MEAN, and so a consumer that ADD fuses with."""
        for node in self.graph.live():
            if node.kind == "POOL_AVERAGE" and len(node.outputs) == 1 and node.attrs.get("pad") == (0, 0):
                shape = node.inputs[0].shape
                if node.attrs["kernel"] == (shape[1], shape[2]) and node.outputs[0].shape[1:3] == (1, 1):
                    node.kind, node.attrs = "MEAN", {"axes": frozenset("HW")}

    def padding_into_add(self) -> None:
        """A PAD that only appends channels is dropped in front of an ADD of two tensors."""
        for pad in self.graph.live():
            if pad.kind != "PAD" or len(pad.inputs) != 1 or pad.inputs[0].shape[3] % 4:
                continue
            amounts = pad.attrs["amounts"]
            if pad.attrs["mirror"] or not padding_only(pad, "C") or amounts["C"][0] != 0:
                continue
            add = only_reader(pad.outputs[0])
            if add is None or add.kind != "ADD" or "operand" in add.attrs:
                continue
            others = [value for value in add.inputs if value is not pad.outputs[0]]
            self.drop_preceding("pad-merged", pad, add)
            if any(_broadcasts(value.shape, add.outputs[0].shape) for value in others):
                self.report("pad-add-broadcast", "wrong", add.outputs[0], pad, add)
            if pad.attrs["fill"] != 0.0 and any(amounts["C"]):
                self.report("pad-value-gemm", "wrong", add.outputs[0], pad, add)


def _reads_twice_aborts(node: Node) -> bool:
    # BATCH_MATMUL with a batch is another op to the delegate, one that takes it.
    batched = node.op.kind == "BATCH_MATMUL" and node.inputs[0].shape[0] != 1
    return node.op.kind in READS_TWICE_ABORTS and not batched


def _places(node: Node) -> dict[Value, int]:
    """Where along its axis each part of a SPLIT begins; empty for nodes with one output."""
    if len(node.outputs) < 2:
        return {}
    axis, begin, places = "BHWC".find(node.attrs.get("axis", "")), 0, {}
    for value in node.outputs:
        places[value] = begin
        begin += value.shape[axis] if axis >= 0 else 1
    return places


def _is_whole(split: Node) -> bool:
    """Whether the one part left of a SPLIT is as long as the source, so that nothing needs to be cut."""
    axis = "BHWC".find(split.attrs.get("axis", ""))
    return axis >= 0 and split.outputs[0].shape[axis] == split.inputs[0].shape[axis]


def _broadcasts(shape: Bhwc, result: Bhwc) -> bool:
    """Along anything but the batch, which the kernel of the merged ADD still broadcasts."""
    return any(size == 1 and whole > 1 for size, whole in zip(shape[1:], result[1:], strict=True))


def _only_consumer(first: Node) -> Node | None:
    """The one node that reads everything `first` makes and reads nothing else, or None."""
    if first.kind == "CONSTANT":
        return None
    if len(first.outputs) == 1 and len(first.outputs[0].consumers) != 1:
        return None  # most nodes, ten passes long
    found: Node | None = None
    for value in first.outputs:
        for consumer in value.consumers:
            if found is not None and consumer is not found:
                return None
            found = consumer
    if found is None or any(value.producer is not first for value in found.inputs):
        return None
    return found


def _nearest_name(value: Value) -> str:
    """The value's name in the file, or that of the first named value behind it.

    The delegate puts at most a handful of values of its own (activation, reshapes) between two of the file's.
    """
    for _ in range(8):
        if value.name:
            return value.name
        reader = next(iter(value.consumers), None)
        if reader is None:
            break
        value = reader.outputs[0]
    return value.name


def replay(graph: Graph) -> Replay:
    """The delegate's graph after all its passes, and what they lost or changed. Linear in the ops."""
    rewriter = _Replayer(lower(graph))
    rewriter.run()
    return Replay(rewriter.graph, tuple(rewriter.events))
