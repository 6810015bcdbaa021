"""The page of `repro compare`: what changed between two runs, what became worse first."""

from __future__ import annotations

from repro.changes.changes import Change, Compared, Kind, in_order
from repro.display.campaign_table import family
from repro.display.change_lines import change_words, conclusion, side_words, tone_of
from repro.pages.page import Block, Command, Facts, Page, Row, Section, Table, Text
from repro.records.lines import Tone, counted

MOST_ROWS = 6000


def compare_page(compared: Compared, command: str) -> Page:
    """Every output that is not the same in both."""
    worse = len(compared.worse)
    answers = [
        Text(f"Worse in B: {counted(worse, 'output')}", Tone.BAD)
        if worse
        else Text("Nothing is worse in B", Tone.GOOD),
        Text(conclusion(compared).text),
        Text(f"A: {side_words(compared.a)}", Tone.ASIDE),
        Text(f"B: {side_words(compared.b)}", Tone.ASIDE),
    ]
    answers += [
        Text(f"other inputs: {one} in A, {other} in B; what changed may be theirs", Tone.WARN)
        for one, other in compared.other_inputs
    ]
    changed = [change for change in in_order(compared.changes) if change.kind is not Kind.SAME]
    left_out = f"; {len(changed) - MOST_ROWS} more are not listed" if len(changed) > MOST_ROWS else ""
    table = Table(
        f"What is not the same in both, worse first{left_out}",
        ("case", "change", "output", "precision", "target", "A", "B"),
        tuple(_row(change) for change in changed[:MOST_ROWS]),
        ("family", "change", "worse", "precision", "target"),
    )
    pairs = tuple((f"A: {left}", f"B: {right}") for left, right in compared.pairs)
    sections = [
        Section("Changes", (table,) if changed else (Text("Both say the same of every output."),)),
        Section("What was held against what", (Facts(pairs),)),
        Section("Again", (Command("This page is made by", command),)),
    ]
    return Page("repro compare", answers, sections)


def _after(change: Change) -> str:
    """What B says, and what it holds or which numbers moved."""
    if change.b is None:
        return "not there"
    if change.kind is Kind.MOVED:
        return change_words(change)
    held = change.b.holds or change.b.reason
    return f"{change.b.said}: {held}" if held else change.b.said


def _row(change: Change) -> Row:
    answer = change.answer
    a, b = change.a, change.b
    details: list[Block] = []
    for side, of in (("A", a), ("B", b)):
        if of is not None:
            words = {"adapter": of.adapter, "holds": of.holds, "reason": of.reason, "model sha256": of.model_sha256}
            numbers = [(name, f"{value:.6g}") for name, value in of.numbers.items()]
            details += [Text(side, Tone.HEAD), Facts(tuple(one for one in (*words.items(), *numbers) if one[1]))]
    return Row(
        (
            Text(answer.case),
            Text(f"{change.kind}{' (worse)' if change.worse and change.kind is not Kind.NEW else ''}", tone_of(change)),
            Text(f"{answer.output} {answer.name}" if answer.output >= 0 else "none"),
            Text(f"{answer.precision} {change.fed}".strip()),
            Text(str(answer.place)),
            Text(a.said if a is not None else "not there"),
            Text(_after(change)),
        ),
        (family(answer.case), str(change.kind), "yes" if change.worse else "no", answer.precision, answer.target),
        tuple(details),
    )


def _tone(worse: int) -> Tone:
    return Tone.BAD if worse else Tone.GOOD
