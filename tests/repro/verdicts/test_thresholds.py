"""One table of limits: each with its reason, all of them used."""

from __future__ import annotations

from repro.verdicts.thresholds import DEFAULT, ENTRIES
from runner.run import Precision
from runner.source_version import ROOT


def test_every_threshold_has_a_reason_and_a_day():
    assert all(entry.reason and entry.since and entry.value > 0 for entry in ENTRIES.values())


def test_no_threshold_is_there_without_being_compared():
    sources = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "repro" / "verdicts").glob("*.py"))
    assert [name for name in ENTRIES if f'["{name}"]' not in sources] == []


def test_fp16_rounds_more_coarsely_than_fp32_in_every_respect():
    half, single = Precision.FP16, Precision.FP32
    assert DEFAULT.ulp(half) == 2.0**13 * DEFAULT.ulp(single)
    assert DEFAULT.rule_ulp(half) > DEFAULT.rule_ulp(single) > DEFAULT.ulp(single)
    assert DEFAULT.rule_snr_db(half) < DEFAULT.rule_snr_db(single)


def test_fp16_is_judged_by_fewer_floors_than_fp32():
    for name in ("element_floors", "group_rmse_floors", "coherent_errors", "coherent_share", "own_ulps"):
        assert DEFAULT[f"{name}_fp16"] < DEFAULT[f"{name}_fp32"]
