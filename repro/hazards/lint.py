"""What is known to go wrong, as data, and the search for it in a graph that nobody has run.

Key insight: a rule has two halves. What happens inside the delegate is replayed by `repro.delegate.replay`,
which names the rule; what that means for the one who ships the model (is it silent, what to do,
which finding documents it) is the table here. A rule is a hazard only if a delegate has shown it:
`repro.selftest.lint_truth` draws graphs around every rule and holds the prediction against the delegate.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np

from cases.graph import Graph, Op
from repro.delegate.graph import MAX_RANK, constant_data
from repro.delegate.kinds import ELEMENTWISE
from repro.delegate.replay import Event, replay
from runner.run import FP16_MAX, FP16_ROUNDS_TO_ZERO

LITERT_8599 = "https://github.com/google-ai-edge/LiteRT/issues/8599"
EXTRA_OP = "emit '{tensor}' through an extra op (for example a MUL by 1): `repro fix` does it and proves it"
BLOCK = "keep {producer} and {consumer} apart with an identity TRANSPOSE: `repro fix` does it and proves it"
ALL_RUNTIMES = ">=2.1.3"
"""Half of fp16's smallest subnormal: what is smaller rounds to zero."""


@dataclass(frozen=True)
class Rule:
    """One known hazard or risk.

    level: `hazard` (a delegate was seen to compute wrong results, silently, or to end the process) or `risky`.
    pattern: the shape of it, in the delegate's node names, for people.
    message, fix: one sentence each; {tensor}, {producer}, {consumer}, {outputs} and {detail} are filled in.
    finding: slug of the folder under findings/, or empty.
    runtimes: which LiteRT versions show it; where: on which adapters, empty meaning every one.
    workaround: which edit of `repro.fixes.workarounds` avoids it, or empty where none is known.
    latent: whether the wrong values show for some inputs only (a border that is negative everywhere, ...).
    """

    id: str
    level: str
    pattern: str
    message: str
    fix: str
    finding: str = ""
    upstream: str = ""
    runtimes: str = ALL_RUNTIMES
    where: str = ""
    workaround: str = ""
    latent: bool = False


