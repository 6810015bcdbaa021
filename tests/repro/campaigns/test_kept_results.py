"""A campaign's results come back from its journal as they were, or not at all."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from repro.campaigns.campaign import CaseResult, from_record, to_record
from repro.verdicts.verdict import Status, Verdict

ROOT = Path(__file__).resolve().parents[3]
FINGERPRINT = {
    "target": "cpu",
    "runtime": "2.3.0",
    "libraries": {"a.so": "0f"},
    "driver": "",
    "adapter": "",
    "precision": "fp32",
    "model_sha256": "ab",
    "device": {},
}
VERDICTS = (
    Verdict(0, "y", Status.FAIL, "alias(x)", "too large", "input 0 'x'", "emulation", 1e-7, {"max_abs": math.inf}),
    Verdict(1, "z", Status.PASS),
)
RESULT = CaseResult("f/c", "cpu", "", "2.3.0", "fp32", VERDICTS, FINGERPRINT, {"load": 0.1}, "", cached=False)


def kept() -> dict[str, Any]:
    return json.loads(json.dumps(to_record(RESULT)))


def test_a_result_comes_back_from_the_journal_as_it_was():
    assert from_record(kept()) == CaseResult(**{**RESULT.__dict__, "cached": True})
    assert from_record(None) is None


@pytest.mark.parametrize("key", sorted(set(kept()) - {"inputs"}))
def test_a_record_that_lacks_a_field_counts_as_not_there(key):
    record = kept()
    del record[key]
    assert from_record(record) is None


def test_a_record_of_before_the_inputs_were_kept_still_counts():
    record = kept()
    del record["inputs"]
    assert from_record(record) == CaseResult(**{**RESULT.__dict__, "cached": True, "inputs": ""})


@pytest.mark.parametrize("key", sorted(kept()))
@pytest.mark.parametrize("value", [None, 3, ["a"]], ids=str)
def test_a_record_with_a_field_of_another_type_counts_as_not_there(key, value):
    assert from_record({**kept(), key: value}) is None


@pytest.mark.parametrize(
    "spoil",
    [
        lambda record: record["verdicts"][0].pop("output"),
        lambda record: record["verdicts"][0].update(status="SPLENDID"),
        lambda record: record["verdicts"][0].update(metrics={"max_abs": "large"}),
        lambda record: record["verdicts"][0].update(colour="red"),
        lambda record: record["verdicts"].append("PASS"),
        lambda record: record["fingerprint"].pop("driver"),
        lambda record: record.update(colour="red"),
    ],
)
def test_a_record_that_is_wrong_further_in_counts_as_not_there(spoil):
    record = kept()
    spoil(record)
    assert from_record(record) is None


@pytest.mark.slow
def test_four_runs_at_once_on_one_cache_agree_and_the_next_one_measures_nothing(tmp_path: Path):
    command = [
        sys.executable,
        "-m",
        "repro",
        "run",
        "fanout/add-to-*",
        "--target",
        "cpu",
        "--precision",
        "fp32",
        "--json",
    ]
    environment = {**os.environ, "REPRO_CACHE": str(tmp_path)}
    running = [
        subprocess.Popen(
            command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8"
        )
        for _ in range(4)
    ]
    ended = [process.communicate(timeout=300) for process in running]
    assert [process.returncode for process in running] == [0, 0, 0, 0], ended
    lines = [[json.loads(line) for line in out.splitlines()] for out, _ in ended]
    said = [{(line["case"], line["output"], line["verdict"]) for line in run} for run in lines]
    assert said[0] == said[1] == said[2] == said[3] != set()
    last = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, encoding="utf-8", timeout=300, check=True
    )
    assert {json.loads(line)["cached"] for line in last.stdout.splitlines()} == {True}
    assert [path.name for path in (tmp_path / "journal").iterdir()] == ["cpu.sqlite"]
