"""Which divisions land in a convolution's kernel, and how far their divisors reach.

What is said here of a kernel was seen in the programs that LiteRT-LM 0.18.1 had PoCL build under the name Mali-G610:
which of them is built with -cl-fast-relaxed-math, and which holds the exponential of the sigmoid.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from cases.builder import GraphBuilder
from cases.findings import fast_math_division as finding
from cases.findings.fast_math_division import (
    MODELS,
    addition,
    behind,
    convolution,
    depthwise,
    gated,
    other_tensor,
    tokens,
    unary,
    with_constant,
)
from cases.findings.pieces import Piece, identity_reshape, identity_transpose, two_negs, weights
from cases.graph import Graph
from cases.tflite.write import write_tflite
from repro.delegate.kernel_divisions import kernel_divisions
from repro.delegate.replay import replay
from runner import targets
from runner.opencl.android_runtime import made_versions
from runner.opencl.drivers import opencl_driver
from runner.opencl.loader import LoaderSettings
from runner.run import Job, Outcome, Precision

SAFE_BY_RANGE = {"control"}
"""Models of the finding that have the division in the kernel, and are right there in fp32 for what they divide by."""
SAFE_IN_FP32 = {"clamped"}
LOGISTIC = unary("LOGISTIC")


def found(graph: Graph) -> list[tuple[str, str, tuple[str, ...]]]:
    """(kind of the convolution, tensor, precisions) of each division at risk."""
    divisions = kernel_divisions(replay(graph).graph)
    return [(d.convolution.op.kind, d.division.op.outputs[0], d.precisions) for d in divisions if d.precisions]


def in_fp32(graph: Graph) -> bool:
    return any("fp32" in precisions for _, _, precisions in found(graph))


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.name)
def test_of_the_findings_models_those_that_are_wrong_have_one_that_reaches_too_far(model):
    assert model.build is not None
    graph = model.build()
    assert in_fp32(graph) == (bool(model.wrong) or model.name in SAFE_BY_RANGE)
    assert bool(found(graph)) == (in_fp32(graph) or model.name in SAFE_IN_FP32)


def read_again(kind: str) -> Graph:
    """A SiLU whose x another op reads as well."""
    g = GraphBuilder()
    s = convolution(g, 0.0)
    y = g.mul(g.unary("LOGISTIC", s, name="gate"), s, name="y")
    return g.build([y, g.conv2d(s, weights(8, 1, 1, 4)) if kind == "CONV_2D" else g.unary(kind, s)])


def gate_exposed() -> Graph:
    g = GraphBuilder()
    s = convolution(g, 0.0)
    gate = g.unary("LOGISTIC", s, name="gate")
    return g.build([g.mul(gate, s, name="y"), gate])


def into_convolution() -> Graph:
    g = GraphBuilder()
    return g.build([g.conv2d(g.unary("LOGISTIC", convolution(g, 0.0)), weights(8, 1, 1, 4))])


def concatenated() -> Graph:
    g = GraphBuilder()
    return g.build([g.unary("LOGISTIC", g.concat([convolution(g, 0.0), g.input("z", (1, 4, 4, 4))], 3))])


@pytest.mark.parametrize(
    ("graph", "expected"),
    [
        (lambda: gated(between=identity_reshape), True),
        (lambda: behind(LOGISTIC, other_tensor("MUL")), True),
        (lambda: behind(two_negs, LOGISTIC), True),
        (lambda: behind(with_constant("MUL", 3.0), unary("ABS"), unary("NEG"), LOGISTIC), True),
        (into_convolution, True),
        (lambda: gated(between=two_negs), False),
        (lambda: gated(between=finding.CLAMP), False),
        (lambda: gated(between=identity_transpose), False),
        (lambda: gated(gate_of=identity_transpose), False),
        (lambda: gated(between=lambda g, s: g.reshape(s, (1, 16, 1, 4))), False),
        (lambda: gated(between=lambda g, s: g.add(s, g.input("z", g.shape(s)))), False),
        (lambda: gated(exposed=True), False),
        (lambda: read_again("NEG"), False),
        (lambda: read_again("CONV_2D"), False),
        (gate_exposed, False),
        (concatenated, False),
        (lambda: behind(unary("TANH")), False),
        (lambda: behind(with_constant("DIV", 3.0)), False),
    ],
)
def test_what_lies_between_and_who_reads_decides_which_kernel_it_is(graph: Callable[[], Graph], expected: bool):
    assert in_fp32(graph()) is expected


@pytest.mark.parametrize(
    ("steps", "precisions"),
    [
        ((), ("fp32", "fp16")),
        ((with_constant("MAXIMUM", -89.0),), ("fp32", "fp16")),
        ((with_constant("MAXIMUM", -88.0),), ("fp16",)),
        ((with_constant("MAXIMUM", -11.0),), ()),
        ((unary("RELU"),), ()),
        ((unary("RELU"), with_constant("ADD", -80.0)), ("fp16",)),
        ((unary("TANH"), with_constant("ADD", -10.0)), ()),
        ((unary("RELU"), with_constant("MINIMUM", -12.0)), ("fp16",)),
        ((unary("RELU"), unary("NEG")), ("fp32", "fp16")),
    ],
)
def test_a_sigmoid_is_at_risk_where_its_exponential_may_be_infinite(steps, precisions):
    divisions = found(behind(*steps, LOGISTIC))
    assert [found_in for _, _, found_in in divisions] == ([precisions] if precisions else [])


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        ((unary("RELU"),), True),
        ((unary("ABS"), with_constant("ADD", 1.0)), False),
        ((unary("EXP"), with_constant("ADD", 1.0)), True),
        ((unary("EXP"), with_constant("ADD", 1.0), with_constant("MINIMUM", 50.0)), False),
        ((unary("SQUARE"), with_constant("ADD", 1.0)), True),
        ((with_constant("MAXIMUM", 0.5),), False),
    ],
)
def test_a_quotient_is_at_risk_where_its_divisor_may_be_zero_or_overflow(steps, expected):
    assert bool(found(behind(*steps, finding.RECIPROCAL))) is expected


def test_a_quotient_by_another_tensor_is_in_the_kernel_and_one_of_another_tensor_is_not():
    def by_z(g: GraphBuilder, s: str) -> str:
        return g.div(s, g.input("z", g.shape(s)))

    assert [kind for kind, _, _ in found(behind(by_z))] == ["CONV_2D"]
    assert found(behind(other_tensor("DIV"))) == []


# -- drawn graphs, held against the programs that the delegate makes -------------------------------------------------

SOURCES = (convolution, finding.wide_convolution, tokens, finding.vector, depthwise, addition)
STEPS: tuple[Piece, ...] = (
    unary("NEG"),
    unary("ABS"),
    unary("RELU"),
    two_negs,
    identity_reshape,
    identity_transpose,
    with_constant("MUL", 2.0),
    with_constant("ADD", 0.5),
    with_constant("MAXIMUM", -300.0),
)
DRAWS = 24  # 60 were held against it once
OTHERS = (other_tensor("ADD"), other_tensor("MAXIMUM"))


def drawn(seed: int) -> Graph:
    """A source, up to three steps, a LOGISTIC or SiLU, perhaps a step behind; sometimes a tensor inside is exposed."""
    rng = random.Random(seed)
    g = GraphBuilder()
    s = rng.choice(SOURCES)(g, 0.0)
    inner = [s]
    other = rng.choice(OTHERS)  # one at most, since the other tensor is one graph input
    steps = rng.sample((*STEPS, other), rng.randint(0, 3))
    for step in steps:
        s = step(g, s)
        inner.append(s)
    gate = g.unary("LOGISTIC", s, name="gate")
    y = g.mul(gate, s, name="y") if rng.random() < 0.6 else gate
    if rng.random() < 0.3:
        y = g.unary("ABS", y, name="behind")
    exposed = [rng.choice(inner)] if rng.random() < 0.2 else []
    return g.build([y, *(name for name in exposed if name != y)])


def sigmoid_built_with_fast_math(graph: Graph, folder: Path) -> bool:
    """Whether a program that PoCL was asked to build with the option computes a sigmoid."""
    folder.mkdir()
    feed = tuple(np.zeros(graph.tensors[name].shape, np.float32) for name in graph.inputs)
    with targets.open_target("gpu:pocl@Mali-G610", loader=LoaderSettings(kernels=folder)) as target:
        run = target.run(Job(write_tflite(graph), (feed,), Precision.FP32, "drawn"))
    assert run.outcome is Outcome.OK, run.message
    return any(
        "-cl-fast-relaxed-math" in program.with_suffix(".options").read_text(encoding="utf-8")
        and "exp(-(" in program.read_text(encoding="utf-8")
        for program in folder.glob("*.cl")
    )


@pytest.mark.slow
def test_drawn_graphs_have_the_sigmoid_where_it_is_said_to_be(tmp_path: Path):
    if opencl_driver("pocl") is None or not made_versions():
        pytest.skip("needs PoCL and LiteRT-LM's library; `make opencl` brings them")
    graphs = [drawn(seed) for seed in range(DRAWS)]
    said = [any(d.is_sigmoid for d in kernel_divisions(replay(graph).graph)) for graph in graphs]
    assert DRAWS / 4 < sum(said) < DRAWS * 3 / 4
    seen = [sigmoid_built_with_fast_math(graph, tmp_path / str(index)) for index, graph in enumerate(graphs)]
    assert [seed for seed in range(DRAWS) if said[seed] != seen[seed]] == []