RULES = {
    rule.id: rule
    for rule in (
        Rule(
            "add-reduce",
            "hazard",
            "ADD of two tensors of equal shape -> SUM/MEAN/MAX/MIN/PROD (or a global average pool)",
            "output '{tensor}' is swallowed by the kernel that adds and reduces: it returns stale memory",
            EXTRA_OP,
            upstream=LITERT_8599,
            workaround="emit",
            finding="add-output-feeds-reduction",
        ),
        Rule(
            "add-reduce-extremum",
            "hazard",
            "ADD of two tensors of equal shape -> REDUCE_MAX or REDUCE_MIN",
            "'{tensor}' is wrong where the true value is below (MAX) or above (MIN) zero: the kernel that adds and "
            "reduces starts from zero",
            BLOCK,
            workaround="block-edge",
            latent=True,
            finding="add-before-max",
        ),
        Rule(
            "gemm-elementwise",
            "hazard",
            "CONV/DEPTHWISE/TRANSPOSE_CONV/FULLY_CONNECTED -> ADD or MUL by a scalar or per-channel constant",
            "output '{tensor}' is folded into the weights with the {consumer} behind it and never written",
            EXTRA_OP,
            upstream=LITERT_8599,
            workaround="emit",
            finding="conv-output-feeds-constant",
        ),
        Rule(
            "elementwise-gemm",
            "hazard",
            "MUL by constant -> CONV/DEPTHWISE/TRANSPOSE_CONV/FULLY_CONNECTED, or ADD of constant -> unpadded CONV",
            "output '{tensor}' is folded into the weights of the {consumer} behind it and never written",
            EXTRA_OP,
            upstream=LITERT_8599,
            workaround="emit",
            finding="scaled-output-feeds-conv",
        ),
        Rule(
            "pad-merged",
            "hazard",
            "PAD of height and width -> CONV/DEPTHWISE/POOL, or PAD of channels -> ADD",
            "output '{tensor}' is merged into the padding of the {consumer} behind it and never written",
            EXTRA_OP,
            workaround="emit",
            finding="pad-output-feeds-conv",
        ),
        Rule(
            "pad-add-broadcast",
            "hazard",
            "PAD of channels -> ADD with a tensor that broadcasts",
            "'{tensor}' is wrong: the PAD is dropped in front of an ADD whose other tensor broadcasts",
            BLOCK,
            workaround="block-edge",
            finding="pad-before-broadcast-add",
        ),
        Rule(
            "noop-removed",
            "hazard",
            "any op -> one-input CONCAT, RESIZE to the same size, or a SLICE of everything that is an output",
            "output '{tensor}' is deleted together with the {consumer} behind it, which changes nothing",
            BLOCK,
            workaround="block-edge",
            finding="no-op-behind-output",
        ),
        Rule(
            "source-renamed",
            "hazard",
            "SPLIT whose parts are all put together again, with a source that is used elsewhere",
            "'{tensor}' is wrong: the source of the {producer} is renamed to its result, and nobody writes the source",
            "remove the {producer}, which does nothing: `repro fix` puts an identity TRANSPOSE behind its first part",
            workaround="block-split",
            finding="split-put-together",
        ),
        Rule(
            "concat-of-one",
            "hazard",
            "one-input CONCAT (of batch 1) of a graph input, or of a tensor that other ops read too",
            "every output is wrong: the kernel of the one-input {producer} does not compile, and is left out",
            "remove the {producer}, which does nothing: `repro fix` puts an identity TRANSPOSE in front of it",
            workaround="block-source",
            finding="concat-of-one",
        ),
        Rule(
            "mean-stddev-norm",
            "hazard",
            "MEAN -> SUB -> SQUARE -> MEAN -> ADD eps -> RSQRT -> MUL over channels",
            "output '{tensor}' is an inner step of a normalisation that becomes one kernel: it returns stale memory",
            EXTRA_OP,
            workaround="emit",
            finding="layernorm-inner-output",
        ),
        Rule(
            "mish",
            "hazard",
            "EXP -> ADD 1 -> LOG -> TANH -> MUL",
            "output '{tensor}' is an inner step of a Mish that becomes one kernel: it returns stale memory",
            EXTRA_OP,
            workaround="emit",
            finding="mish-inner-output",
        ),
        Rule(
            "slice-mul-reduce-concat",
            "hazard",
            "SLICE -> MUL -> MEAN/SUM over channels -> CONCAT over channels",
            "'{tensor}' is inside or behind a correlation that becomes one kernel, which assumes that all branches "
            "slice one tensor, start at channel 0 and multiply by one other",
            BLOCK,
            workaround="block-concat",
            finding="correlation-concat",
        ),
        Rule(
            "split-merged",
            "hazard",
            "SPLIT -> CONCAT or ADD that reads nothing but the SPLIT's parts",
            "'{tensor}' is wrong: the {consumer} is removed as if it had one input, so the parts are not put together "
            "and those left over change places",
            "take the parts with SLICE, or put an identity TRANSPOSE behind the first part: `repro fix` does",
            workaround="block-split",
            finding="split-halves-added",
        ),
        Rule(
            "split-linked",
            "hazard",
            "SPLIT whose first part (perhaps through elementwise ops) meets another part in one elementwise op",
            "every output is wrong: {consumer} is linked into the kernel of the {producer} whose other part it reads, "
            "and that kernel is rejected",
            "swap the operands of the {consumer}, or put an identity TRANSPOSE behind the first part: `repro fix` does",
            workaround="block-split",
            finding="split-halves-meet",
        ),
        Rule(
            "constant-axis",
            "hazard",
            "elementwise op of a tensor and a constant whose ranks, read as BHWC, put one axis in two places: [N,C] "
            "with [N,C] or [1,N,C], [B,N,C] with [B,N,C] and B above 1, or a constant with a batch of its own",
            "'{tensor}' is wrong: the delegate lines the constant up with another axis and uses one row of it, or "
            "of the tensor, for all",
            "give both operands rank 4, aligned to the right: `repro fix` does it and proves it",
            workaround="align-ranks",
            finding="dfine-naive-enc-coord",
        ),
        Rule(
            "constant-broadcast-gemm",
            "hazard",
            "CONV/FULLY_CONNECTED next to ADD or MUL by a per-channel constant of another channel count",
            "'{tensor}' is wrong: {producer} and {consumer} are folded although the constant broadcasts the channels",
            BLOCK,
            workaround="block-edge",
            finding="constant-broadcasts-channels",
        ),
        Rule(
            "pad-pool",
            "hazard",
            "PAD of height and width with zeros -> AVERAGE_POOL or MAX_POOL",
            "'{tensor}' is wrong at its border: the pooling ignores padding, the PAD's zeros should count",
            BLOCK,
            workaround="block-edge",
            latent=True,
            finding="pad-before-pooling",
        ),
        Rule(
            "pad-value-gemm",
            "hazard",
            "PADV2 of height and width with a value that is not zero -> CONV or DEPTHWISE",
            "'{tensor}' is wrong at its border: the padding value is lost when the PAD is merged",
            BLOCK,
            workaround="block-edge",
            finding="pad-value-lost",
        ),
        Rule(
            "grouped-mul",
            "hazard",
            "MUL by a per-channel constant -> grouped CONV",
            "'{tensor}' is wrong: every group is scaled with the first group's constants",
            "fold the constant into the convolution's weights, or put an identity TRANSPOSE between: `repro fix` does",
            workaround="block-edge",
            finding="grouped-conv-scaled",
        ),
        Rule(
            "norm-other-input",
            "hazard",
            "the normalisation pattern whose MEAN and SUB read different tensors of one producer (or two inputs)",
            "'{tensor}' is wrong: the kernel normalises the tensor whose mean was taken, not the one it is taken from",
            "put an identity TRANSPOSE in front of the MEAN: `repro fix` does it and proves it",
            workaround="block-input",
            finding="norm-of-other-input",
        ),
        Rule(
            "depthwise-multiplier",
            "hazard",
            "DEPTHWISE with a 1x1 kernel, several input channels and a depth multiplier above 1",
            "'{tensor}' is wrong: the weights of a 1x1 {producer} are taken in the file's order and not transposed",
            "make the kernel 1x2 with a column of zeros: `repro fix` does it and proves it",
            workaround="wider-kernel",
            finding="depthwise-1x1-multiplier",
        ),
        Rule(
            "padding-lanes",
            "hazard",
            "DIV (not by a scalar), LOG or RSQRT of a channel count that is no multiple of 4 -> SUM, MEAN, PROD, CONV, "
            "FC or BATCH_MATMUL over the channels, also through ops that keep the channels where they are",
            "'{tensor}' is NaN or infinite: {producer} leaves that in the unused lanes of its last channels, and the "
            "{consumer} sums over them",
            "put a TILE by ones in front of the {consumer}, which clears those lanes: `repro fix` does it and proves "
            "it; or make the channel count a multiple of 4",
            # Not on every driver: SwiftShader's log(0) is finite.
            where="where a division by zero is NaN or infinite; of LOG, not on SwiftShader",
            workaround="clear-lanes",
            finding="padding-channels-read",
        ),
        Rule(
            "fc-rank-1",
            "hazard",
            "FULLY_CONNECTED of a depth above 1 on a tensor of rank 1",
            "'{tensor}' is wrong: {producer} takes the length of its rank-1 input for the batch",
            "RESHAPE the input to [1, C]: `repro fix` does it and proves it",
            workaround="two-dimensions",
            finding="rank-1-fully-connected",
        ),
        Rule(
            "softmax-rank-1",
            "hazard",
            "SOFTMAX of a tensor of rank 1",
            "'{tensor}' is wrong: {producer} runs over the one channel of each element, so that all of it is 1",
            "RESHAPE to [1, C] and back: `repro fix` does it and proves it",
            workaround="row-softmax",
            finding="rank-1-softmax",
        ),
        Rule(
            "cumsum-batch",
            "hazard",
            "CUMSUM over the first dimension of a tensor of rank 1 to 3, or (rank 2, 3) over the last written as -1",
            "'{tensor}' is wrong: {producer} sums over another axis, since its axis is counted from the right of BHWC",
            "RESHAPE to rank 4 with that axis in the second place, and back: `repro fix` does it and proves it",
            workaround="cumsum-height",
            finding="cumsum-batch",
        ),
        Rule(
            "cumsum-no-batch",
            "hazard",
            "CUMSUM whose axis is read as the batch, where that is 1: axis 0 at rank 4, -1 at rank 3, -2 at rank 2",
            "every output is wrong: the kernel of the {producer} does not compile, and is left out",
            "RESHAPE to rank 4 with that axis in the second place, and back: `repro fix` does it and proves it",
            workaround="cumsum-height",
            finding="cumsum-batch",
        ),
        Rule(
            "cumsum-axis-aborts",
            "hazard",
            "CUMSUM over a negative axis of a tensor of rank 4, or over -2 or -3 at rank 3",
            "compiling this model ends the process (SIGILL): the axis of {producer} is looked up in front of a table",
            "write the axis as a positive number: `repro fix` does it and proves it",
            workaround="cumsum-height",
            finding="cumsum-batch",
        ),
        Rule(
            "cumsum-options",
            "hazard",
            "CUMSUM that is exclusive or reverse",
            "'{tensor}' is wrong: {producer} is computed as if it were neither exclusive nor reverse",
            "subtract the input from the sums (exclusive), or the sums from their total, and add the input (reverse)",
            finding="cumsum-options",
        ),
        Rule(
            "fc-flattens",
            "hazard",
            "FULLY_CONNECTED whose input's last dimension is not the weights' depth, so that TFLite flattens the input",
            "'{tensor}' is wrong: {producer} reads only the last dimension of its input, which it should flatten",
            "RESHAPE the input to [batch, depth]: `repro fix` does it and proves it",
            workaround="two-dimensions",
            finding="fc-flattens-input",
        ),
        Rule(
            "fc-runtime-weights",
            "hazard",
            "FULLY_CONNECTED whose weights are computed or an input, and which has a bias",
            "'{tensor}' is wrong: {producer} leaves out its bias, since its weights are no constant",
            "put the bias into an ADD behind it: `repro fix` does it and proves it",
            workaround="bias-behind",
            finding="fc-runtime-weights-bias",
        ),
        Rule(
            "pad-rank-3",
            "hazard",
            "PAD, PADV2 or MIRROR_PAD of a rank-3 tensor whose first dimension is above 1, or which pads that",
            "'{tensor}' is wrong: {producer} reads the three rows of its paddings as height, width and channels",
            "pad it as [1, B, N, C]: `repro fix` puts a RESHAPE on both sides and proves it",
            workaround="pad-rank-4",
            finding="pad-rank-3",
        ),
        Rule(
            "pad-batch",
            "hazard",
            "PAD or PADV2 of a rank-4 tensor of batch 1 that pads the batch",
            "'{tensor}' is wrong: {producer} does not make the new batches",
            "pad along another axis: `repro fix` reshapes so that the batch is the height, and proves it",
            workaround="pad-batch-as-height",
            finding="pad-batch",
        ),
        Rule(
            "split-sliced",
            "hazard",
            "SPLIT (or UNPACK) -> SLICE of everything that is an output, of any part but the last",
            "'{tensor}' holds another part: the {consumer} is removed, its output put behind those of the {producer}",
            "emit the part itself, or keep {producer} and {consumer} apart (identity TRANSPOSE): `repro fix` does",
            workaround="block-edge",
            finding="slice-of-split-part",
        ),
        Rule(
            "grouped-conv",
            "hazard",
            "CONV_2D in groups of at most 4 input channels, where those or a group's outputs are no multiple of 4",
            "every output is wrong: the delegate takes {producer} apart into a convolution a group, whose weights it "
            "makes no room for, and what holds them is rejected",
            "write it as a CONV_2D with block-diagonal weights",
            workaround="dense-weights",
            finding="grouped-conv-split",
        ),
        Rule(
            "grouped-conv-aborts",
            "hazard",
            "CONV_2D in groups of more than 4 input channels, where those or a group's outputs are no multiple of 4",
            "compiling this model ends the process (SIGILL): the delegate takes {producer} apart into a convolution "
            "a group",
            "write it as a CONV_2D with block-diagonal weights",
            workaround="dense-weights",
            finding="grouped-conv-aborts",
        ),
        Rule(
            "same-operand-aborts",
            "hazard",
            "BATCH_MATMUL (of batch 1), SELECT, FULLY_CONNECTED, CONV_2D or PACK that reads one tensor as two operands",
            "compiling this model ends the process (a failed check): {producer} reads one tensor twice",
            "give one operand a tensor of its own through an identity TRANSPOSE: `repro fix` does it and proves it",
            workaround="own-operand",
            finding="same-operand-aborts",
        ),
        Rule(
            "output-consumed",
            "risky",
            "a graph output that another op reads",
            "output '{tensor}' is also read by {consumer}: safe in every runtime measured here, but outputs in this "
            "role have been lost, and phones may fuse more than the host",
            "emit '{tensor}' through an extra op (for example a MUL by 1) if you can afford one",
        ),
        Rule(
            "mali-thin-pointwise",
            "risky",
            "1x1 CONV of up to 32 channels (through elementwise ops, residuals) -> 1x1 CONV of up to 4 channels, "
            "or with a large result",
            "on a Mali in fp16, output '{tensor}' may be swallowed by the kernel of the convolution behind it, never "
            "written (measured on a software driver under a Mali's name, never on a Mali)",
            "emit '{tensor}' through an extra op (for example a MUL by 1)",
            where="in fp16, on adapters named Mali (Mali-G57 and newer; not Midgard or Bifrost)",
            finding="mali-thin-pointwise",
        ),
        Rule(
            "op-refused",
            "risky",
            "an op or rank that the delegate does not take",
            "{producer} makes '{tensor}': {detail}; compiled for GPU only, the model is refused",
            "replace the op, or let it run on the cpu on purpose",
        ),
        Rule(
            "graph-refused",
            "risky",
            "a SPLIT of a graph input whose parts are all put together again, or a no-op SLICE next to its own input",
            "the delegate fails to compile this graph: its own rewrite of {producer} -> {consumer} breaks it",
            "remove the ops that do nothing",
        ),
        Rule(
            "fp16-range",
            "risky",
            "a constant outside fp16's range",
            "constant '{tensor}': {detail}; with fp16 arithmetic it becomes infinite or zero",
            "rescale the constant, clamp it on the host, or run this model in fp32",
        ),
    )
}


