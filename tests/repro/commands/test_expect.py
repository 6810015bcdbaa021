"""`repro expect`: reads what `repro run --json` wrote, and takes a reason from the lint where it sees the hazard."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from repro.commands.expect import _lint_reason, command, read_results
from repro.hazards.rules import RULES
from runner.errors import BadInput, NothingRan

RECORD = {
    "case": "a/b",
    "output": 0,
    "precision": "fp32",
    "verdict": "FAIL",
    "signature": "unwritten",
    "runtime": "2.3.0",
    "holds": "the sentinel",
    "target": "gpu:lavapipe",
}


def written(folder: Path, *lines: str) -> Path:
    path = folder / "results.jsonl"
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return path


def test_results_are_kept_apart_by_target_in_their_order(tmp_path: Path):
    records = [{**RECORD, "output": i, "target": target} for i, target in enumerate(["gpu:a", "gpu:b", "gpu:a"])]
    by_target = read_results(written(tmp_path, *map(json.dumps, records)))
    assert {target: [r["output"] for r in some] for target, some in by_target.items()} == {
        "gpu:a": [0, 2],
        "gpu:b": [1],
    }


@pytest.mark.parametrize(
    "line", ["no json", "[]", "3", "{}", json.dumps({k: v for k, v in RECORD.items() if k != "verdict"}), ""]
)
def test_a_line_that_is_no_result_is_named_by_its_number(tmp_path: Path, line: str):
    with pytest.raises(BadInput, match=r"results\.jsonl, line 2: not a line of `repro run --json`") as error:
        read_results(written(tmp_path, json.dumps(RECORD), line))
    assert "\n" not in str(error.value)


def test_a_file_that_cannot_be_read_or_holds_nothing_is_one_line(tmp_path: Path):
    with pytest.raises(BadInput, match="no such file; give what `repro run --json"):
        read_results(tmp_path / "none.jsonl")
    with pytest.raises(BadInput, match="cannot be read"):
        read_results(tmp_path)
    (tmp_path / "bytes.jsonl").write_bytes(b"\xff\xfe\n")
    with pytest.raises(BadInput, match="line 1"):
        read_results(tmp_path / "bytes.jsonl")
    with pytest.raises(NothingRan, match="nothing to expect"):
        read_results(written(tmp_path))


def test_a_reason_may_be_the_hazard_that_the_lint_sees_there():
    case = "public-reports/litert-8599-add-output-consumed"
    found = {output: _lint_reason(case, output) for output in range(2)}
    (reason,) = [one for one in found.values() if one is not None]
    rule = RULES[reason.text.partition(":")[0]]
    assert reason.finding == rule.finding
    assert _lint_reason(f"{case}-x2", 0) is None


def test_what_shows_under_another_adapter_name_is_not_expected_under_the_drivers_own(tmp_path: Path):
    results = tmp_path / "results.jsonl"
    results.write_text(
        json.dumps({**{**RECORD, "case": "new/one", "precision": "fp16"}, "target": "gpu:lavapipe@Mali-G610"}) + "\n",
        encoding="utf-8",
    )
    said = CliRunner().invoke(command, ["update", str(results), "--reason", "its name", "--dry-run"])
    assert said.exit_code == 0
    assert said.output.startswith("gpu-lavapipe-mali-g610.toml: new/one output 0")


def test_of_a_target_that_failed_its_controls_nothing_is_taken_but_those_controls(tmp_path: Path):
    control = {**RECORD, "case": "findings/x-control"}
    other = {**control, "case": "findings/y-control"}
    half = {**RECORD, "precision": "fp16"}
    said = {k: RECORD[k] for k in ("target", "runtime", "precision")} | {
        "unfit": {"controls": 38, "failed": {"findings/x-control": "FAIL unwritten"}}
    }
    taken = read_results(written(tmp_path, *map(json.dumps, [RECORD, control, other, half, said])))
    assert taken == {"gpu:lavapipe": [control, half]}


def test_results_that_are_expected_already_are_said_to_change_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "repro.toml").touch()
    right = {**RECORD, "verdict": "PASS", "signature": "", "target": "cpu", "holds": ""}
    done = CliRunner().invoke(command, ["update", str(written(tmp_path, json.dumps(right)))])
    assert done.exit_code == 0, done.output
    assert done.stdout == "nothing changes: all of it is expected already\n"
