"""One table of limits: each with its reason, all of them used, replaced by a file that says why."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from repro.verdicts.judge import judge_arrays
from repro.verdicts.noise_floor import Floor
from repro.verdicts.thresholds import DEFAULT, ENTRIES, Thresholds, load_thresholds
from repro.verdicts.verdict import Status
from runner.errors import BadInput
from runner.run import Precision
from runner.source_version import ROOT
from tests.repro.verdicts.judging import normal


def test_every_threshold_has_a_reason_and_a_day():
    assert all(entry.reason and entry.since and entry.value > 0 for entry in ENTRIES.values())


def test_no_threshold_is_there_without_being_compared():
    sources = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "repro" / "verdicts").glob("*.py"))
    assert [name for name in ENTRIES if f'["{name}"]' not in sources] == []


def test_a_table_replaces_the_entries_that_it_names(tmp_path: Path):
    path = tmp_path / "stricter.toml"
    path.write_text('[element_floors]\nvalue = 2\nreason = "try"\nsince = "2026-01-01"\n', encoding="utf-8")
    stricter = load_thresholds(path)
    assert stricter["element_floors"] == 2
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
        ('[no_such]\nvalue=1\nreason="a"\nsince="b"', "no threshold 'no_such'; there are: tensor_rmse_floors"),
        ("[element_floors]\nvalue = 2\n", "needs value, reason and since"),
        ("element_floors = 2\n", "needs value, reason and since"),
        ('[element_floors]\nvalue = -2\nreason="a"\nsince="b"', "above 0, got -2"),
        ('[element_floors]\nvalue = 0\nreason="a"\nsince="b"', "above 0, got 0"),
        ('[element_floors]\nvalue = nan\nreason="a"\nsince="b"', "finite number above 0, got nan"),
        ('[element_floors]\nvalue = inf\nreason="a"\nsince="b"', "finite number above 0, got inf"),
        ('[element_floors]\nvalue = true\nreason="a"\nsince="b"', "above 0, got True"),
        ('[element_floors]\nvalue = "2"\nreason="a"\nsince="b"', "above 0, got '2'"),
        ('[element_floors]\nvalue = 2\nreason=" "\nsince="b"', "reason is empty"),
        ("not toml", "not readable TOML"),
    ],
)
def test_a_broken_table_is_one_line(tmp_path: Path, text: str, words: str):
    path = tmp_path / "table.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(BadInput, match=words) as error:
        load_thresholds(path)
    assert "\n" not in str(error.value)


def test_a_table_that_is_not_there_or_is_no_text_is_one_line(tmp_path: Path):
    with pytest.raises(BadInput, match="no such file"):
        load_thresholds(tmp_path / "nowhere.toml")
    (tmp_path / "bytes.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(BadInput, match="not readable TOML"):
        load_thresholds(tmp_path / "bytes.toml")


def test_fp16_rounds_more_coarsely_than_fp32_in_every_respect():
    half, single = Precision.FP16, Precision.FP32
    assert DEFAULT.ulp(half) == 2.0**13 * DEFAULT.ulp(single)
    assert DEFAULT.rule_ulp(half) > DEFAULT.rule_ulp(single) > DEFAULT.ulp(single)
    assert DEFAULT.rule_snr_db(half) < DEFAULT.rule_snr_db(single)
    assert DEFAULT.coherent_share(half) == DEFAULT["coherent_share_fp16"]
    assert DEFAULT.coherent_share(single) == DEFAULT["coherent_share_fp32"]