@dataclass(frozen=True)
class Hazard:
    """One match of one rule in one graph.

    tensor: the tensor that is not what it should be; output: its index among the graph's outputs,
    or None; affected: indices of all graph outputs that are wrong because of it.
    producer, consumer: op kinds of the file ("" where there is none).
    effect: as in `repro.delegate.replay.Event`, or `risk` where nothing is known to happen.
    """

    rule: str
    level: str
    tensor: str
    output: int | None
    producer: str
    consumer: str
    message: str
    fix: str
    effect: str
    affected: tuple[int, ...] = ()
    ops: tuple[Op, Op] | None = field(default=None, repr=False, compare=False)
    """The two ops of the file, for those who edit it; None for risks."""


@contextmanager
def _gc_paused() -> Iterator[None]:
    """No garbage collection inside: what is built is one web of live objects, and every round would walk all of it."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()


@_gc_paused()
def find_hazards(graph: Graph) -> tuple[Hazard, ...]:
    """Everything in the graph that a delegate is known to get wrong. Reads only; linear in the ops."""
    return tuple(hazard for hazard in _replayed(graph) if hazard.level == "hazard")


def _replayed(graph: Graph) -> tuple[Hazard, ...]:
    """What the replay of the delegate's passes says, hazards and refusals."""
    found: dict[tuple[str, str], Hazard] = {}
    replayed = replay(graph)
    events = replayed.events
    if not events:
        return ()
    positions = {name: index for index, name in enumerate(graph.outputs)}
    wrong = [event.tensor for event in events if event.effect == "wrong"]
    reach = _outputs_reached(graph, wrong) if wrong else {}
    for event in events:
        affected: tuple[int, ...]
        if event.effect in ("lost", "risk"):
            affected = (positions[event.tensor],)
        elif event.effect == "wrong":
            affected = reach[event.tensor]
        else:
            affected = tuple(range(len(graph.outputs)))
        found.setdefault((event.rule, event.tensor), _hazard(event, positions.get(event.tensor), affected, graph))
    return tuple(hazard for hazard in found.values() if hazard.affected)


