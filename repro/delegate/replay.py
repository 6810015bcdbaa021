"""The delegate's rewriting of its graph, pass by pass, with a record of every graph output it loses.

Key insight: whether an output survives is not a property of two neighbouring ops but of the order in
which the delegate's passes run: a CONV_2D swallows a following ADD only after it had its chance at a
MUL, and a RESHAPE between two ops is gone before either. So the passes are replayed here in the
delegate's own order, and each says what it did to the meaning of the graph.

Source: google-ai-edge/ml-drift, `common/transformations/model_transformations.cc` (the order);
`selectors/special_selector.cc` (fusions into one kernel) comes after it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from cases.graph import Graph, Op
from repro.delegate.graph import DelegateGraph, Node, Value
from repro.delegate.half_casts import casts_read_as_they_are
from repro.delegate.kernel_fusions import fuse_into_kernels
from repro.delegate.kernel_links import link_into_splits
from repro.delegate.node_passes import (
    concats_of_one,
    consecutive_reshapes,
    fully_connected_from_convolution,
    global_pooling,
    identity_reshapes,
    identity_slices,
    padding_from_concat,
    padding_into_add,
)
from repro.delegate.pair_passes import (
    DEGENERATE_RESIZE,
    GEMM_PASSES,
    PAD_PASSES,
    SINGLE_INPUT_ADD,
    SINGLE_INPUT_CONCAT,
)
from repro.delegate.parser import lower
from repro.delegate.sighting import Effect, Sighting, Step
from repro.delegate.unused_lanes import sums_over_unused_lanes

EFFECTS_OF_PARSING = {
    "cumsum-no-batch": Effect.VOID,
    "batched-blocks": Effect.VOID,
    "arg-max-truths": Effect.VOID,
    "bitcast-size": Effect.VOID,
    "bitcast-bytes-in-half": Effect.VOID,
    "grouped-conv": Effect.VOID,
    "quantised-ranks": Effect.VOID,
    "cumsum-axis-aborts": Effect.ABORT,
    "grouped-conv-aborts": Effect.ABORT,
    "composite-aborts": Effect.ABORT,
    "computed-bias-aborts": Effect.ABORT,
    "blockwise-int4-aborts": Effect.ABORT,
    "embedding-rank-aborts": Effect.ABORT,
    "integer-activation": Effect.VOID,
    "integer-constant-batch": Effect.VOID,
    "integer-pad": Effect.VOID,
    "half-constant": Effect.VOID,
    "half-constant-output": Effect.LOST,
    "one-hot-values-abort": Effect.ABORT,
    "small-constant-aborts": Effect.ABORT,
    "constant-data-aborts": Effect.ABORT,
    "top-k-aborts": Effect.ABORT,
    "update-constant-aborts": Effect.ABORT,
}
"""Effects of the rules under which an op is parsed into a kernel that is invalid, or ends the process; else `wrong`."""
READS_TWICE_ABORTS = frozenset(
    {"BATCH_MATMUL", "SELECT", "SELECT_V2", "PACK", "FULLY_CONNECTED", "CONV_2D", "DEPTHWISE_CONV_2D"}
)
"""Ops whose parser reads one tensor twice without asking whether it may; others refuse, copy, or make another op."""


@dataclass(frozen=True)
class Event:
    """One thing that a pass did to the meaning of the graph, in the words of the file.

    rule: which rule of `repro.hazards.rules` describes it.
    tensor: the file's name of the tensor that is not what it should be; the nearest named tensor
        downstream where the delegate's own value has no name.
    producer, consumer: the two ops of the file that met.
    """

    rule: str
    tensor: str
    effect: Effect
    producer: Op
    consumer: Op


@dataclass(frozen=True)
class Replay:
    """The rewritten graph and what went wrong on the way, in the order it happened."""

    graph: DelegateGraph
    events: tuple[Event, ...]


def replay(graph: Graph) -> Replay:
    """The delegate's graph after all its passes, and what they lost or changed. Linear in the ops."""
    rewritten = lower(graph)
    events = []
    for step in STEPS:
        for rule, effect, value, producer, consumer in step(rewritten) or ():
            name = nearest_name(value)
            if name:
                events.append(Event(rule, name, effect, producer.op, consumer.op))
    return Replay(rewritten, tuple(events))


def parsed_wrong(graph: DelegateGraph) -> Iterator[Sighting]:
    """Not a pass: what the parsers already took for something else, or end the process over."""
    for node in graph.nodes:
        if node.misparsed:
            effect = EFFECTS_OF_PARSING.get(node.misparsed, Effect.WRONG)
            for value in node.outputs if effect is Effect.WRONG else node.outputs[:1]:
                yield Sighting(node.misparsed, effect, value, node, node)
        if node.reads_one_twice and _reading_twice_aborts(node):
            yield Sighting("same-operand-aborts", Effect.ABORT, node.outputs[0], node, node)


def _reading_twice_aborts(node: Node) -> bool:
    # BATCH_MATMUL with a batch is another op to the delegate, one that takes it.
    is_batched = node.op.kind == "BATCH_MATMUL" and node.inputs[0].shape[0] != 1
    return node.op.kind in READS_TWICE_ABORTS and not is_batched


def nearest_name(value: Value) -> str:
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


STEPS: tuple[Step, ...] = (
    parsed_wrong,
    DEGENERATE_RESIZE.apply,
    SINGLE_INPUT_ADD.apply,
    SINGLE_INPUT_CONCAT.apply,
    identity_reshapes,
    consecutive_reshapes,
    identity_reshapes,
    identity_slices,
    padding_from_concat,
    fully_connected_from_convolution,
    *(pair_pass.apply for pair_pass in (*PAD_PASSES, *GEMM_PASSES)),
    global_pooling,
    padding_into_add,
    concats_of_one,
    fuse_into_kernels,
    link_into_splits,
    casts_read_as_they_are,
    sums_over_unused_lanes,
)
"""In the delegate's own order."""
