"""Many runs as one grid: what failed in which of them, since when, how often it changes its mind. Pure.

Key insight: one question has two readings. Over runs of one runtime a change is ours, or a flake; over runtimes it is
theirs. So the columns are either the runs or the runtimes, and the rows are the same: findings, and what has none.
"""

from __future__ import annotations

import enum
import re
import statistics
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from repro.changes.answer import Answer, Side
from repro.verdicts.verdict import Status
from runner.runtime_version import version_order


class By(enum.StrEnum):
    """What a column of a history is."""

    RUN = "run"
    RUNTIME = "runtime"


@dataclass(frozen=True)
class HistoryCell:
    """What one column says of one row. failing of measured outputs are not PASS; said: as what, most often first."""

    measured: int
    failing: int
    said: tuple[str, ...]

    @property
    def words(self) -> str:
        """`passes (12)`, `12 of 12 FAIL stale`, or `-` where nothing was measured."""
        if not self.measured:
            return "-"
        if not self.failing:
            return f"passes ({self.measured})"
        return f"{self.failing} of {self.measured} {', '.join(self.said)}"


@dataclass(frozen=True)
class HistoryRow:
    """A finding, or an output that has none, on one target: a cell per column.

    since: the first column of the failures that last until the newest in which it was measured; empty where that one
    passes. gone: the first column in which it passes again, after it failed; empty where it still fails. flaky: of the
    outputs that were run again unchanged in the same place, the share of failing runs, where some pass and some fail.
    """

    name: str
    finding: str
    target: str
    cells: tuple[HistoryCell, ...]
    since: str
    gone: str
    flaky: float | None


@dataclass(frozen=True)
class History:
    """columns: runs or runtimes, oldest first. rows: what is not PASS somewhere. seconds: median of a case, per column.

    cases: how many cases each column has.
    """

    by: By
    columns: tuple[str, ...]
    rows: tuple[HistoryRow, ...]
    cases: tuple[int, ...]
    seconds: tuple[float | None, ...]

    @property
    def failing_now(self) -> list[HistoryRow]:
        """The rows that fail in the newest column in which they were measured."""
        return [row for row in self.rows if row.since]

    @property
    def flaky(self) -> list[HistoryRow]:
        return [row for row in self.rows if row.flaky is not None]


def history_of(runs: Sequence[tuple[str, Side]], finding_of: Callable[[Answer], str], by: By | None = None) -> History:
    """The history of named runs. by: what a column is; by default runs, and runtimes where there is but one run.

    finding_of: the finding that an answer which is not PASS is known by, or empty.
    """
    chosen = by or (By.RUN if len(runs) > 1 else By.RUNTIME)
    filed = [(name if chosen is By.RUN else answer.runtime, answer) for name, side in runs for answer in side.answers]
    order = natural_order if chosen is By.RUN else version_order
    columns = sorted(dict.fromkeys(column for column, _ in filed), key=order)
    known: dict[tuple[str, int, str, str], str] = {}
    for _, answer in filed:
        if answer.status is not Status.PASS:
            known.setdefault(_output(answer), finding_of(answer))
    members: dict[tuple[str, str, str], list[tuple[str, Answer]]] = {}
    for column, answer in filed:
        whole = (answer.case, -1, answer.precision, answer.target)
        subject = _output(answer) if _output(answer) in known else whole
        if subject in known:
            finding = known[subject]
            name = finding or _name(answer)
            members.setdefault((finding, name, answer.target), []).append((column, answer))
    rows = [_row(*key, columns, filed) for key, filed in members.items()]
    rows.sort(key=lambda row: (not row.since, row.flaky is None, bool(row.finding), row.name, row.target))
    return History(
        chosen,
        tuple(columns),
        tuple(rows),
        tuple(len({a.case for c, a in filed if c == column}) for column in columns),
        tuple(_median(a for c, a in filed if c == column) for column in columns),
    )


def natural_order(name: str) -> list[tuple[int, str]]:
    """Sort key of a run's name: numbers in it by value, so that `run-9` comes before `run-10`."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.findall(r"[0-9]+|[^0-9]+", name)]


def _output(answer: Answer) -> tuple[str, int, str, str]:
    return (answer.case, answer.output, answer.precision, answer.target)


def _name(answer: Answer) -> str:
    return f"{answer.case} {answer.precision}" + (f" output {answer.output}" if answer.output >= 0 else "")


def _row(
    finding: str, name: str, target: str, columns: Sequence[str], filed: Sequence[tuple[str, Answer]]
) -> HistoryRow:
    cells = tuple(_cell([answer for at, answer in filed if at == column]) for column in columns)
    seen = [(column, cell) for column, cell in zip(columns, cells, strict=True) if cell.measured]
    lasting = 0
    while lasting < len(seen) and seen[-1 - lasting][1].failing:
        lasting += 1
    passing = 0
    while passing < len(seen) and not seen[-1 - passing][1].failing:
        passing += 1
    since = seen[-lasting][0] if lasting else ""
    gone = seen[-passing][0] if passing else ""
    return HistoryRow(name, finding, target, cells, since, gone, _flaky(answer for _, answer in filed))


def _cell(answers: Sequence[Answer]) -> HistoryCell:
    failing = [answer.said for answer in answers if answer.status is not Status.PASS]
    said = tuple(sorted(dict.fromkeys(failing), key=lambda words: (-failing.count(words), words)))
    return HistoryCell(len(answers), len(failing), said)


def _flaky(answers: Iterable[Answer]) -> float | None:
    """The share of failing runs among the outputs of which some runs of the same model, inputs and place pass."""
    runs: dict[tuple[str, int, str, str, str, str, str], list[bool]] = {}
    for answer in answers:
        key = (*_output(answer), answer.runtime, answer.model_sha256, answer.inputs)
        runs.setdefault(key, []).append(answer.status is not Status.PASS)
    mixed = [failed for each in runs.values() if len(set(each)) > 1 for failed in each]
    return sum(mixed) / len(mixed) if mixed else None


def _median(answers: Iterable[Answer]) -> float | None:
    took = {(a.case, a.precision, a.target): a.seconds for a in answers if a.seconds is not None}
    return statistics.median(took.values()) if took else None