def _hazard(event: Event, output: int | None, affected: tuple[int, ...], graph: Graph) -> Hazard:
    rule = RULES[event.rule]
    words = {
        "tensor": event.tensor,
        "producer": event.producer.kind,
        "consumer": event.consumer.kind,
        "outputs": ", ".join(graph.outputs[index] for index in affected),
        "detail": "",
    }
    return Hazard(
        rule.id,
        rule.level,
        event.tensor,
        output,
        event.producer.kind,
        event.consumer.kind,
        rule.message.format(**words),
        rule.fix.format(**words),
        event.effect,
        affected,
        (event.producer, event.consumer),
    )


def _outputs_reached(graph: Graph, sources: list[str]) -> dict[str, tuple[int, ...]]:
    """Which outputs lie behind each source. One walk a source, at most; wrong values are rare."""
    found: dict[str, tuple[int, ...]] = {}
    for source in dict.fromkeys(sources):
        seen, stack = {source}, [source]
        while stack:
            for op in graph.uses.get(stack.pop(), ()):
                fresh = [name for name in op.outputs if name not in seen]
                seen.update(fresh)
                stack.extend(fresh)
        found[source] = tuple(index for index, name in enumerate(graph.outputs) if name in seen)
    return found


# The op kinds that the delegate's parser table has (NewOperationParser in model_builder.cc).
SUPPORTED_KINDS = """
    ABS ADD ADD_N ARG_MAX ATAN2 AVERAGE_POOL_2D BATCH_MATMUL BITCAST BITWISE_XOR STABLEHLO_BROADCAST_IN_DIM CAST
    STABLEHLO_CBRT CEIL CONCATENATION CONV_2D COS CUMSUM DEPTHWISE_CONV_2D DEPTH_TO_SPACE DEQUANTIZE DIV
    DYNAMIC_UPDATE_SLICE EQUAL ELU EMBEDDING_LOOKUP EXP FLOOR FLOOR_DIV FLOOR_MOD FULLY_CONNECTED GATHER GELU GREATER
    GREATER_EQUAL HARD_SWISH LESS LESS_EQUAL LOGICAL_AND LOGICAL_NOT LOGICAL_OR LOGISTIC LOG LSTM MAXIMUM MAX_POOL_2D
    MEAN MINIMUM MIRROR_PAD MUL NEG NOT_EQUAL ONE_HOT PACK PAD PADV2 POW REDUCE_ALL REDUCE_ANY REDUCE_MAX REDUCE_MIN
    REDUCE_PROD QUANTIZE RELU RELU6 RELU_0_TO_1 RELU_N1_TO_1 LEAKY_RELU PRELU STABLEHLO_REMAINDER RESHAPE
    RESIZE_BILINEAR RESIZE_NEAREST_NEIGHBOR REVERSE_V2 ROUND RSQRT SELECT SELECT_V2 STABLEHLO_SHIFT_LEFT RIGHT_SHIFT
    SIGN SIN SLICE SOFTMAX SPACE_TO_DEPTH SPLIT SPLIT_V SQRT SQUARE SQUARED_DIFFERENCE STRIDED_SLICE SUB SUM TANH TILE
    TOPK_V2 TRANSPOSE TRANSPOSE_CONV UNPACK STABLEHLO_CLAMP STABLEHLO_COMPOSITE CUSTOM
"""
SUPPORTED = frozenset(SUPPORTED_KINDS.split())
# x + x and x * x are taken for another op; these are refused ("No support of few identical inputs").
REFUSES_TWICE = (ELEMENTWISE | {"ATAN2"}) - {"ADD", "MUL"}


