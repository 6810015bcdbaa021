"""The whole chain against its reference: what comes out decides, the worst set counts, no pair is no agreement."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cases.builder import GraphBuilder
from cases.tflite.write import write_tflite
from repro.layouts.chain import HIGHER_IS_BETTER, chain_checks, snr_db
from repro.layouts.layout import DetectionTensors, Limit
from repro.layouts.models import Values
from repro.layouts.result import GateAnswer, GateCheck
from runner.errors import BadInput
from tests.repro.layouts import two_graphs
from tests.repro.layouts.gating import layout_of, refusals, replace_in, run_gate
from tests.repro.verdicts.judging import normal

SNR = {"chain_snr_db": Limit(90, "seven digits")}


def test_a_wrong_scale_is_refused_by_the_chain(example, cpu):
    """The head forgets to halve: each graph is right by itself, what comes out is not."""
    (example / "head.tflite").write_bytes(write_tflite(two_graphs.head(factor=1.0)))
    report = run_gate(example, cpu)
    assert refusals(report) == [("chain", "chain", "y")]
    assert "chain_snr_db" in report.refusals[0].reason


def test_a_swapped_tensor_of_the_same_shape_is_refused_by_the_chain(example, cpu):
    """Two graphs of two equal tensors; the layout crosses them. Nothing but the whole model can tell."""
    shape = (1, 16, 8)

    def front(g: GraphBuilder) -> tuple[str, str]:
        x = g.input("x", shape)
        return g.scaled(x, 2.0, name="a"), g.scaled(x, 3.0, name="b")

    def back(g: GraphBuilder, a: str, b: str) -> str:
        return g.sub(g.scaled(a, 5.0), b, name="y")

    whole, first, second = GraphBuilder(), GraphBuilder(), GraphBuilder()
    whole_graph = whole.build([back(whole, *front(whole))])
    first_graph = first.build(list(front(first)))
    second_graph = second.build([back(second, second.input("a", shape), second.input("b", shape))])
    for name, graph in (("whole", whole_graph), ("encoder", first_graph), ("head", second_graph)):
        (example / f"{name}.tflite").write_bytes(write_tflite(graph))
    replace_in(example, "split.toml", "[1, 64, 24]", "[1, 16, 8]")
    replace_in(example, "split.toml", '"features_x2", "summary"', '"a", "b"')
    assert run_gate(example, cpu).passed
    replace_in(example, "split.toml", 'inputs = ["a", "b"]', 'inputs = ["b", "a"]')
    report = run_gate(example, cpu)
    assert refusals(report) == [("chain", "chain", "y")]
    (hint,) = [check.reason for check in report.checks if check.kind == "chain" and check.answer is GateAnswer.NOTE]
    assert "if head reads 'b' for 'a' and 'a' for 'b'" in hint


def test_without_a_whole_model_the_chain_is_not_checked_and_the_gate_says_so(example, cpu):
    """Not even a forgotten factor shows: the references one behind the other forget it too."""
    (example / "head.tflite").write_bytes(write_tflite(two_graphs.head(factor=1.0)))
    replace_in(example, "split.toml", 'chain = "whole.tflite"', "#")
    report = run_gate(example, cpu)
    assert report.passed
    (check,) = [check for check in report.checks if check.kind == "chain"]
    assert check.answer is GateAnswer.NOTE
    assert check.reason.startswith("not checked: no whole model is named")
    assert check.numbers["chain_snr_db"] > 90, "the baseline keeps the number all the same"


def test_a_whole_model_that_reads_another_shape_is_one_line_about_the_layout(example, cpu):
    g = GraphBuilder()
    (example / "whole.tflite").write_bytes(write_tflite(g.build([g.unary("TANH", g.input("image", (1, 7, 5)))])))
    said = r"the whole model '.*whole.tflite' reads \[1, 7, 5\] as 'image', and the layout's 'x' is \[1, 64, 24\]"
    with pytest.raises(BadInput, match=said):
        run_gate(example, cpu)


def values(seed: int = 0) -> Values:
    return {"y": normal(4, 8, seed=seed).astype(np.float32)}


def test_the_worst_of_all_input_sets_counts():
    right, wrong = values(), values(1)
    (check,) = chain_checks(layout_of(), [right, wrong], [right, {"y": 1.01 * wrong["y"]}], SNR)
    assert check.answer is GateAnswer.REFUSED
    assert check.numbers["chain_snr_db"] == pytest.approx(40, abs=1)
    said = "the signal to error ratio of the layout's final outputs; worst is 'y' (seven digits)"
    assert check.reason == f"chain_snr_db 40, asked for at least 90: {said}"


def test_an_equal_chain_passes_and_says_how_equal():
    (check,) = chain_checks(layout_of(), [values()], [values()], SNR)
    assert (check.kind, check.tensor, check.answer, check.numbers) == (
        "chain",
        "y",
        GateAnswer.PASS,
        {"chain_snr_db": 300},
    )


@pytest.mark.parametrize("damage", [np.nan, np.inf])
def test_what_is_not_finite_is_out_of_every_bound(damage: float):
    broken = values()
    broken["y"] = broken["y"].copy()
    broken["y"][0, 0] = damage
    (check,) = chain_checks(layout_of(), [values()], [broken], SNR)
    assert check.answer is GateAnswer.REFUSED
    assert math.isnan(check.numbers["chain_snr_db"])


def test_a_limit_of_the_judge_is_not_the_chains():
    assert chain_checks(layout_of(), [values()], [values()], {"element_floors_fp32": Limit(3, "why")}) == []


@given(st.integers(0, 1000), st.floats(1e-6, 1e2), st.floats(-1e3, 1e3))
def test_neither_a_scale_nor_a_constant_pays_for_an_error(seed: int, scale: float, constant: float):
    reference, error = normal(8, 8, seed=seed), 0.1 * normal(8, 8, seed=seed + 1)
    plain = snr_db(reference, reference + error)
    assert snr_db(scale * reference, scale * (reference + error)) == pytest.approx(plain)
    assert snr_db(reference + constant, reference + error + constant) == pytest.approx(plain, abs=1e-3)


def test_a_ratio_means_nothing_for_a_constant_or_another_shape():
    assert math.isnan(snr_db(np.ones(4), np.zeros(4)))
    assert math.isnan(snr_db(normal(4), normal(2, 2)))


def corners(count: int, shift: float = 0.0) -> np.ndarray:
    """[1, count, 4] boxes as (cx, cy, w, h), far from each other, moved to the right."""
    centres = np.arange(count) + 0.5
    return np.stack(
        [centres / count + shift, centres / count, np.full(count, 0.5 / count), np.full(count, 0.5 / count)], -1
    )[None]


def decode(boxes: np.ndarray, logits: np.ndarray, tokens: np.ndarray | None) -> list[Seen]:
    """Every row with a positive logit, named by its best class."""
    found = []
    for (cx, cy, w, h), row in zip(boxes[0], logits[0], strict=True):
        if row.max() > 0:
            found.append(Seen((cx - w / 2, cy - h / 2, cx + w / 2, cy + h / 2), int(row.argmax()), float(row.max())))
    return found


@dataclasses.dataclass(frozen=True)
class Seen:
    box: tuple[float, float, float, float]
    label: int
    score: float


def detections(count: int = 4, shift: float = 0.0, tokens: int = 0) -> Values:
    logits = np.full((1, count, 3), -1.0)
    logits[0, np.arange(count), np.arange(count) % 3] = 1.0
    return {"boxes": corners(count, shift), "logits": logits, "tokens": np.arange(count) + tokens}


def detection_checks(reference: Values, found: Values, **limits: float) -> dict[str, GateCheck]:
    names = DetectionTensors(
        boxes="boxes", logits="logits", tokens="tokens", decode="tests.repro.layouts.test_chain:decode"
    )
    layout = dataclasses.replace(layout_of(), detections=names)
    given_limits = {name: Limit(value, "why") for name, value in limits.items()}
    checks = chain_checks(layout, [reference], [found], given_limits)
    return {name: check for check in checks for name in check.numbers}


PERFECT = {"detection_iou": 0.9, "class_agreement": 1, "lost": 0, "extra": 0, "token_overlap": 1, "token_iou": 0.9}


def test_detections_that_agree_pass_in_every_respect():
    checks = detection_checks(detections(), detections(shift=0.001), **PERFECT)
    assert set(checks) == set(PERFECT)
    assert {check.answer for check in checks.values()} == {GateAnswer.PASS}
    assert "4 of 4 detections matched by box" in checks["detection_iou"].reason


def test_a_detection_that_is_lost_one_that_is_new_and_one_of_another_class_are_each_counted():
    found = detections()
    found["logits"] = found["logits"].copy()
    found["logits"][0, 0] = -1.0  # lost
    found["logits"][0, 1] = [0.0, 0.0, 2.0]  # another class
    found["boxes"] = found["boxes"].copy()
    found["boxes"][0, 2] = [0.9, 0.1, 0.1, 0.1]  # lost, and a new one
    checks = detection_checks(detections(), found, **PERFECT)
    numbers = {name: check.numbers[name] for name, check in checks.items()}
    assert (numbers["lost"], numbers["extra"], numbers["class_agreement"]) == (2, 1, 0.5)
    refused = {name for name, check in checks.items() if check.answer is GateAnswer.REFUSED}
    assert refused == {"lost", "extra", "class_agreement", "token_iou"}


def test_no_pair_at_all_is_no_agreement():
    nothing = detections()
    nothing["logits"] = np.full((1, 4, 3), -1.0)
    checks = detection_checks(detections(), nothing, detection_iou=0.1, class_agreement=0.1)
    assert [check.answer for check in checks.values()] == [GateAnswer.REFUSED] * 2
    assert [value for check in checks.values() for value in check.numbers.values()] == [0.0, 0.0]


def test_a_reference_that_detects_nothing_shows_nothing():
    nothing = detections()
    nothing["logits"] = np.full((1, 4, 3), -1.0)
    checks = detection_checks(nothing, nothing, **{k: PERFECT[k] for k in ("detection_iou", "lost")})
    assert checks["detection_iou"].answer is GateAnswer.REFUSED
    assert "nothing is shown" in checks["detection_iou"].reason


def test_other_tokens_than_the_references_are_no_overlap():
    checks = detection_checks(detections(), detections(tokens=2), token_overlap=0.9)
    assert checks["token_overlap"].numbers == {"token_overlap": 0.5}


def test_what_is_better_when_higher_is_bounded_from_below():
    assert {"token_overlap", "token_iou", "detection_iou", "class_agreement", "chain_snr_db"} == HIGHER_IS_BETTER
