"""The delegate's passes over pairs of nodes: as data, and the one loop that applies them.

Key insight: most of the delegate's rewrites have one shape: all that a node makes goes to one other
node and to nothing else, so one of the two can go. What differs is which pairs a pass takes and which of the
two survives, and a graph output between the two is lost in all of them.

Source: google-ai-edge/ml-drift, `common/transformations/*.cc` (remove_noop, merge_padding_with,
fuse_mul_to_conv, fuse_add_to_conv).
"""

from __future__ import annotations

import enum
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from repro.delegate.graph import GEMM, DelegateGraph, Node, OperandForm, Value
from repro.delegate.removal import drop_following, drop_preceding
from repro.delegate.sighting import Effect, Sighting
from repro.delegate.split_parts import begins_of_parts, is_put_together, source_renamed
from runner.run import FP16_MAX

ENDS_IN_FOLDING = "folded-constant-aborts"
"""The rule of a constant that is folded into weights, of which it is read beyond its end: a failed check."""


class Survivor(enum.Enum):
    """Which node of a pair is left; the values between the two are deleted."""

    FIRST = "first"
    SECOND = "second"


def _never(first: Node, second: Node) -> str:
    return ""


@dataclass(frozen=True)
class PairPass:
    """A pass over pairs of nodes where all that the first makes goes to the second and to nothing else.

    rule: the rule under which a graph output between the two is reported as lost.
    accepts: whether the pass applies to a pair.
    breaks: the rule under which the values of this pair come out wrong, or empty. A pair pass can be right
        about roles and still compute something else.
    """

    name: str
    rule: str
    survivor: Survivor
    accepts: Callable[[Node, Node], bool]
    breaks: Callable[[Node, Node], str] = _never

    def apply(self, graph: DelegateGraph) -> Iterator[Sighting]:
        """Run the pass to its fixed point: a merged node gets another chance, as in the delegate."""
        queue = deque(graph.live())
        while queue:
            first = queue.popleft()
            second = None if first.removed else _only_consumer(first)
            if second is None or not self.accepts(first, second):
                continue
            broken_rule = self.breaks(first, second)
            if self.survivor is Survivor.FIRST:
                queue.appendleft(first)
                yield from _merge_into_first(self.rule, first, second, bool(broken_rule))
            else:
                before = first.inputs[0].producer if first.inputs else None
                if before is not None:
                    queue.appendleft(before)
                yield from drop_preceding(self.rule, first, second)
            if broken_rule:
                effect = Effect.ABORT if broken_rule == ENDS_IN_FOLDING else Effect.WRONG
                yield Sighting(broken_rule, effect, second.outputs[0], first, second)
            if is_put_together(first):
                yield from source_renamed(first, second)


def _merge_into_first(rule: str, first: Node, second: Node, is_known_wrong: bool) -> Iterator[Sighting]:
    """Drop the second; of a SPLIT, the parts that are left over may now be taken from other places."""
    begins = begins_of_parts(first)
    if begins:  # what the second makes should be where its first part was
        begins[second.outputs[0]] = begins[second.inputs[0]]
    yield from drop_following(rule, first, second)
    for value, begin in begins_of_parts(first).items():
        if begins.get(value, begin) != begin and not (is_known_wrong and value in second.outputs):
            yield Sighting("split-merged", Effect.WRONG, value, first, second)


def _only_consumer(first: Node) -> Node | None:
    """The one node that reads everything `first` makes and reads nothing else, or None."""
    if first.kind == "CONSTANT":
        return None
    if len(first.outputs) == 1 and len(first.outputs[0].consumers) != 1:
        return None  # true of most nodes, and asked in every pass
    only: Node | None = None
    for value in first.outputs:
        for consumer in value.consumers:
            if only is not None and consumer is not only:
                return None
            only = consumer
    if only is None or any(value.producer is not first for value in only.inputs):
        return None
    return only


# --- which pairs ------------------------------------------------------------------------------


def _is_degenerate_resize(first: Node, second: Node) -> bool:
    return second.kind == "RESIZE" and len(second.inputs) == 1 and second.inputs[0].shape == second.outputs[0].shape


def _is_add_of_tensors(first: Node, second: Node) -> bool:
    return second.kind == "ADD" and second.operand is None


def _is_concat(first: Node, second: Node) -> bool:
    return second.kind == "CONCAT"


def _gemm_then(first: Node, second: Node, kind: str) -> bool:
    return second.kind == kind and _has_folding_operand(second) and _is_gemm(first)


def _add_then_convolution(first: Node, second: Node) -> bool:
    if first.kind != "ADD" or not _has_folding_operand(first) or second.kind != "CONV" or not _is_gemm(second):
        return False
    return not _is_grouped(second) and second.window is not None and second.window.padding == (0, 0)


def _mul_then_gemm(first: Node, second: Node) -> bool:
    return first.kind == "MUL" and _has_folding_operand(first) and _is_gemm(second)


def _has_folding_operand(node: Node) -> bool:
    """Whether the operand is of a form that can be folded into weights."""
    if node.operand is None or len(node.inputs) != 1:
        return False
    return node.operand.form in (OperandForm.SCALAR, OperandForm.LINEAR)


def _is_gemm(node: Node) -> bool:
    return node.kind in GEMM and len(node.inputs) == 1


def _is_grouped(gemm: Node) -> bool:
    return gemm.kind == "CONV" and gemm.weights is not None and gemm.weights.groups != 1


