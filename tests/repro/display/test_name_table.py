"""The table of what differs between names: a row per group that differs alike, and what the names are not."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from dataclasses import replace

from repro.campaigns.campaign import CaseResult
from repro.changes.sources import read_side
from repro.commands.expect import read_results
from repro.display.console import Screen
from repro.display.json_lines import dump, result_objects
from repro.display.name_table import WHAT_IT_IS_NOT, name_objects, print_name_table
from tests.repro.display.results import GOOD, KNOWN, NEWS, WRONG, result

KNOWN_BAD = (replace(WRONG, output=0), KNOWN[1])
NEW_BAD = (replace(WRONG, output=0), NEWS[1])
NAMES = ("NVIDIA H100", "Intel Iris Xe", "Mali-G31")


def runs(case: str, *judged: tuple, names: Sequence[str] = NAMES) -> list[CaseResult]:
    """One result per name, in their order."""
    return [result(case, each, target=f"gpu:a@{name}") for name, each in zip(names, judged, strict=True)]


KNOWN_RUNS = [each for i in range(3) for each in runs(f"family/{i}", KNOWN_BAD, KNOWN_BAD, GOOD)]
RESULTS = [*KNOWN_RUNS, *runs("other/new", NEW_BAD, GOOD, GOOD), *runs("other/right", GOOD, GOOD, GOOD)]


def printed(results: Sequence[CaseResult], *, verbose: bool = False) -> list[str]:
    console = Screen(file=io.StringIO(), width=200, color_system=None)
    print_name_table(console, results, verbose=verbose)
    assert isinstance(console.file, io.StringIO)
    return [" ".join(line.split()) for line in console.file.getvalue().splitlines() if line]


def test_outputs_that_differ_alike_are_one_row_with_one_example_and_the_names_by_their_keys():
    assert printed(RESULTS) == [
        "between names gpu:a under 3: nvidia, intel, Mali-G31",
        "finding precision outputs for example verdicts",
        "its-finding fp32 3 family/0 0 FAIL memory: 2 names; PASS: Mali-G31",
        "none fp32 1 other/new 0 PASS: 2 names; FAIL memory: nvidia",
        WHAT_IT_IS_NOT,
    ]


def test_verbose_has_a_row_for_every_output():
    assert sum("its-finding fp32 1" in line for line in printed(RESULTS, verbose=True)) == 3


def test_where_nothing_differs_it_says_so_and_that_no_such_gpu_was_there():
    lines = printed(runs("other/right", GOOD, GOOD, GOOD))
    assert lines[1:] == ["no output differs between the 3 names", WHAT_IT_IS_NOT]


def test_one_name_or_none_has_no_table():
    assert printed([result("family/a", GOOD), *runs("family/a", NEW_BAD, names=NAMES[:1])]) == []


def test_json_has_one_object_behind_the_lines_which_readers_of_the_lines_leave_alone(tmp_path):
    (record,) = name_objects(RESULTS)
    assert record["names"] == list(NAMES)
    assert [(each["case"], each["finding"]) for each in record["differ"]][::3] == [
        ("family/0", "its-finding"),
        ("other/new", ""),
    ]
    assert record["differ"][0]["verdicts"] == {"FAIL memory": list(NAMES[:2]), "PASS": [NAMES[2]]}
    lines = [dump(each) for one in RESULTS for each in result_objects(one)]
    path = tmp_path / "results.jsonl"
    path.write_text("\n".join([*lines, dump(record)]), encoding="utf-8")
    assert json.loads(path.read_text(encoding="utf-8").splitlines()[-1]) == record
    assert {len(records) for records in read_results(path).values()} == {5}
    assert len(read_side(path).answers) == 15
