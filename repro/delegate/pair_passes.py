"""The delegate's passes over pairs of nodes, as data: which pairs each takes and which survives.

Key insight: most of the delegate's rewrites have one shape: all that a node makes goes to one other
node and to nothing else, so one of the two can go. Told as data they can be applied by one loop
(`repro.delegate.replay`), which is where a graph output between the two is seen to be lost.

Source: google-ai-edge/ml-drift, `common/transformations/*.cc` (remove_noop, merge_padding_with,
fuse_mul_to_conv, fuse_add_to_conv).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from repro.delegate.graph import GEMM, Node, Value
from runner.run import FP16_MAX

Accepts = Callable[[Node, Node], bool]
Wrong = Callable[[Node, Node], str]


@dataclass(frozen=True)
class PairPass:
    """A pass over pairs of nodes where all that the first makes goes to the second and to nothing else.

    rule: the rule under which a graph output between the two is reported as lost.
    keep: which of the two survives, `first` or `second`; the values between them are deleted.
    accepts: whether the pass applies to a pair.
    wrong: the rule that this pair breaks in its values, or empty. A pair pass can be right about
        roles and still compute something else.
    """

    name: str
    rule: str
    keep: str
    accepts: Accepts
    wrong: Wrong = lambda first, second: ""


def _operand_fits(node: Node) -> bool:
    operand = node.attrs.get("operand")
    return operand is not None and operand.form in ("scalar", "linear") and len(node.inputs) == 1


def _gemm(node: Node) -> bool:
    return node.kind in GEMM and len(node.inputs) == 1


def _channels_differ(gemm: Node, elementwise: Node, side: str) -> bool:
    operand = elementwise.attrs["operand"]
    if operand.form != "linear":
        return False
    have = gemm.attrs.get("out", operand.values.size) if side == "out" else elementwise.inputs[0].shape[3]
    return int(have) != int(operand.values.size)


def _grouped(gemm: Node) -> bool:
    return gemm.kind == "CONV" and gemm.attrs.get("groups", 1) != 1


def padding_only(node: Node, letters: str) -> bool:
    return all(amount == (0, 0) for letter, amount in node.attrs["amounts"].items() if letter not in letters)


def _mergeable_pad(node: Node) -> bool:
    return node.kind == "PAD" and not node.attrs["mirror"] and padding_only(node, "HW")


def _pad_changes_values(pad: Node, second: Node) -> str:
    amounts = pad.attrs["amounts"]
    if not any(amounts["H"]) and not any(amounts["W"]):
        return ""
    if second.kind == "POOL_MAX":
        # Pooling ignores its own padding, so what the PAD fills in is only missed where it could win.
        fill = pad.attrs["fill"]
        harmless = fill <= -FP16_MAX or (fill <= 0.0 and _not_negative(pad.inputs[0]))
        return "" if harmless and not _window_ofpadding_only(amounts, second) else "pad-pool"
    if second.kind == "POOL_AVERAGE":
        return "pad-pool"
    return "pad-value-gemm" if pad.attrs["fill"] != 0.0 else ""


def _window_ofpadding_only(amounts: dict[str, tuple[int, int]], pool: Node) -> bool:
    """Whether some window sees nothing but padding, of which the pooling then makes a huge negative number."""
    for letter, kernel, own in zip("HW", pool.attrs["kernel"], pool.attrs["pad"], strict=True):
        before, after = amounts[letter]
        if before + own // 2 >= kernel or after + own - own // 2 >= kernel:
            return True
    return False


def _not_negative(value: Value) -> bool:
    """Whether the node that makes the value cannot make a negative one."""
    maker = value.producer
    return maker is not None and maker.kind in ("RELU", "RELU6", "RELU_0_TO_1", "SIGMOID", "SQUARE", "ABS", "SOFTMAX")


def _same_split(first: Node, second: Node) -> bool:
    """CONCAT puts back together the last parts of what SPLIT took apart, in order and on the same axis.

    Parts that nobody reads stay with the SPLIT, in front of the merged one.
    """
    last = first.outputs[len(first.outputs) - len(second.inputs) :]
    return second.kind == "CONCAT" and second.attrs.get("axis") == first.attrs.get("axis") and second.inputs == last


def kernel_is_one(node: Node) -> bool:
    keys = ("kernel", "stride", "dilation")
    return all(node.attrs.get(key) == (1, 1) for key in keys) and node.attrs.get("pad") == (0, 0)


DEGENERATE_RESIZE = PairPass(
    "remove_degenerate_upsampling",
    "noop-removed",
    "first",
    lambda a, b: b.kind == "RESIZE" and len(b.inputs) == 1 and b.inputs[0].shape == b.outputs[0].shape,
)
SINGLE_INPUT_ADD = PairPass(
    "remove_single_input_add",
    "split-merged",
    "first",
    lambda a, b: b.kind == "ADD" and "operand" not in b.attrs,
    lambda a, b: "split-merged",
)
SINGLE_INPUT_CONCAT = PairPass(
    "remove_single_input_concat",
    "noop-removed",
    "first",
    lambda a, b: b.kind == "CONCAT",
    lambda a, b: "split-merged" if len(b.inputs) > 1 and not _same_split(a, b) else "",
)
PAD_PASSES = tuple(
    PairPass(
        f"merge_padding_with_{kinds[0].lower()}",
        "pad-merged",
        "second",
        lambda a, b, kinds=kinds: _mergeable_pad(a) and b.kind in kinds,  # type: ignore[misc]
        _pad_changes_values,
    )
    for kinds in (("CONV",), ("POOL_AVERAGE", "POOL_MAX"), ("DEPTHWISE",))
)
GEMM_PASSES = (
    PairPass(
        "merge_convolution_with_mul",
        "gemm-elementwise",
        "first",
        lambda a, b: b.kind == "MUL" and _operand_fits(b) and _gemm(a),
        lambda a, b: "constant-broadcast-gemm" if _channels_differ(a, b, "out") else "",
    ),
    PairPass(
        "merge_convolution_with_add",
        "gemm-elementwise",
        "first",
        lambda a, b: b.kind == "ADD" and _operand_fits(b) and _gemm(a),
        lambda a, b: "constant-broadcast-gemm" if _channels_differ(a, b, "out") else "",
    ),
    PairPass(
        "merge_add_with_convolution",
        "elementwise-gemm",
        "second",
        lambda a, b: (
            a.kind == "ADD"
            and _operand_fits(a)
            and b.kind == "CONV"
            and _gemm(b)
            and not _grouped(b)
            and b.attrs.get("pad") == (0, 0)
        ),
        lambda a, b: "constant-broadcast-gemm" if _channels_differ(b, a, "in") else "",
    ),
    PairPass(
        "merge_mul_with_convolution",
        "elementwise-gemm",
        "second",
        lambda a, b: a.kind == "MUL" and _operand_fits(a) and _gemm(b),
        lambda a, b: (
            "grouped-mul"
            if _grouped(b) and a.attrs["operand"].form == "linear"
            else "constant-broadcast-gemm"
            if _channels_differ(b, a, "in")
            else ""
        ),
    ),
)
