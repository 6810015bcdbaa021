"""Minimal graphs of publicly reported failures of the delegate, rebuilt from their descriptions."""

from __future__ import annotations

import functools
from collections.abc import Callable

import numpy as np

from cases.builder import GraphBuilder
from cases.case import Case
from cases.graph import Graph

FAMILY = "public-reports"
LITERT = "https://github.com/google-ai-edge/LiteRT/issues/"
TENSORFLOW = "https://github.com/tensorflow/tensorflow/issues/"


def _weights(seed: int, *shape: int) -> np.ndarray:
    fan_in = max(1, int(np.prod(shape[1:])))
    return (np.random.default_rng([seed, *shape]).standard_normal(shape) / np.sqrt(fan_in)).astype(np.float32)


def add_output_consumed(variant: str) -> Graph:
    """LiteRT#8599: acc = x + z is an output and feeds a reduction; it comes back as one of its operands."""
    g = GraphBuilder()
    x, z = g.input("x", (1, 4, 64)), g.input("z", (1, 4, 64))
    acc = g.add(x, z, "acc")
    total = g.sum(acc, [2], "total")
    if variant == "plain":
        return g.build([total, acc])
    if variant == "inner":
        return g.build([total])
    if variant == "second":
        return g.build([total, acc, g.unary("TANH", acc, "second")])
    return g.build([total, g.scaled(acc, 2.0, "acc_x2")])


def attention(rank: int, masked: bool) -> Graph:
    """LiteRT#8619 (heads as batch, rank 3) and #8593 (a broadcast mask added to a BATCH_MATMUL result)."""
    g = GraphBuilder()
    heads, tokens, depth = 4, 16, 8
    shape = (heads, tokens, depth) if rank == 3 else (1, heads, tokens, depth)
    q, k, v = (g.input(n, shape) for n in "qkv")
    scores = g.scaled(g.batch_matmul(q, k, adj_y=True), depth**-0.5)
    if masked:
        mask = np.triu(np.full((tokens, tokens), -8.0, np.float32), 1)
        scores = g.add(scores, g.const(mask.reshape((1,) * (rank - 2) + mask.shape)))
    return g.build([g.batch_matmul(g.softmax(scores), v, "attended")])


def attention_with_heads_split(rank: int) -> Graph:
    """LiteRT#8619 in graph context: projections, heads split by reshape and transpose, attention, merge, norm."""
    g = GraphBuilder()
    heads, tokens, depth = 4, 16, 8
    width = heads * depth
    x = g.input("x", (1, tokens, width))

    def split(name: str, seed: int) -> str:
        value = g.fully_connected(x, _weights(seed, width, width), _weights(seed, width))
        value = g.transpose(g.reshape(value, (1, tokens, heads, depth)), (0, 2, 1, 3))
        return g.reshape(value, (heads, tokens, depth), name) if rank == 3 else value

    q, k, v = split("q", 1), split("k", 2), split("v", 3)
    scores = g.softmax(g.scaled(g.batch_matmul(q, k, adj_y=True), depth**-0.5))
    value = g.batch_matmul(scores, v)
    if rank == 3:
        value = g.reshape(value, (1, heads, tokens, depth))
    merged = g.reshape(g.transpose(value, (0, 2, 1, 3)), (1, tokens, width))
    summed = g.add(x, g.fully_connected(merged, _weights(4, width, width), _weights(4, width)))
    centred = g.sub(summed, g.mean(summed, [2]))
    return g.build(
        [g.mul(centred, g.unary("RSQRT", g.add(g.mean(g.mul(centred, centred), [2]), g.const(1e-5))), "normed")]
    )


def relu_0_to_1() -> Graph:
    """LiteRT#8598: supported in 2.1.3, refused by later runtimes."""
    g = GraphBuilder()
    return g.build([g.unary("RELU_0_TO_1", g.input("x", (1, 8, 8, 4)), "clipped")])


def hard_sigmoid_by_relu6() -> Graph:
    g = GraphBuilder()
    six = g.unary("RELU6", g.scaled(g.input("x", (1, 8, 8, 4)), 6.0))
    return g.build([g.scaled(six, 1.0 / 6.0, "clipped")])