def find_risks(graph: Graph) -> tuple[Hazard, ...]:
    """What may go wrong: outputs in a dangerous role, what the delegate refuses, constants outside fp16."""
    return tuple(hazard for hazard in lint(graph) if hazard.level == "risky")


def adapter_risks(graph: Graph) -> tuple[Hazard, ...]:
    """The risks that are a measured bug of some adapters only: a file does not say which adapter will run it."""
    return tuple(risk for risk in find_risks(graph) if RULES[risk.rule].finding)


@_gc_paused()
def lint(graph: Graph) -> tuple[Hazard, ...]:
    """Hazards first, then risks; each list in the order of the graph."""
    replayed = _replayed(graph)
    hazards = [hazard for hazard in replayed if hazard.level == "hazard"]
    others = [hazard for hazard in replayed if hazard.level != "hazard"]
    named = {hazard.tensor for hazard in replayed if hazard.effect != "refused"}
    return (*hazards, *others, *_risks(graph, named))


def _risks(graph: Graph, named: set[str]) -> Iterator[Hazard]:
    for index, name in enumerate(graph.outputs):
        readers = graph.uses.get(name, ())
        if readers and name not in named:
            producer = graph.producers.get(name)
            yield _risk("output-consumed", name, index, producer.kind if producer else "input", readers[0].kind, "")
    for op in graph.ops:
        detail = _refusal(graph, op)
        if detail:
            name = op.outputs[0] if op.outputs else ""
            yield _risk("op-refused", name, None, op.kind, "", detail)
    for name, tensor in graph.tensors.items():
        if tensor.data is not None and tensor.data.dtype.kind == "f" and tensor.dtype != "float16":
            detail = _range_note(tensor.data)
            if detail and constant_data(graph, name) is not None:
                readers = graph.uses.get(name, ())
                yield _risk("fp16-range", name, None, "constant", readers[0].kind if readers else "", detail)


