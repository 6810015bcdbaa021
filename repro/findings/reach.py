"""How much of what people run a root cause hits, and in which order the root causes are worth mending. Pure.

Key insight: who loses most is not who has the most findings. What is counted is what was measured: models of real
networks that show it, and cases of the catalogue. A silent loss comes before an end of the process, which is noticed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from cases.findings.model import Purpose
from repro.campaigns.expectations import Expectation
from repro.findings.finding import Finding, FindingStatus
from repro.findings.root_causes import RootCause
from repro.records.lines import counted

Rank = tuple[bool, bool, int, int, str]
"""Open before closed, silent before loud, then by models of real networks and cases that are hit; then by name."""


def manner(silent: bool) -> str:
    """How a bug shows."""
    return "silent" if silent else "loud (the process ends)"


@dataclass(frozen=True)
class Reach:
    """What a root cause hits. real_models: models of real networks that show it; cases: cases of the catalogue.

    members: its findings, those that show in the newest runtime first, then silent ones, then those that hit most.
    silent: whether any gives wrong values instead of ending the process. open: whether any shows in the newest.
    """

    cause: RootCause
    members: tuple[Finding, ...]
    real_models: tuple[str, ...]
    cases: int
    silent: bool
    open: bool

    @property
    def rank(self) -> Rank:
        """Where it stands among those worth mending."""
        return not self.open, not self.silent, -len(self.real_models), -self.cases, self.cause.name

    @property
    def sentence(self) -> str:
        """`silent; 1 real model, 139 cases`."""
        closed = "" if self.open else "; not in the newest runtimes, or reported only"
        hits = f"{counted(len(self.real_models), 'real model')}, {counted(self.cases, 'case')}"
        return f"{manner(self.silent)}; {hits}{closed}"


def cases_by_finding(expectations: Iterable[Expectation]) -> dict[str, set[str]]:
    """The cases of the catalogue whose expected failure is explained by each finding."""
    found: dict[str, set[str]] = {}
    for expectation in expectations:
        if expectation.finding:
            found.setdefault(expectation.finding, set()).add(expectation.case)
    return found


def in_order_of_reach(
    causes: Sequence[RootCause],
    findings: Mapping[str, Finding],
    expectations: Iterable[Expectation],
    newest: Callable[[Finding], bool],
) -> list[Reach]:
    """The root causes in the order worth mending: open before closed, silent before loud, then by what they hit.

    findings: by slug; a finding that no root cause names becomes one of its own. newest: whether a finding shows in the
    newest runtime that it was measured in.
    """
    cases = cases_by_finding(expectations)
    named = {slug for cause in causes for slug in cause.findings}
    alone = [
        RootCause(name=slug, title=finding.title, summary=finding.cause, findings=(slug,))
        for slug, finding in findings.items()
        if slug not in named
    ]

    def is_open(finding: Finding) -> bool:
        return finding.status is FindingStatus.CONFIRMED and newest(finding)

    def hits(finding: Finding) -> tuple[bool, bool, int, int, str]:
        faces = len(finding.of(Purpose.FACE))
        return not is_open(finding), finding.aborts, -faces, -len(cases.get(finding.slug, ())), finding.slug

    reaches = []
    for cause in (*causes, *alone):
        members = sorted((findings[slug] for slug in cause.findings if slug in findings), key=hits)
        if not members:
            continue
        reaches.append(
            Reach(
                cause,
                tuple(members),
                tuple(face.what for member in members for face in member.of(Purpose.FACE)),
                len(set().union(*(cases.get(member.slug, set()) for member in members))),
                silent=any(not member.aborts for member in members),
                open=any(map(is_open, members)),
            )
        )
    return sorted(reaches, key=lambda reach: reach.rank)
