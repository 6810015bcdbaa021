"""Workarounds on quantised graphs: what they insert lies on the grid of what it stands for, and integers stay."""

from __future__ import annotations

import functools
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from cases.builder import GraphBuilder
from cases.catalogue import select
from cases.edit import GraphEdit
from cases.evaluation.evaluate import evaluate
from cases.evaluation.quantised import constant_of, grid_of, steps_apart
from cases.graph import Graph, Op, Tensor
from cases.inputs import standard_feeds
from cases.tflite.packing import packed
from cases.tflite.write import write_tflite
from repro.commands.fix import command
from repro.fixes.proof import cpu_differences
from repro.fixes.workarounds import WORKAROUNDS
from repro.hazards.hazard import Hazard, Level
from repro.hazards.lint import find_hazards
from repro.hazards.rules import RULES
from runner.run import Fingerprint, Outcome, Run
from tests.cases.evaluation.kernels import computed
from tests.repro.quantising import extras, integers, quantised

SHOWN = {
    rule.workaround: rule.id
    for rule in RULES.values()
    if rule.workaround and rule.finding and rule.level is Level.HAZARD
}
"""A rule for each workaround of hazards that have a finding's cases."""
# The last rules of these have no case of the finding.
SHOWN |= {"cumsum-height": "cumsum-batch", "weights-as-read": "matmul-weights-transposed"}
NOT_EXACT = {"bias-behind"}
"""Workarounds that round elsewhere than the op that they replace."""
OF_INTEGERS_ALREADY = {"scale-per-row"}
"""Workarounds of tables that are integers in the finding's own cases (`test_rewrites_of_types`)."""
DECLINED = {"one-hot-vector", "chosen-values", "computed-bias-behind"}
"""Workarounds that leave integers alone: the delegate makes no right ONE_HOT of those in any shape, and no grid is
known that holds a product without its bias."""
PRINT = Fingerprint("cpu", "0", {}, "", "", "fp32", "")


@functools.cache
def shown_by(rule: str) -> tuple[Graph, Hazard]:
    """A case in the catalogue that a rule matches, in floats, and the match."""
    for case in select([f"findings/{RULES[rule].finding}-*"]):
        if case.graph is not None and not case.control_of:
            graph = case.graph()
            found = next((hazard for hazard in find_hazards(graph) if hazard.rule == rule), None)
            if found is not None:
                return graph, found
    raise AssertionError(f"no case of the finding {RULES[rule].finding} shows {rule}")


def mended(graph: Graph, hazard: Hazard) -> Graph:
    edit = GraphEdit(graph)
    assert WORKAROUNDS[RULES[hazard.rule].workaround](edit, hazard)
    return edit.finished()


def outputs(graph: Graph, feed: Sequence[np.ndarray]) -> tuple[np.ndarray, ...] | None:
    """By TFLite's kernels; None for what they do not take in integers."""
    try:
        return computed(graph, feed, "optimised")
    except (RuntimeError, ValueError):
        return None


@pytest.mark.parametrize("dtype", ["int8", "int16"])
@pytest.mark.parametrize("workaround", sorted(SHOWN.keys() - DECLINED - OF_INTEGERS_ALREADY))
def test_every_workaround_keeps_the_integers_and_puts_what_it_inserts_on_a_grid(workaround: str, dtype: str):
    graph, hazard = shown_by(SHOWN[workaround])
    feed = standard_feeds([graph.tensors[name] for name in graph.inputs], 1)[0]
    whole = quantised(graph, feed, dtype)
    new = mended(whole, hazard)
    for name in new.tensors.keys() - whole.tensors.keys():
        inserted = new.tensors[name]
        assert (grid_of(inserted) is not None) == (inserted.dtype in (dtype, "int8")), name
    given = integers(whole, feed)
    old_kernels, new_kernels = outputs(whole, given), outputs(new, given)
    if old_kernels is not None:
        assert new_kernels is not None, "TFLite takes the graph without the workaround only"
        assert max(map(steps_apart, zip(old_kernels, new_kernels, strict=True))) <= 1
    before, after = evaluate(whole, given), evaluate(new, given, strict_shapes=True)
    apart = max(steps_apart([before[name], after[name]]) for name in whole.outputs)
    assert apart <= (workaround in NOT_EXACT)


@pytest.mark.parametrize("workaround", sorted(DECLINED))
def test_a_workaround_that_has_no_form_in_integers_leaves_them_as_they_are(workaround: str):
    graph, hazard = shown_by(SHOWN[workaround])
    feed = standard_feeds([graph.tensors[name] for name in graph.inputs], 1)[0]
    whole = quantised(graph, feed, "int8")
    edit = GraphEdit(whole)
    assert WORKAROUNDS[workaround](edit, hazard) == ""
    assert (edit.ops, edit.tensors) == (list(whole.ops), dict(whole.tensors))


def weights_in(graph: Graph, dtype: str) -> Graph:
    """The graph with the constants of its convolutions as integers of 8 or 4 bits with a scale per channel."""
    tensors = dict(graph.tensors)
    for op in graph.ops:
        if op.kind not in ("CONV_2D", "DEPTHWISE_CONV_2D"):
            continue
        weights = tensors[op.inputs[1]]
        assert weights.data is not None
        axis = 3 if op.kind == "DEPTHWISE_CONV_2D" else 0
        most = np.abs(np.moveaxis(weights.data, axis, 0).reshape(weights.shape[axis], -1)).max(axis=1)
        raw = extras(most / (7 if dtype == "int4" else 127), 0, axis)
        grid = grid_of(replace(weights, dtype=dtype, raw=raw))
        assert grid is not None
        steps = grid.integers(weights.data.astype(np.float64)).astype(np.int8)
        if dtype == "int4":
            raw, steps = replace(raw, data=packed(steps, 4)), np.zeros(steps.shape, np.int8)
        tensors[weights.name] = replace(weights, dtype=dtype, data=steps, raw=raw)
    return replace(graph, tensors=tensors)