def _pad_then(first: Node, second: Node, kinds: Sequence[str]) -> bool:
    pad = first.pad
    return pad is not None and not pad.mirrors and pad.only_along("HW") and second.kind in kinds


# --- whose values come out wrong --------------------------------------------------------------


def _always_merged_wrong(first: Node, second: Node) -> str:
    return "split-merged"


def _parts_in_other_order(first: Node, second: Node) -> str:
    return "split-merged" if len(second.inputs) > 1 and not _is_same_split(first, second) else ""


def _is_same_split(first: Node, second: Node) -> bool:
    """CONCAT puts back together the last parts of what SPLIT took apart, in order and on the same axis.

    Parts that nobody reads stay with the SPLIT, in front of the merged one.
    """
    last = first.outputs[len(first.outputs) - len(second.inputs) :]
    return second.kind == "CONCAT" and second.axis == first.axis and second.inputs == last


def _broadcasts_the_result(gemm: Node, elementwise: Node) -> str:
    """The constant behind a convolution has more channels than the convolution makes, or than its weights are for.

    It has fewer where the weights are taken the other way round (`matmul-weights-transposed`).
    """
    operand, weights = elementwise.operand, gemm.weights
    if operand is None or operand.form is not OperandForm.LINEAR or weights is None:
        return ""
    if operand.values.size < weights.out_channels:
        return ENDS_IN_FOLDING
    return "" if weights.out_channels == operand.values.size else "constant-broadcast-gemm"


def _broadcasts_the_source(elementwise: Node, gemm: Node) -> str:
    """The constant in front of a convolution has more channels than the tensor, or fewer than the weights are for."""
    operand, channels = elementwise.operand, elementwise.inputs[0].shape[3]
    if operand is None or operand.form is not OperandForm.LINEAR:
        return ""
    if gemm.weights is not None and operand.values.size < gemm.weights.in_channels:
        return ENDS_IN_FOLDING
    return "" if channels == operand.values.size else "constant-broadcast-gemm"


def _scales_groups_or_broadcasts(elementwise: Node, gemm: Node) -> str:
    if _is_grouped(gemm) and elementwise.operand is not None and elementwise.operand.form is OperandForm.LINEAR:
        return "grouped-mul"
    return _broadcasts_the_source(elementwise, gemm)


def _padding_counts(first: Node, second: Node) -> str:
    """The values that the PAD fills in are not what the other op's own padding stands for."""
    pad = first.pad
    if pad is None or (not any(pad.amounts["H"]) and not any(pad.amounts["W"])):
        return ""
    if second.kind == "POOL_MAX":
        # Pooling ignores its own padding, so what the PAD fills in is only missed where it could win.
        never_wins = pad.fill <= -FP16_MAX or (pad.fill <= 0.0 and _is_not_negative(first.inputs[0]))
        return "" if never_wins and not _some_window_is_all_padding(pad.amounts, second) else "pad-pool"
    if second.kind == "POOL_AVERAGE":
        return "pad-pool"
    return "pad-value-gemm" if pad.fill != 0.0 else ""


def _some_window_is_all_padding(amounts: Mapping[str, tuple[int, int]], pool: Node) -> bool:
    """Whether some window sees nothing but padding, of which the pooling then makes a huge negative number."""
    assert pool.window is not None
    for letter, size, own in zip("HW", pool.window.size, pool.window.padding, strict=True):
        before, after = amounts[letter]
        if before + own // 2 >= size or after + own - own // 2 >= size:
            return True
    return False


def _is_not_negative(value: Value) -> bool:
    """Whether the node that makes the value cannot make a negative one."""
    maker = value.producer
    return maker is not None and maker.kind in ("RELU", "RELU6", "RELU_0_TO_1", "SIGMOID", "SQUARE", "ABS", "SOFTMAX")


# --- the passes -------------------------------------------------------------------------------

DEGENERATE_RESIZE = PairPass("remove_degenerate_upsampling", "noop-removed", Survivor.FIRST, _is_degenerate_resize)
SINGLE_INPUT_ADD = PairPass(
    "remove_single_input_add", "split-merged", Survivor.FIRST, _is_add_of_tensors, _always_merged_wrong
)
SINGLE_INPUT_CONCAT = PairPass(
    "remove_single_input_concat", "noop-removed", Survivor.FIRST, _is_concat, _parts_in_other_order
)
PAD_PASSES = tuple(
    PairPass(
        f"merge_padding_with_{kinds[0].lower()}",
        "pad-merged",
        Survivor.SECOND,
        partial(_pad_then, kinds=kinds),
        _padding_counts,
    )
    for kinds in (("CONV",), ("POOL_AVERAGE", "POOL_MAX"), ("DEPTHWISE",))
)
GEMM_PASSES = (
    *(
        PairPass(
            f"merge_convolution_with_{kind.lower()}",
            "gemm-elementwise",
            Survivor.FIRST,
            partial(_gemm_then, kind=kind),
            _broadcasts_the_result,
        )
        for kind in ("MUL", "ADD")
    ),
    PairPass(
        "merge_add_with_convolution",
        "elementwise-gemm",
        Survivor.SECOND,
        _add_then_convolution,
        _broadcasts_the_source,
    ),
    PairPass(
        "merge_mul_with_convolution",
        "elementwise-gemm",
        Survivor.SECOND,
        _mul_then_gemm,
        _scales_groups_or_broadcasts,
    ),
)
