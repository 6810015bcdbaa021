"""What a person sees of a campaign: counts by family, known bugs by finding, news in full, and a page of it all."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import replace

from repro.campaigns.campaign import CaseResult
from repro.display.campaign_table import family, junit_rows, print_campaign, summary_line, wrong_line
from repro.display.console import Screen
from repro.verdicts.fitness import FailedControl, Fitness
from tests.repro.display.results import EXPECTED, GOOD, KNOWN, NEWS, RESULTS, WRONG, result


def printed(results: Sequence[CaseResult] = RESULTS, *, verbose: bool = False, controls: Sequence[str] = ()) -> str:
    console = Screen(file=io.StringIO(), width=200, color_system=None)
    print_campaign(console, results, controls=frozenset(controls), note=lambda slug: f"note of {slug}", verbose=verbose)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_outputs_are_counted_by_family():
    # outputs, pass, controls pass, known bugs, news
    table = [line.split() for line in printed(controls=["other/twin"]).splitlines() if line[:5] in ("famil", "other")]
    assert table[1:] == [["family", "3", "2", "-", "1", "0"], ["other", "2", "1", "1/1", "0", "1"]]


def test_a_control_that_fails_does_not_count_as_passing():
    (*_, other) = [line.split() for line in printed(controls=["other/new"]).splitlines() if line.startswith("other")]
    assert other[3] == "0/1"


def test_each_target_has_a_table_of_its_own():
    text = printed([result("family/a", GOOD), result("family/a", GOOD, target="gpu:b")])
    assert [line.split()[0] for line in text.splitlines() if "LiteRT" in line] == ["gpu:a", "gpu:b"]


def test_known_bugs_stand_under_their_finding_with_its_note_and_one_example():
    text = printed()
    assert "its-finding  FAIL alias(x): 1 output of 1 case; note of its-finding" in text
    assert "    family/known fp32  output 1 'acc' FAIL alias(x): holds input 0 'x' (bit-exact, 4/4)" in text


def test_a_known_bug_without_a_finding_says_why_it_is_expected():
    alone = replace(EXPECTED, finding="", reason="we emit it doubled")
    known = (WRONG, replace(KNOWN[1], expectation=alone))
    many = [result(f"mine/known-{i}", known) for i in range(3)]
    assert printed(many).count("why it is expected: we emit it doubled") == 1
    assert printed(many, verbose=True).count("why it is expected: we emit it doubled") == 3
    assert "repro finding show" in printed(many)


def test_verbose_shows_every_example():
    many = [result(f"family/known-{i}", KNOWN) for i in range(3)]
    assert printed(many).count("holds input 0") == 1
    assert printed(many, verbose=True).count("holds input 0") == 3


def test_news_are_shown_as_they_are_and_no_markup():
    assert "  new failure: family/new output 1 'acc': <b> & [red]x[/]" in printed()
    assert "news\n  " not in printed([result("family/good", GOOD)])


def test_the_summary_counts_cases_outputs_standings_and_what_was_not_run_again():
    assert summary_line(RESULTS, 1.25, "of each case") == (
        "4 cases, 5 outputs: 3 passed, 1 known bug, 0 flakes, 1 news; 1 of 4 runs unchanged and not run again; "
        "1.2 s; seed of each case"
    )


def test_a_wrong_output_is_one_line():
    said = "output 1 'acc' FAIL alias(x): holds input 0 'x' (bit-exact, 4/4)"
    assert wrong_line("a/b", "fp16", WRONG) == f"a/b fp16  {said}"
    assert family("a/b") == "a"


def test_junit_has_a_row_for_each_output_and_skips_what_is_known_with_its_reason():
    rows = junit_rows(RESULTS)
    assert [bool(row.failure) for row in rows] == [False, False, False, True, False]
    assert [row.skipped for row in rows if row.skipped] == ["known: FAIL alias(x): because"]
    assert rows[3].log == "the delegate's last words"
    assert rows[3].suite == "gpu:a.other"
    assert sum(row.seconds for row in rows) == 4.0


def test_a_new_failure_is_news_on_the_screen_and_in_junit():
    assert [row.failure for row in junit_rows([result("a/b", NEWS)])] == [NEWS[1].message]


UNFIT = Fitness("gpu:a", "2.3.0", "fp32", 38, (FailedControl("findings/x-control", "FAIL stale"),))


def test_a_target_that_fails_its_controls_says_so_under_its_news():
    console = Screen(file=io.StringIO(), width=200, color_system=None)
    print_campaign(console, RESULTS, controls=frozenset(), note=lambda slug: "", verbose=False, unfit=[UNFIT])
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert text.index("new failure: family/new") < text.index("gpu:a is UNFIT in fp32: 1 of 38 controls fails")


def test_for_ci_an_unfit_target_is_one_failure_and_its_news_are_skipped():
    before = [row for row in junit_rows(RESULTS) if row.failure]
    unfit, *rows = junit_rows(RESULTS, [UNFIT])
    assert before
    assert "findings/x-control FAIL stale" in unfit.failure
    assert not any(row.failure for row in rows)
    assert [row.name for row in rows if "the target is UNFIT: new failure" in row.skipped] == [r.name for r in before]


def test_news_of_another_precision_still_count():
    other = Fitness("gpu:a", "2.3.0", "fp16", 38, UNFIT.failed)
    assert [row.failure for row in junit_rows(RESULTS, [other])[1:]] == [row.failure for row in junit_rows(RESULTS)]
