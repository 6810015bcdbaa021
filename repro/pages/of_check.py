"""The page of `repro check`: one model, its outputs on each target, its graph with what is wrong in it."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from repro.display.check_report import Shown, Unread, what_next
from repro.pages.graph_drawing import graph_drawing
from repro.pages.of_run import fingerprints, wrong_names, wrong_output
from repro.pages.page import Block, Command, Lines, Page, Row, Section, Table, Text
from repro.records.lines import Tone, counted
from repro.verdicts.verdict import Status, Verdict

DRAWN = 6
"""Graphs that one page draws, at most: those of the models with the most wrong outputs."""


def check_page(shown: Sequence[Shown], command: str, unread: Sequence[Unread] = ()) -> Page:
    """The page of all targets and precisions of one model, or of several. unread: files that could not be checked."""
    judged = [(one, index, v) for one in shown for index, v in enumerate(one.checked.verdicts)]
    bad = sum(one.problems for one in shown)
    subjects = list({(one.path, one.checked.subject.name): one.checked.subject for one in shown}.values())
    several = len({one.path for one in shown}) + len(unread) > 1
    answers = [Text(_answer(bad, judged) if judged else "No output was judged", _tone(bad or not judged))]
    answers += [Text(one.reason, Tone.BAD) for one in unread]
    if several:
        answers.append(Text(f"{counted(len({one.path for one in shown}), 'model')} judged"))
    else:
        answers += [
            Text(f"{one.name}: {counted(len(one.graph.ops), 'op')}, inputs {one.plan.words}") for one in subjects
        ]
        answers += [Text(f"held against: {one}", Tone.ASIDE) for one in dict.fromkeys(map(_reference, shown))]
    if bad:
        answers.append(Text(what_next(shown), Tone.ASIDE))
    ordered = sorted(judged, key=lambda one: not one[0].is_bad(one[1]))
    rows = tuple(_row(*one, with_model=several or len(subjects) > 1) for one in ordered)
    of_model = ("model",) if several or len(subjects) > 1 else ()
    columns = (*of_model, "output", "verdict", "target", "precision", "what it holds")
    table = Table("Outputs, what is wrong first", columns, rows, ("verdict", "target", "precision"))
    sections = [Section("Outputs", (table,))]
    drawings = _drawings(shown, several)
    if drawings:
        sections.append(Section("The graphs" if len(drawings) > 1 else "The graph", tuple(drawings)))
    notes = [line for one in shown for line in one.notes]
    if notes:
        sections.append(Section("Looked into", (Lines(tuple(notes)),)))
    runs = list({one.checked.run.fingerprint.target: one.checked.run.fingerprint for one in shown}.values())
    facts = (fingerprints(f.target, f.runtime, f.adapter, dataclasses.asdict(f)) for f in runs)
    sections += [Section("Where it ran", tuple(facts)), Section("Again", (Command("This page is made by", command),))]
    title = subjects[0].name if len(subjects) == 1 else counted(len(subjects), "graph")
    return Page(f"repro check: {title}", answers, sections)


def _reference(shown: Shown) -> str:
    return shown.checked.reference_from


def _drawings(shown: Sequence[Shown], several: bool) -> list[Block]:
    """The graph of the only model, or those of the models that are wrong, each from its worst run."""
    worst: dict[tuple[str, str], Shown] = {}
    for one in sorted(shown, key=lambda one: -one.problems):
        worst.setdefault((str(one.path), one.checked.subject.name), one)
    chosen = [one for one in worst.values() if one.problems] if several else list(worst.values())
    blocks: list[Block] = [
        graph_drawing(one.checked.subject.graph, wrong_names(one.checked.verdicts), one.checked.subject.name)
        for one in chosen[:DRAWN]
    ]
    if len(chosen) > DRAWN:
        blocks.append(Text(f"{len(chosen) - DRAWN} more with something wrong are not drawn", Tone.ASIDE))
    return blocks


def _answer(bad: int, judged: Sequence[tuple[Shown, int, Verdict]]) -> str:
    if bad:
        return f"{bad} of {counted(len(judged), 'output')} not right"
    right = all(verdict.status is Status.PASS for _, _, verdict in judged)
    return "Every output is right" if right else "Every output is as expected"


def _tone(bad: int | bool) -> Tone:
    return Tone.BAD if bad else Tone.GOOD


def _row(shown: Shown, index: int, verdict: Verdict, *, with_model: bool) -> Row:
    of = shown.checked.run.fingerprint
    details: list[Block] = []
    if verdict.status is not Status.PASS:
        if shown.comparisons is not None:
            details.append(Text(f"expected: {shown.comparisons[index].expected}"))
        for note in filter(None, (shown.checked.inputs_note, shown.checked.cpu_note)):
            details.append(Text(note, Tone.WARN))
        details += [*wrong_output(verdict), Command("again:", shown.again)]
    good = f"would have noticed an RMS error of {verdict.power:.2g}"
    cells = (
        Text(f"{verdict.output} {verdict.name}" if verdict.output >= 0 else "none"),
        Text(verdict.said, _tone(not verdict.is_clean)),
        Text(of.target),
        Text(of.precision),
        Text(good if verdict.status is Status.PASS else verdict.held),
    )
    model = (Text(shown.graph),) if with_model else ()
    return Row((*model, *cells), (str(verdict.status), of.target, of.precision), tuple(details))
