"""What a wrong output holds: every explanation is found, the most specific one wins, garbage stays unexplained."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from cases.builder import GraphBuilder
from cases.evaluation.evaluate import FLOAT64, evaluate
from repro.verdicts.emulation import emulated_floors
from repro.verdicts.judge import judge
from repro.verdicts.verdict import Status, Verdict
from runner.run import SENTINEL, Precision
from tests.repro.verdicts.judging import Scene, scene

BOTH = pytest.mark.parametrize("precision", list(Precision))


def diagnosed(made: Scene, output: int, change) -> Verdict:
    """change(k, healthy) -> what output `output` holds after feed k."""

    def apply(outputs):
        healthy = [feed[output] for feed in outputs]
        for k, feed in enumerate(outputs):
            feed[output] = np.ascontiguousarray(change(k, healthy[k]), dtype=np.float32)

    verdict = made.judge(apply)[output]
    assert verdict.status is Status.FAIL
    return verdict


@BOTH
def test_an_input_bit_for_bit(precision: Precision):
    made = scene(precision)
    verdict = diagnosed(made, 0, lambda k, y: made.feeds[k][0])
    assert (verdict.signature, verdict.holds) == ("alias(x)", "input 0 'x' (bit-exact, 512/512)")


@BOTH
def test_an_input_rounded_to_half(precision: Precision):
    made = scene(precision)
    verdict = diagnosed(made, 0, lambda k, y: made.feeds[k][1].astype(np.float16))
    assert (verdict.signature, verdict.holds) == ("alias(z)", "input 1 'z' (fp16-equal, 512/512)")


@BOTH
def test_another_output(precision: Precision):
    made = scene(precision)
    verdict = diagnosed(made, 1, lambda k, w: made.references[k][0])
    assert verdict.signature == "alias(y)"


def test_a_constant_of_the_graph_is_an_alias_though_it_never_changes():
    made = scene()
    name, weights = next(
        (n, t.data) for n, t in made.graph.tensors.items() if t.data is not None and t.data.size == 256
    )
    verdict = diagnosed(made, 1, lambda k, w: np.resize(weights, w.shape))
    assert verdict.signature in (f"alias({name})", "stale", "wrong")


@BOTH
@pytest.mark.parametrize(
    ("change", "signature", "words"),
    [
        (lambda k, y: np.full_like(y, SENTINEL), "unwritten", "512/512"),
        (
            lambda k, y: np.where(np.arange(16) < 4, SENTINEL, y),
            "unwritten",
            "a part of it (the sentinel survives, 128/512)",
        ),
        (lambda k, y: np.zeros_like(y), "constant", "zeros (512/512)"),
        (lambda k, y: np.full_like(y, 2.5), "constant", "one constant (2.5)"),
        (lambda k, y: np.where(y > 1.5, np.nan, y), "nonfinite", "NaN"),
        (lambda k, y: -y, "wrong", "negated"),
        (lambda k, y: np.roll(y, 3, axis=1), "wrong", "shifted by 3 along axis 1"),
        (lambda k, y: np.roll(y, -2, axis=2), "wrong", "shifted by -2 along axis 2"),
        (lambda k, y: y[:, ::-1], "wrong", "rows permuted"),
        (lambda k, y: y[:, :, ::-1], "wrong", "channels permuted"),
        (lambda k, y: y.reshape(1, 32, 16).transpose(0, 2, 1).reshape(1, 32, 16), "wrong", "transposed"),
        (lambda k, y: np.clip(y, -0.5, 0.75), "wrong", "clipped to [-0.5, 0.75]"),
        (lambda k, y: 3 * y + 1, "wrong", "the right values x 3 + 1"),
    ],
)
def test_what_became_of_the_right_values(precision: Precision, change, signature: str, words: str):
    verdict = diagnosed(scene(precision), 0, change)
    assert verdict.signature == signature
    assert words in verdict.holds


def test_one_row_for_all_is_told_by_the_operands_where_they_are_known():
    verdict = diagnosed(scene(), 1, lambda k, w: np.broadcast_to(w[:, 4:5], w.shape))
    assert (verdict.signature, verdict.holds) == ("wrong", "row 4 in the place of all (512/512)")
    made = scene()
    verdict = diagnosed(made, 0, lambda k, y: made.feeds[k][0][:, :1] + made.feeds[k][1])
    assert verdict.holds == "ADD with row 0 in the place of all of operand 0 'x' (512/512)"


@BOTH
def test_the_previous_runs_values_are_stale(precision: Precision):
    made = scene(precision)
    kept: list[np.ndarray] = []

    def change(k: int, y: np.ndarray) -> np.ndarray:
        kept.append(y)
        return kept[0]

    verdict = diagnosed(made, 1, change)
    assert verdict.signature == "stale"
    assert "previous run's values (bit-exact, 512/512)" in verdict.holds


def test_garbage_that_nothing_explains_is_wrong_in_every_run():
    rng = np.random.default_rng(0)
    verdict = diagnosed(scene(), 0, lambda k, y: rng.standard_normal(y.shape))
    assert (verdict.signature, verdict.holds) == ("wrong", "")


def test_damage_in_one_place_is_located():
    def change(k: int, w: np.ndarray) -> np.ndarray:
        w = w.copy()
        w[0, 9] = np.random.default_rng(k).standard_normal(16)
        return w

    verdict = diagnosed(scene(), 1, change)
    assert "wrong values in 1/32 rows from row 9" in verdict.holds


def test_signatures_carry_no_numbers():
    made = scene()
    for change in (lambda k, y: 3 * y + 1, lambda k, y: np.full_like(y, 2.5), lambda k, y: np.full_like(y, SENTINEL)):
        assert not any(c.isdigit() for c in diagnosed(made, 0, change).signature)


REFUSED = " error: {words}\n - While calling [Device].{call}([Descriptor]).\n"
NOT_COMPILED = "Validation" + REFUSED.format(
    words="Error while parsing WGSL: :20:10 error: unresolved value 'B'\n  for (; B < 1; B++) {",
    call="CreateShaderModule",
)
NOT_BOUND = "Validation" + REFUSED.format(words="Binding size for [Buffer] is zero.", call="CreateBindGroup")
LEFTOVERS = [
    lambda outputs: 0 * outputs,
    lambda outputs: np.full_like(outputs, SENTINEL),
    lambda outputs: outputs[:, ::-1].copy(),
    lambda outputs: outputs * np.float32(1.5),
]


@pytest.mark.parametrize("left", LEFTOVERS, ids=["zeros", "sentinel", "rows in another order", "other values"])
@BOTH
def test_a_shader_that_did_not_compile_is_named_whatever_memory_holds(precision: Precision, left):
    made = scene(precision)

    def change(outputs):
        for feed in outputs:
            feed[1] = left(feed[1])

    silent, broken, unbound = (
        judge(replace(made.run(change), log=log), made.subject) for log in ("", NOT_COMPILED, NOT_BOUND)
    )
    assert (broken[0].said, broken[1].said) == ("PASS", "FAIL uncompiled")
    assert broken[1].holds.startswith(silent[1].holds)
    assert "line 20, column 10 of the generated WGSL: unresolved value 'B': for (; B < 1; B++) {" in broken[1].holds
    assert (unbound[1].signature, unbound[1].status) == (silent[1].signature, silent[1].status)
    assert "WebGPU refused a command (CreateBindGroup: Binding size for [Buffer] is zero)" in unbound[1].holds


def test_an_earlier_runs_values_are_not_named_where_what_is_right_hardly_moves():
    made = scene()
    still = tuple((made.references[0][0] + 1e-7 * k, w) for k, (_, w) in enumerate(made.references))
    held = replace(made, references=still)
    verdict = diagnosed(held, 0, lambda k, y: y + np.where(np.arange(16) == 3, 1.0, 0.0))
    assert verdict.signature == "wrong"
    moved = diagnosed(made, 0, lambda k, y: made.references[max(k - 1, 0)][0] + (k == 0))
    assert moved.signature == "stale"


def test_what_fp16_cannot_hold_is_named_and_its_leftovers_are_not_an_earlier_runs():
    """A variance that is infinite leaves the bias alone, the same for every input."""
    g = GraphBuilder()
    x = g.input("x", (1, 32, 16))
    variance = g.mean(g.unary("SQUARE", x, name="squares"), [2], name="variance")
    normed = g.mul(x, g.unary("RSQRT", variance), name="normed")
    bias = np.linspace(-1, 1, 16).astype(np.float32)
    graph = g.build([g.add(normed, g.const(bias), name="y")])
    feeds = tuple((1000 * np.random.default_rng(k).standard_normal((1, 32, 16)).astype(np.float32),) for k in range(3))
    references = tuple((evaluate(graph, feed, FLOAT64)["y"],) for feed in feeds)
    floors = emulated_floors(graph, feeds, references, Precision.FP16)
    made = Scene(graph, feeds, references, floors, Precision.FP16)
    verdict = diagnosed(made, 0, lambda k, y: np.broadcast_to(bias, y.shape))
    assert verdict.signature == "wrong"
    assert "'squares' (written by SQUARE) leaves float16's range" in verdict.holds