def _risk(rule_id: str, tensor: str, output: int | None, producer: str, consumer: str, detail: str) -> Hazard:
    rule = RULES[rule_id]
    words = {"tensor": tensor, "producer": producer, "consumer": consumer, "outputs": tensor, "detail": detail}
    message, fix = rule.message.format(**words), rule.fix.format(**words)
    affected = () if output is None else (output,)
    return Hazard(rule_id, rule.level, tensor, output, producer, consumer, message, fix, "risk", affected)


def _refusal(graph: Graph, op: Op) -> str:
    if op.kind not in SUPPORTED:
        return f"the delegate has no {op.kind}"
    if op.kind == "SPLIT" and len(op.outputs) == 1:
        return "a SPLIT into one part crashes the delegate"
    if op.kind in REFUSES_TWICE and op.inputs[0] == op.inputs[-1] and constant_data(graph, op.inputs[0]) is None:
        return f"it reads '{op.inputs[0]}' as both operands"
    for name in (*op.inputs, *op.outputs):
        if name and len(graph.tensors[name].shape) > MAX_RANK:
            return f"'{name}' has rank {len(graph.tensors[name].shape)}, the delegate takes at most {MAX_RANK}"
    return ""


def _range_note(data: np.ndarray) -> str:
    if data.size == 0:
        return ""
    low, high = float(data.min()), float(data.max())
    peak = max(abs(low), abs(high))
    if not np.isfinite(peak) or peak > FP16_MAX:
        return f"holds {peak:g}, the largest fp16 number is {FP16_MAX:g}"
    # Only where nothing of the constant survives: small entries among larger ones are what fp16 rounds anyway.
    if 0 < peak < FP16_ROUNDS_TO_ZERO:
        return f"its largest value is {peak:g}, which fp16 rounds to zero"
    return ""
