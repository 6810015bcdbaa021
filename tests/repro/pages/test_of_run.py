"""The page of a run: the answer on top, news first, every output once, its finding and its command beside it."""

from __future__ import annotations

from repro.campaigns.expectations import Standing
from repro.findings import reader
from repro.pages import of_run
from repro.pages.page import Block, Command, Drawing, HeatMap, Table, Text
from repro.records.lines import Tone
from tests.repro.display.results import RESULTS
from tests.repro.pages.samples import hostile_graph, run_results


def page(results=None):
    chosen = run_results() if results is None else results
    return of_run.run_page(chosen, "counts", "repro run x", reader.finding_or_none, hostile_graph)


def table(of) -> Table:
    return next(b for section in of.sections for b in section.blocks if isinstance(b, Table))


def blocks(of, kind: type) -> list[Block]:
    return [b for row in table(of).rows for b in row.details if isinstance(b, kind)]


def test_the_answer_counts_the_news():
    assert page().answers[0] == Text("2 news: not as expected", Tone.BAD)
    assert page(RESULTS[:2]).answers[0] == Text("Everything is as expected", Tone.GOOD)
    assert page().answers[1].text == "counts"


def test_every_output_is_a_row_news_first_and_what_passed_last():
    rows = table(page()).rows
    assert len(rows) == sum(len(r.verdicts) for r in run_results())
    assert [row.tags[2] for row in rows] == ["news: new failure"] * 2 + ["known"] * 2 + ["passed"] * 5
    assert all(len(row.tags) == len(of_run.FILTERS) for row in rows)


def test_what_is_wrong_has_its_map_its_finding_and_its_command():
    known = next(row for row in table(page()).rows if row.cells[0].text == "family/known-too" and row.details)
    assert known.details[0] == Text("known: add-output-feeds-reduction", href="#finding-add-output-feeds-reduction")
    assert any(isinstance(block, HeatMap) for block in known.details)
    (again,) = [block for block in known.details if isinstance(block, Command)]
    assert again.command == "repro run family/known-too --target gpu:a --precision fp32 --again"


def test_only_what_did_not_pass_has_details():
    for row in table(page()).rows:
        assert bool(row.details) == (row.tags[2] != Standing.PASSED)


def test_the_graph_is_drawn_for_the_first_of_the_news_once_a_case(monkeypatch):
    assert len(blocks(page(), Drawing)) == 2
    monkeypatch.setattr(of_run, "MOST_GRAPHS", 1)
    assert len(blocks(page(), Drawing)) == 1


def test_the_findings_that_show_are_explained_and_others_are_not():
    known = next(section for section in page().sections if section.heading == "Known bugs that show")
    assert [block.id for block in known.blocks] == ["finding-add-output-feeds-reduction"]


def test_a_run_larger_than_a_page_says_what_it_leaves_out(monkeypatch):
    monkeypatch.setattr(of_run, "MOST_ROWS", 3)
    short = table(page())
    assert len(short.rows) == 3
    assert short.caption == "Every output, news first; 6 more are not listed"


def test_the_command_of_a_case_has_the_options_that_decided_its_result():
    made = of_run.run_page(run_results(), "", "", reader.finding_or_none, hostile_graph, ["--runtime", "2.1.3"])
    commands = [block.command for block in blocks(made, Command) if isinstance(block, Command)]
    assert commands
    assert all(command.endswith(" --precision fp32 --runtime 2.1.3 --again") for command in commands)
