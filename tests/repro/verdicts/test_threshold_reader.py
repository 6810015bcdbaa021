"""Another table of limits is read whole, or refused in one line that says where, what and what instead."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from repro.verdicts.judge import judge_arrays
from repro.verdicts.noise_floor import Floor
from repro.verdicts.threshold_reader import load_thresholds
from repro.verdicts.thresholds import DEFAULT, ENTRIES, Thresholds
from repro.verdicts.verdict import Status
from runner.errors import BadInput
from tests.repro.verdicts.judging import normal


def entry(**changed: str) -> str:
    fields = {"value": "2", "reason": '"try"', "since": '"2026-01-01"', **changed}
    return "[element_floors_fp32]\n" + "".join(f"{key} = {value}\n" for key, value in fields.items() if value)


def test_a_table_replaces_the_entries_that_it_names(tmp_path: Path):
    path = tmp_path / "stricter.toml"
    path.write_text(entry(), encoding="utf-8")
    stricter = load_thresholds(path)
    assert stricter["element_floors_fp32"] == 2
    assert stricter.entries["element_floors_fp32"].reason == "try"
    assert stricter["tensor_rmse_floors"] == DEFAULT["tensor_rmse_floors"]
    reference = normal(64, 64)
    actual = (reference + 1e-3 * normal(64, 64, seed=2)).astype(np.float32)
    floor = Floor(1e-3, "emulation", 1)
    assert judge_arrays(actual, reference, floor).status is Status.PASS
    assert judge_arrays(actual, reference, floor, thresholds=stricter).status is Status.FAIL


def test_a_table_is_called_after_its_file(tmp_path: Path):
    (tmp_path / "mine.toml").write_text("", encoding="utf-8")
    assert load_thresholds(tmp_path / "mine.toml") == Thresholds("mine", ENTRIES)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('[no_such]\nvalue=1\nreason="a"\nsince="b"', "no_such: unknown key; known are tensor_rmse_floors"),
        ('[element_floor]\nvalue=1\nreason="a"\nsince="b"', "element_floor: .* did you mean 'element_floors_fp32'?"),
        (entry(reason=""), "reason: is missing"),
        (entry(since=""), "since: is missing"),
        (entry(value=""), "value: is missing; it is a finite number above 0"),
        (entry(limit="2"), "limit: unknown key"),
        ("element_floors_fp32 = 2\n", "element_floors_fp32: must be a table: value, reason and since, not 2"),
        (entry(value="-2"), "value: must be a finite number above 0, not -2"),
        (entry(value="0"), "value: must be a finite number above 0, not 0"),
        (entry(value="nan"), "value: must be a finite number above 0, not nan"),
        (entry(value="inf"), "value: must be a finite number above 0, not inf"),
        (entry(value="true"), "value: must be a number, not True"),
        (entry(value='"2"'), "value: must be a number, not '2'"),
        (entry(reason='" "'), "reason: says nothing yet"),
        (entry(since='""'), "since: is empty"),
        (entry(since="2026-01-01"), "2026-01-01 is a date or a time; write it as a string"),
        ("not toml", "not readable TOML"),
    ],
)
def test_a_broken_table_is_one_line(tmp_path: Path, text: str, words: str):
    path = tmp_path / "table.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(BadInput, match=words) as error:
        load_thresholds(path)
    assert str(error.value).startswith(f"thresholds '{path}': ")
    assert "\n" not in str(error.value)


def test_a_table_that_is_not_there_or_is_no_text_is_one_line(tmp_path: Path):
    with pytest.raises(BadInput, match="no such file"):
        load_thresholds(tmp_path / "nowhere.toml")
    (tmp_path / "bytes.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(BadInput, match="not readable TOML"):
        load_thresholds(tmp_path / "bytes.toml")