def identical_operands(kind: str) -> Graph:
    """LiteRT#9192: the same tensor on both sides of an op."""
    g = GraphBuilder()
    # DIV needs a divisor away from zero: x * x + 1.
    x = g.input("x", (1, 16, 8))
    value = g.add(g.mul(x, x), g.const(1.0)) if kind == "DIV" else x
    both = g.binary(kind, value, value, "both")
    return g.build([g.add(both, x, "used")] if kind in ("DIV", "SUB") else [both])


def distinct_operands(kind: str) -> Graph:
    g = GraphBuilder()
    x, z = g.input("x", (1, 16, 8)), g.input("z", (1, 16, 8))
    value = g.add(g.mul(z, z), g.const(1.0)) if kind == "DIV" else z
    return g.build([g.add(g.binary(kind, x, value), x, "used")])


def conv_output_then_scaled(variant: str) -> Graph:
    """tensorflow#44802: an intermediate convolution result declared as an output is wrong on the GPU."""
    g = GraphBuilder()
    x = g.input("x", (1, 8, 8, 4))
    features = g.conv2d(x, _weights(5, 8, 3, 3, 4), _weights(6, 8), "features")
    normed = g.add(g.mul(features, g.const(1.0 + 0.5 * _weights(7, 8))), g.const(_weights(8, 8)), "normed")
    if variant == "plain":
        return g.build([features, normed])
    if variant == "inner":
        return g.build([normed])
    if variant == "second":
        return g.build([features, normed, g.unary("TANH", features, "second")])
    return g.build([g.scaled(features, 2.0, "features_x2"), normed])


def residual_stack_outputs(variant: str) -> Graph:
    """tensorflow#53781: several stages of a backbone are outputs, each feeding the next stage."""
    g = GraphBuilder()
    value = g.input("x", (1, 16, 16, 4))
    outputs = []
    for stage in range(3):
        deep = g.conv2d(value, _weights(10 + stage, 4, 3, 3, 4), _weights(20 + stage, 4), activation="RELU")
        value = g.add(value, deep, f"stage{stage}")
        outputs.append(value if variant == "plain" else g.scaled(value, 2.0, f"stage{stage}_x2"))
    pooled = g.mean(value, [1, 2], "pooled")
    if variant == "inner":
        return g.build([pooled])
    if variant == "second":
        return g.build([*outputs, pooled, g.unary("TANH", value, "second")])
    return g.build([*outputs, pooled])


def two_heads_from_one(variant: str) -> Graph:
    """tensorflow#57211: with two outputs, where one feeds the other, the first one is wrong."""
    g = GraphBuilder()
    x = g.input("x", (1, 32))
    logits = g.fully_connected(x, _weights(30, 10, 32), _weights(31, 10), "logits")
    scaled = g.mul(logits, g.const(0.5), "scaled")
    if variant == "plain":
        return g.build([logits, scaled])
    if variant == "inner":
        return g.build([scaled])
    if variant == "second":
        return g.build([logits, scaled, g.unary("TANH", logits, "second")])
    return g.build([g.scaled(logits, 2.0, "logits_x2"), scaled])


def same_tensor_twice(variant: str) -> Graph:
    """tensorflow#59311: the same values as two outputs of the graph."""
    g = GraphBuilder()
    features = g.conv2d(g.input("x", (1, 8, 8, 3)), _weights(40, 4, 1, 1, 3), _weights(41, 4), "features", stride=2)
    copy = g.add(features, g.const(0.0), "copy")
    if variant == "plain":
        return g.build([features, copy])
    if variant == "inner":
        return g.build([copy])
    if variant == "second":
        return g.build([features, copy, g.unary("TANH", features, "second")])
    return g.build([g.scaled(features, 2.0, "features_x2"), copy])


def mixed_rank_add() -> Graph:
    """LiteRT#8980: operands of different rank are right-aligned by TFLite."""
    g = GraphBuilder()
    return g.build([g.add(g.input("scores", (4, 8, 8)), g.input("mask", (1, 1, 8, 8)), "masked")])


def same_rank_add() -> Graph:
    g = GraphBuilder()
    return g.build([g.add(g.input("scores", (1, 4, 8, 8)), g.input("mask", (1, 1, 8, 8)), "masked")])


def pad_tokens(rank: int) -> Graph:
    """LiteRT#9272: PAD of a rank-3 tensor along an axis that is not the innermost."""
    g = GraphBuilder()
    shape, pads = ((1, 8, 4), [[0, 0], [1, 0], [0, 0]])
    if rank == 4:
        shape, pads = (1, 1, 8, 4), [[0, 0], [0, 0], [1, 0], [0, 0]]  # type: ignore[assignment]
    return g.build([g.pad(g.input("x", shape), pads, "padded")])


