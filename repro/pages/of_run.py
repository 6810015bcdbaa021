"""The page of `repro run`: the catalogue on targets, news first."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cases.graph import Graph
from repro.campaigns.campaign import CaseResult
from repro.campaigns.expectations import Comparison, Standing
from repro.display.campaign_table import family
from repro.findings.finding import Finding
from repro.pages import known_bug
from repro.pages.graph_drawing import graph_drawing
from repro.pages.page import Block, Command, Facts, Fold, HeatMap, Page, Row, Section, Table, Text
from repro.records.lines import Tone, counted
from repro.verdicts.verdict import Status, Verdict
from runner.encoding import shell_command

MOST_ROWS = 6000
"""Outputs that are listed at most; those that passed are left out first."""
MOST_GRAPHS = 12
FILTERS = ("family", "verdict", "standing", "precision", "target", "finding")
_ORDER = [
    Standing.NEW_FAILURE,
    Standing.CHANGED,
    Standing.FIXED,
    Standing.NO_POWER,
    Standing.KNOWN,
    Standing.FLAKE,
    Standing.PASSED,
]
_TONES = {Standing.KNOWN: Tone.WARN, Standing.FLAKE: Tone.WARN, Standing.PASSED: Tone.GOOD}

_Judged = tuple[CaseResult, Verdict, Comparison]


def run_page(
    results: Sequence[CaseResult],
    summary: str,
    command: str,
    find: Callable[[str], Finding | None],
    graph_of: Callable[[str], Graph | None] = lambda case: None,
    again: Sequence[str] = (),
) -> Page:
    """results: of one or more targets. summary: the line that counts. command: what made this; again: options of it
    that a command for one of its cases needs as well.

    find: a finding by its slug; graph_of: the graph of a case, for the first of the news.
    """
    judged = [(r, v, c) for r in results for v, c in zip(r.verdicts, r.comparisons, strict=True)]
    judged.sort(key=lambda one: _ORDER.index(one[2].standing))
    news = sum(c.standing.is_news for _, _, c in judged)
    verb = f"{news} news: not as expected" if news else "Everything is as expected"
    answers = [Text(verb, Tone.BAD if news else Tone.GOOD), Text(summary)]
    listed = judged[:MOST_ROWS]
    known = tuple(_known(judged, find))
    shared = _Shared(frozenset(bug.id for bug in known), _Graphs(graph_of), again)
    rows = tuple(_row(*one, shared) for one in listed)
    left_out = f"; {len(judged) - len(listed)} more are not listed" if len(judged) > len(listed) else ""
    columns = ("case", "verdict", "precision", "output", "target", "what it holds")
    sections = [
        Section("Outputs", (Table(f"Every output, news first{left_out}", columns, rows, FILTERS),)),
        *([Section("Known bugs that show", known)] if known else []),
        Section("Where it ran", tuple(_fingerprints(results))),
        Section("Again", (Command("This page is made by", command),)),
    ]
    return Page(f"repro run: {', '.join(dict.fromkeys(r.target for r in results))}", answers, sections)


class _Graphs:
    """Draws the graphs of the first cases that have news."""

    def __init__(self, graph_of: Callable[[str], Graph | None]) -> None:
        self.graph_of = graph_of
        self.drawn: set[str] = set()

    def of(self, result: CaseResult) -> Iterator[Block]:
        if len(self.drawn) < MOST_GRAPHS and result.case not in self.drawn:
            self.drawn.add(result.case)
            graph = self.graph_of(result.case)
            if graph is not None:
                yield graph_drawing(graph, wrong_names(result.verdicts), result.case)


@dataclass(frozen=True)
class _Shared:
    """What all rows of a page have in common. explained: ids of what the page says of findings."""

    explained: frozenset[str]
    graphs: _Graphs
    again: Sequence[str]


def wrong_names(verdicts: Sequence[Verdict]) -> list[str]:
    """Names of the outputs that are wrong."""
    return [v.name for v in verdicts if v.output >= 0 and v.status is Status.FAIL]


def _row(result: CaseResult, verdict: Verdict, comparison: Comparison, shared: _Shared) -> Row:
    standing = comparison.standing
    tone = _TONES.get(standing, Tone.BAD)
    slug = comparison.expectation.finding if comparison.expectation else ""
    details: tuple[Block, ...] = ()
    if standing is not Standing.PASSED:
        details = tuple(_details(result, verdict, comparison, shared))
    passed = f"would have noticed {verdict.power:.2g}" if verdict.power else ""
    return Row(
        (
            Text(result.case),
            Text(verdict.said, tone),
            Text(result.precision),
            Text(f"{verdict.output} {verdict.name}" if verdict.output >= 0 else "none"),
            Text(result.target),
            Text(passed if verdict.status is Status.PASS else verdict.held),
        ),
        (family(result.case), str(verdict.status), _standing(standing), result.precision, result.target, slug),
        details,
    )


def _standing(standing: Standing) -> str:
    return f"news: {standing}" if standing.is_news else str(standing)


def _details(result: CaseResult, verdict: Verdict, comparison: Comparison, shared: _Shared) -> Iterator[Block]:
    expectation = comparison.expectation
    if comparison.standing.is_news:
        yield Text(comparison.message, Tone.BAD)
    elif expectation is not None:
        place = known_bug.place(expectation.finding)
        said = f"known: {expectation.finding or expectation.reason}"
        yield Text(said, href=f"#{place}") if place in shared.explained else Text(said, Tone.WARN)
    yield from wrong_output(verdict)
    if comparison.standing.is_news:
        yield from shared.graphs.of(result)
    words = ["repro", "run", result.case, "--target", result.target, "--precision", result.precision, *shared.again]
    yield Command("again:", shell_command([*words, "--again"]))


def wrong_output(verdict: Verdict) -> Iterator[Block]:
    """Why it is wrong, and where."""
    if verdict.holds and verdict.reason:
        yield Text(verdict.reason, Tone.ASIDE)
    if verdict.error_map is not None:
        yield HeatMap(verdict.error_map)


def _known(judged: Sequence[_Judged], find: Callable[[str], Finding | None]) -> Iterator[Fold]:
    groups: dict[str, list[_Judged]] = defaultdict(list)
    for one in judged:
        if one[2].expectation is not None and one[2].expectation.finding:
            groups[one[2].expectation.finding].append(one)
    for slug, members in sorted(groups.items(), key=lambda group: (-len(group[1]), group[0])):
        finding = find(slug)
        if finding is not None:
            said = ", ".join(sorted({verdict.said for _, verdict, _ in members}))
            cases = len({result.case for result, _, _ in members})
            yield known_bug.known_bug(finding, f"{said}: {counted(len(members), 'output')} of {counted(cases, 'case')}")


def _fingerprints(results: Sequence[CaseResult]) -> Iterator[Facts]:
    for result in {r.target: r for r in results}.values():
        # The sha256 of one model says nothing of the catalogue.
        fingerprint = {name: what for name, what in result.fingerprint.items() if name != "model_sha256"}
        yield fingerprints(result.target, result.runtime, result.adapter, fingerprint)


def fingerprints(target: str, runtime: str, adapter: str, fingerprint: Mapping[str, Any]) -> Facts:
    """What produced the results of a target. fingerprint: as in `Fingerprint`, as plain data, or a part of it."""
    facts = [("target", target), ("LiteRT", runtime), ("adapter", adapter), ("driver", fingerprint.get("driver", ""))]
    facts += [(f"sha256 of {name}", digest) for name, digest in sorted(fingerprint.get("libraries", {}).items())]
    facts += [(f"device {name}", what) for name, what in sorted(fingerprint.get("device", {}).items())]
    facts.append(("sha256 of the model", fingerprint.get("model_sha256", "")))
    return Facts(tuple((term, what) for term, what in facts if what))
