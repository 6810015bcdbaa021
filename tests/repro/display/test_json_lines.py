"""JSON lines carry the documented fields and nothing that JSON cannot say."""

from __future__ import annotations

import json
import math

import pytest

from repro.display.json_lines import dump, result_objects, verdict_fields
from repro.verdicts.verdict import Status, Verdict
from tests.repro.display.results import GOOD, KNOWN, NEWS, RESULTS, result

DOCUMENTED = {
    *("case", "target", "adapter", "runtime", "precision", "output", "verdict", "signature", "pearson", "max_abs"),
    "expected",
}


def test_every_line_has_the_documented_fields_and_is_json():
    for one in RESULTS:
        for record in result_objects(one):
            assert set(record) >= DOCUMENTED
            assert json.loads(dump(record)) == record


def test_one_object_for_each_output_beside_what_was_expected_of_it():
    good, known, news = result_objects(result("family/a", GOOD, KNOWN, NEWS))
    assert [r["expected"] for r in (good, known, news)] == ["PASS", "FAIL alias(x)", "PASS"]
    assert [r["outcome"] for r in (good, known, news)] == ["passed", "known", "new failure"]
    assert [r["finding"] for r in (good, known, news)] == ["", "its-finding", ""]
    assert (known["output"], known["name"], known["verdict"], known["signature"]) == (1, "acc", "FAIL", "alias(x)")


def test_a_result_without_comparisons_expects_nothing():
    bare = result("family/a", GOOD)
    (record,) = result_objects(type(bare)(**{**bare.__dict__, "comparisons": ()}))
    assert (record["expected"], record["outcome"], record["finding"]) == (None, None, "")


def test_what_is_no_number_is_null():
    verdict = Verdict(0, "y", Status.FAIL, power=math.inf, metrics={"pearson": math.nan})
    fields = verdict_fields(verdict)
    assert (fields["pearson"], fields["max_abs"], fields["power"]) == (None, None, None)
    assert json.loads(dump(fields)) == fields


def test_a_number_that_json_does_not_have_is_never_written():
    with pytest.raises(ValueError, match="JSON"):
        dump({"value": math.nan})


def test_keys_are_sorted_so_that_lines_can_be_compared():
    assert dump({"b": 1, "a": 2}) == '{"a": 2, "b": 1}'