VARIANTS = {"inner": "without the output", "second": "with a second consumer", "x2": "with the output emitted x2"}


def _with_controls(name: str, reason: str, link: str, build: Callable[[str], Graph]) -> list[Case]:
    full = f"{FAMILY}/{name}"
    group = [Case(full, FAMILY, reason, graph=functools.partial(build, "plain"), link=link)]
    for variant, text in VARIANTS.items():
        graph = functools.partial(build, variant)
        group.append(Case(f"{full}-{variant}", FAMILY, f"control: {text}", graph=graph, control_of=full, link=link))
    return group


def _single(name: str, reason: str, link: str, graph: Callable[[], Graph], control_of: str = "") -> Case:
    of = f"{FAMILY}/{control_of}" if control_of else ""
    return Case(f"{FAMILY}/{name}", FAMILY, reason, graph=graph, control_of=of, link=link)


def cases() -> list[Case]:
    """The reports in the order of their numbers."""
    part = functools.partial
    family = _with_controls(
        "litert-8599-add-output-consumed",
        "an ADD that is both output and consumed comes back as one of its operands",
        LITERT + "8599",
        add_output_consumed,
    )
    family += [
        _single(f"litert-8619-attention-rank{rank}", f"attention with rank-{rank} operands", LITERT + "8619",
                part(attention, rank, False), "" if rank == 3 else "litert-8619-attention-rank3")
        for rank in (3, 4)
    ]  # fmt: skip
    family += [
        _single(f"litert-8619-block-rank{rank}", f"an attention block with rank-{rank} heads, in context",
                LITERT + "8619", part(attention_with_heads_split, rank),
                "" if rank == 3 else "litert-8619-block-rank3")
        for rank in (3, 4)
    ]  # fmt: skip
    family += [
        _single(f"litert-8593-masked-attention-rank{rank}", "a broadcast mask added to a BATCH_MATMUL result",
                LITERT + "8593", part(attention, rank, True))
        for rank in (3, 4)
    ]  # fmt: skip
    family += [
        _single("litert-8598-relu-0-to-1", "RELU_0_TO_1 is refused by newer runtimes", LITERT + "8598", relu_0_to_1),
        _single("litert-8598-by-relu6", "control: the same function by RELU6", LITERT + "8598", hard_sigmoid_by_relu6,
                "litert-8598-relu-0-to-1"),
    ]  # fmt: skip
    for kind in ("DIV", "SUB", "MAXIMUM", "MUL", "ADD"):
        word = kind.lower()
        family.append(_single(f"litert-9192-{word}-identical", f"{kind} with the same tensor on both sides",
                             LITERT + "9192", part(identical_operands, kind)))  # fmt: skip
        family.append(_single(f"litert-9192-{word}-distinct", f"control: {kind} of two tensors", LITERT + "9192",
                             part(distinct_operands, kind), f"litert-9192-{word}-identical"))  # fmt: skip
    family += _with_controls(
        "tf-44802-conv-output-scaled", "a convolution output that is normalised by constants", TENSORFLOW + "44802",
        conv_output_then_scaled,
    )  # fmt: skip
    family += _with_controls(
        "tf-53781-stages-as-outputs", "backbone stages that are outputs and feed the next", TENSORFLOW + "53781",
        residual_stack_outputs,
    )  # fmt: skip
    family += _with_controls(
        "tf-57211-two-heads", "an output that feeds the other output", TENSORFLOW + "57211", two_heads_from_one
    )
    family += _with_controls(
        "tf-59311-same-tensor-twice", "the same values twice", TENSORFLOW + "59311", same_tensor_twice
    )
    family += [
        _single("litert-8980-mixed-rank-add", "ADD of rank 3 and rank 4", LITERT + "8980", mixed_rank_add),
        _single("litert-8980-same-rank-add", "control: both operands rank 4", LITERT + "8980", same_rank_add,
                "litert-8980-mixed-rank-add"),
        _single("litert-9272-pad-rank3", "PAD of the tokens of a rank-3 tensor", LITERT + "9272", part(pad_tokens, 3)),
        _single("litert-9272-pad-rank4", "control: the same PAD at rank 4", LITERT + "9272", part(pad_tokens, 4),
                "litert-9272-pad-rank3"),
    ]  # fmt: skip
    return family
