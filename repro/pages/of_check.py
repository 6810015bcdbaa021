"""The page of `repro check`: one model, its outputs on each target, its graph with what is wrong in it."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass, field

from repro.campaigns.expectations import Comparison
from repro.pages.graph_drawing import graph_drawing
from repro.pages.of_run import fingerprints, wrong_names, wrong_output
from repro.pages.page import Block, Command, Lines, Page, Row, Section, Table, Text
from repro.records.lines import Line, Tone, counted
from repro.trials.check import Checked
from repro.verdicts.verdict import Status, Verdict


@dataclass
class Shown:
    """What was said of one target and precision. again: the command that repeats it. notes: taps, blame."""

    checked: Checked
    comparisons: Sequence[Comparison] | None
    again: str
    notes: list[Line] = field(default_factory=list)


def check_page(shown: Sequence[Shown], command: str) -> Page:
    """The page of all targets and precisions of one model."""
    subject = shown[0].checked.subject
    judged = [(one, index, v) for one in shown for index, v in enumerate(one.checked.verdicts)]
    bad = sum(_is_bad(*one) for one in judged)
    answers = [
        Text(_answer(bad, judged), _tone(bad)),
        Text(f"{subject.name}: {counted(len(subject.graph.ops), 'op')}, inputs {subject.plan.words}"),
        Text(f"held against: {shown[0].checked.reference_from}", Tone.ASIDE),
    ]
    if bad:
        answers.append(Text("next: repro reduce makes the smallest graph with the same failure", Tone.ASIDE))
    rows = tuple(_row(*one) for one in sorted(judged, key=lambda one: not _is_bad(*one)))
    columns = ("output", "verdict", "target", "precision", "what it holds")
    table = Table("Outputs, what is wrong first", columns, rows, ("verdict", "target", "precision"))
    worst = max(shown, key=lambda one: sum(v.status is not Status.PASS for v in one.checked.verdicts)).checked
    drawing = graph_drawing(subject.graph, wrong_names(worst.verdicts), subject.name)
    sections = [Section("Outputs", (table,)), Section("The graph", (drawing,))]
    notes = [line for one in shown for line in one.notes]
    if notes:
        sections.append(Section("Looked into", (Lines(tuple(notes)),)))
    runs = list({one.checked.run.fingerprint.target: one.checked.run.fingerprint for one in shown}.values())
    facts = (fingerprints(f.target, f.runtime, f.adapter, dataclasses.asdict(f)) for f in runs)
    sections += [Section("Where it ran", tuple(facts)), Section("Again", (Command("This page is made by", command),))]
    return Page(f"repro check: {subject.name}", answers, sections)


def _answer(bad: int, judged: Sequence[tuple[Shown, int, Verdict]]) -> str:
    if bad:
        return f"{bad} of {counted(len(judged), 'output')} not right"
    right = all(verdict.status is Status.PASS for _, _, verdict in judged)
    return "Every output is right" if right else "Every output is as expected"


def _is_bad(shown: Shown, index: int, verdict: Verdict) -> bool:
    if shown.comparisons is not None:
        return shown.comparisons[index].standing.is_news or bool(verdict.marks)
    return not verdict.is_clean


def _tone(bad: int) -> Tone:
    return Tone.BAD if bad else Tone.GOOD


def _row(shown: Shown, index: int, verdict: Verdict) -> Row:
    of = shown.checked.run.fingerprint
    details: list[Block] = []
    if verdict.status is not Status.PASS:
        if shown.comparisons is not None:
            details.append(Text(f"expected: {shown.comparisons[index].expected}"))
        for note in filter(None, (shown.checked.inputs_note, shown.checked.cpu_note)):
            details.append(Text(note, Tone.WARN))
        details += [*wrong_output(verdict), Command("again:", shown.again)]
    good = f"would have noticed an RMS error of {verdict.power:.2g}"
    return Row(
        (
            Text(f"{verdict.output} {verdict.name}" if verdict.output >= 0 else "none"),
            Text(verdict.said, _tone(not verdict.is_clean)),
            Text(of.target),
            Text(of.precision),
            Text(good if verdict.status is Status.PASS else verdict.held),
        ),
        (str(verdict.status), of.target, of.precision),
        tuple(details),
    )
