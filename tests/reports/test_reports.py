"""Models with the pattern of public reports get the right answer; what does not yet is on a list that only shrinks."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cases.tflite.read import read_tflite
from repro import api
from repro.verdicts.verdict import Status, Verdict
from runner import targets
from runner.errors import BadInput
from runner.run import Precision
from runner.target import Target

FOLDER = Path(__file__).resolve().parent
ROWS: Mapping[str, Mapping[str, Any]] = tomllib.loads((FOLDER / "answers.toml").read_text(encoding="utf-8"))
NOT_YET = (FOLDER / "not_yet_right.txt").read_text(encoding="utf-8").split("\n")[:-1]
PRECISIONS = ("fp32", "fp16")
QUESTIONS = [
    *((name, precision) for name, row in ROWS.items() for precision in PRECISIONS if precision in row),
    *((name, "lint") for name, row in ROWS.items() if row.get("foreseen")),
]
FORESEES = {"op-refused", "graph-refused", "composite-aborts"}
ENDINGS = (Status.REFUSED, Status.CRASH, Status.FAIL, Status.INVALID, Status.PASS)


def model_of(name: str) -> Path:
    return FOLDER / "models" / f"{ROWS[name].get('model', name)}.tflite"


def inputs_of(name: str) -> Path | list[np.ndarray] | None:
    """What the row is fed; None for made inputs."""
    row = ROWS[name]
    if "inputs" in row:
        return FOLDER / "inputs" / str(row["inputs"])
    if "normal" not in row:
        return None
    graph = read_tflite(model_of(name).read_bytes())
    mean, deviation = row["normal"]
    rng = np.random.default_rng(0)
    shapes = [graph.tensors[tensor].shape for tensor in graph.inputs]
    return [rng.normal(mean, deviation, shape).astype(np.float32) for shape in shapes]


def answer(verdicts: Sequence[Verdict]) -> str:
    """The worst of the verdicts of one model."""
    statuses = {verdict.status for verdict in verdicts}
    return str(next((status for status in ENDINGS if status in statuses), "no verdict"))


@pytest.fixture(scope="module")
def cpu() -> Iterator[Target]:
    with targets.open_target("cpu") as target:
        yield target


@pytest.fixture(scope="module")
def gpu() -> Iterator[Target]:
    with targets.open_target("gpu:lavapipe") as target:
        yield target


@pytest.fixture
def expected_to_be_wrong(request: pytest.FixtureRequest, name: str, asked: str) -> None:
    if f"{name} {asked}" in NOT_YET:
        request.applymarker(pytest.mark.xfail(strict=True, reason="not_yet_right.txt names it"))


@pytest.mark.slow
@pytest.mark.gpu
@pytest.mark.usefixtures("expected_to_be_wrong")
@pytest.mark.parametrize(("name", "asked"), QUESTIONS, ids=[f"{name}-{asked}" for name, asked in QUESTIONS])
def test_a_public_report_is_answered_right(name: str, asked: str, cpu: Target, gpu: Target) -> None:
    row = ROWS[name]
    if asked == "lint":
        rules = {hazard.rule for hazard in api.lint(model_of(name))}
        assert rules & FORESEES, f"{name}: reading alone does not foresee {row['fp32']}, only {sorted(rules)}"
        return
    try:
        checked = api.check(model_of(name), target=gpu, precision=Precision(asked), inputs=inputs_of(name), cpu=cpu)
    except BadInput as error:
        pytest.fail(f"{name} is not judged at all: {error}")
    assert answer(checked.verdicts) in row[asked].split(" or "), str(checked)
    assert str(row.get("says", "")) in " ".join(verdict.reason for verdict in checked.verdicts)
    if answer(checked.verdicts) in BAD and "known" in row:
        assert {hazard.rule for found in checked.known_bugs.values() for hazard in found} == {row["known"]}


BAD = {"FAIL", "CRASH"}
WRONG = [name for name, row in ROWS.items() if any(BAD & set(row.get(p, "").split()) for p in PRECISIONS)]


@pytest.mark.slow
@pytest.mark.gpu
@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_is_mended_or_it_is_said_why_not(name: str, cpu: Target, gpu: Target) -> None:
    row = ROWS[name]
    fixed = api.fix(model_of(name), target=gpu, inputs=inputs_of(name))
    if "not_mended" in row:
        assert fixed.proof is None
        assert any(row["not_mended"] in line.text for line in fixed.lines())
        return
    for precision in filter(row.__contains__, PRECISIONS):
        checked = api.check(fixed.model, target=gpu, precision=Precision(precision), inputs=inputs_of(name), cpu=cpu)
        assert answer(checked.verdicts) == (row.get("mended", "PASS") if precision == "fp16" else "PASS"), str(checked)


def test_what_is_wrong_in_fp32_is_a_known_bug() -> None:
    """What is wrong in fp16 alone is fp16's range, and no bug."""
    assert [name for name in WRONG if BAD & set(ROWS[name]["fp32"].split()) and "known" not in ROWS[name]] == []


def test_every_model_has_a_row_and_every_line_of_the_list_a_question() -> None:
    models = {path.stem for path in (FOLDER / "models").glob("*.tflite")}
    assert models == {str(row.get("model", name)) for name, row in ROWS.items()}
    assert set(NOT_YET) <= {f"{name} {asked}" for name, asked in QUESTIONS}