@pytest.mark.parametrize("dtype", ["int8", "int4"])
@pytest.mark.parametrize("rule", ["depthwise-multiplier", "grouped-conv", "grouped-conv-aborts"])
def test_weights_that_a_workaround_makes_larger_keep_a_scale_per_channel_and_their_bits(rule: str, dtype: str):
    graph, hazard = shown_by(rule)
    held = weights_in(graph, dtype)
    new = mended(held, hazard)
    feed = standard_feeds([graph.tensors[name] for name in graph.inputs], 1)[0]
    before, after = evaluate(held, feed), evaluate(new, feed, strict_shapes=True)
    for name in graph.outputs:
        np.testing.assert_allclose(after[name], before[name], rtol=1e-12, atol=1e-12)
    (larger,) = (t for t in new.tensors.values() if t.dtype == dtype)
    (old,) = (t for t in held.tensors.values() if t.dtype == dtype)
    elements, fewer = constant_of(larger), constant_of(old)
    assert elements is not None
    assert fewer is not None
    assert np.count_nonzero(elements) == np.count_nonzero(fewer) > 0
    assert elements.size > fewer.size


def test_zeros_among_weights_are_their_zero_point():
    graph, hazard = shown_by("grouped-conv")
    weights = next(graph.tensors[op.inputs[1]] for op in graph.ops if op.kind == "CONV_2D")
    assert weights.data is not None
    steps = np.clip(np.round(weights.data / 0.05) + 100, 0, 255).astype(np.uint8)
    held = replace(weights, dtype="uint8", data=steps, raw=extras(0.05, 100))
    new = mended(replace(graph, tensors={**graph.tensors, weights.name: held}), hazard)
    (dense,) = (t for t in new.tensors.values() if t.dtype == "uint8")
    assert dense.data is not None
    assert (dense.data == 100).mean() >= 0.5


def test_a_constant_behind_a_float16_one_is_replaced_by_floats():
    """What reads it reads float32, so that a float16 one in its place would be no valid file."""
    g = GraphBuilder()
    graph = g.build([g.add(g.input("x", (6, 4)), g.const(np.ones((6, 4)), "c"), "y")])
    half = Tensor("half", (6, 4), "float16", np.arange(24, dtype=np.float16).reshape(6, 4))
    tensors = {**graph.tensors, "half": half, "c": Tensor("c", (6, 4))}
    graph = replace(graph, tensors=tensors, ops=(Op("DEQUANTIZE", ("half",), ("c",)), *graph.ops))
    (hazard,) = find_hazards(graph)
    new = mended(graph, hazard)
    feed = (np.ones((6, 4), np.float32),)
    np.testing.assert_array_equal(computed(new, feed)[0], computed(graph, feed)[0])


def ran(*results: np.ndarray) -> Run:
    return Run("r", Outcome.OK, PRINT, outputs=(results,))


@pytest.mark.parametrize(("off", "is_rounding"), [(0, True), (1, True), (2, False)])
@pytest.mark.parametrize("in_floats", [False, True])
def test_a_difference_on_a_grid_is_told_in_its_steps_and_one_is_rounding(off: int, is_rounding: bool, in_floats: bool):
    ends: dict[str, Tensor] = {"q": Tensor("q", (4,), "int8", None, extras(0.25, 3)), "y": Tensor("y", (4,))}
    ops = (Op("DEQUANTIZE", ("q",), ("y",)),) if in_floats else ()
    graph = Graph(ends, ops, ("q",), ("y" if in_floats else "q",))
    old = np.array([1, 2, 3, 4], np.int8)
    new = old + np.int8(off)
    results = [(0.25 * a).astype(np.float32) if in_floats else a for a in (old, new)]
    (found,) = cpu_differences(ran(results[0]), ran(results[1]), graph)
    assert (found.exact, found.steps) == (off == 0, off)
    assert found.is_rounding is is_rounding
    assert found.words == f"{off} step{'' if off == 1 else 's'} of its grid"


@pytest.mark.slow
@pytest.mark.gpu
@pytest.mark.parametrize(("rule", "is_exact"), [("pad-rank-3", True), ("fc-runtime-weights", False)])
def test_a_quantised_model_is_mended_and_proven(rule: str, is_exact: bool, tmp_path: Path):
    graph, _ = shown_by(rule)
    feed = standard_feeds([graph.tensors[name] for name in graph.inputs], 1)[0]
    path, out = tmp_path / "bad.tflite", tmp_path / "good.tflite"
    path.write_bytes(write_tflite(quantised(graph, feed, "int8")))
    arguments = [str(path), "-o", str(out), "--target", "gpu", "--precision", "fp32", "--json"]
    result = CliRunner().invoke(command, arguments)
    assert result.exit_code == 0, result.output
    summary = json.loads(result.stdout.splitlines()[-1])
    assert summary["target"]["fp32"] == {"before": ["FAIL"], "after": ["PASS"]}
    assert summary["cpu_exact"] or not is_exact
    assert all(one["max_abs"] <= 1 for one in summary["cpu"])
