"""`repro run`: one campaign for each target, options that contradict each other refused before anything runs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from repro.campaigns.campaign import CaseResult
from repro.commands import run
from repro.commands.run import command
from repro.verdicts.fitness import FailedControl, Fitness
from repro.verdicts.saved_run import load_judgeable
from runner.errors import BadInput
from tests.repro.display.results import RESULTS

CONTROL = "public-reports/litert-8599-add-output-consumed-x2"


@pytest.fixture(autouse=True)
def _own_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("REPRO_CACHE", str(tmp_path / "cache"))


def test_again_and_resume_contradict_each_other():
    result = CliRunner().invoke(command, [CONTROL, "--target", "cpu", "--again", "--resume"])
    assert isinstance(result.exception, BadInput)
    assert "give one of them" in str(result.exception)


@pytest.mark.convert
def test_a_campaign_says_its_results_saves_its_runs_and_is_not_run_twice(tmp_path: Path):
    words = [CONTROL, "--target", "cpu", "--json", "--seed", "3"]
    page = tmp_path / "page.html"
    first = CliRunner().invoke(command, [*words, "--save", str(tmp_path / "saved"), "--html", str(page)])
    assert first.exit_code == 0, first.output
    records = [json.loads(line) for line in first.stdout.splitlines()]
    assert {(r["case"], r["target"], r["precision"]) for r in records} == {(CONTROL, "cpu", "fp32")}
    assert {r["outcome"] for r in records} == {"passed"}
    assert "seed 3" in first.stderr
    assert "Everything is as expected" in page.read_text(encoding="utf-8")
    (folder,) = (tmp_path / "saved").iterdir()
    run, subject = load_judgeable(folder)
    assert (run.name, subject.name) == (CONTROL, CONTROL)
    second = CliRunner().invoke(command, words)
    again = [json.loads(line) for line in second.stdout.splitlines()]
    assert [r["cached"] for r in again] == [True] * len(records)
    assert [{**r, "cached": False} for r in again] == records
    assert "1 of 1 run unchanged and not run again" in second.stderr


@pytest.mark.parametrize(("void", "code"), [(["fp32"], 3), (["fp16"], 1), ([], 1)])
def test_news_of_a_target_that_fails_its_controls_count_for_nothing(
    monkeypatch: pytest.MonkeyPatch, void: list[str], code: int
):
    failed = (FailedControl("findings/x-control", "FAIL stale"),)
    unfit = [Fitness("gpu:a", "2.3.0", precision, 38, failed) for precision in void]

    def ran(*words: object, came: list[CaseResult], **options: object) -> list[Fitness]:
        came += RESULTS
        return unfit

    monkeypatch.setattr(run, "run_on", ran)
    found = CliRunner().invoke(command, [CONTROL, "--target", "cpu"])
    assert found.exit_code == code, found.output
    assert ("gpu:a is UNFIT" in found.output) is bool(void)
