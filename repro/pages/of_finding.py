"""The page of a finding: what is claimed, its graph, what one run gave, in which cells it shows, what helps."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from cases.findings.model import Purpose
from repro.findings import report_facts as facts
from repro.findings.finding import Finding
from repro.matrix.record import CellRecord, EnvironmentRecord
from repro.pages.graph_drawing import graph_drawing
from repro.pages.known_bug import link
from repro.pages.of_matrix import environments_table
from repro.pages.page import Block, Command, Facts, Fold, Page, Row, Section, Table, Text
from repro.records.lines import Tone
from runner.runtime_version import spoken


def finding_page(finding: Finding) -> Page:
    """The page of a finding on disk. Raises BadInput where its evidence is missing or damaged."""
    graph = finding.graph(finding.minimal)
    wrong = [graph.outputs[index] for index in finding.minimal.wrong]
    answers = [
        Text(finding.title, Tone.BAD if finding.minimal.shows else Tone.WARN),
        Text(finding.claim),
        *_sentences(finding),
        Text(f"status: {finding.status}", Tone.ASIDE),
    ]
    why = ("why nobody notices", finding.silent) if finding.silent else ("what happens instead", finding.instead)
    cause = (why, ("cause", finding.cause), ("how this is known", finding.cause_known), ("rule", finding.rule))
    limit = [facts.opencl_limit(finding.evidence_records())]
    blocks: list[Block] = [graph_drawing(graph, wrong, finding.slug)]
    sections = [
        Section("The minimal model", (*blocks, *_samples(finding))),
        Section("Cause", (Facts(tuple(fact for fact in cause if fact[1])), *_sources(finding))),
        Section("Where it shows", tuple(_cells(finding))),
        Section("Tried", (_tried(finding),)),
        Section("Not claimed", tuple(Text(text) for text in (*finding.not_claimed, *limit) if text)),
        Section("Related", tuple(_related(finding))),
        Section("Environments", (Fold("What was measured, and where", (_environments(finding),)),)),
        Section("Again", (Command("Measure it here:", f"repro finding verify {finding.slug}"),)),
    ]
    return Page(f"Finding: {finding.slug}", answers, sections)


def _sentences(finding: Finding) -> Iterator[Text]:
    for backend, records in facts.by_backend(finding.evidence_records()).items():
        if records:
            where = f"{backend.where.capitalize()}: " if backend.where else ""
            yield Text(f"{where}{facts.cell_sentence(records, finding.minimal.name)}.")


def _samples(finding: Finding) -> Iterator[Table]:
    sample = finding.sample()
    yield _sample(sample)
    if "over_opencl" in sample:
        yield _sample(sample["over_opencl"])


def _sample(sample: Mapping[str, Any]) -> Table:
    rows = tuple(
        Row(
            (
                Text(f"{o['name']} {o['shape']}"),
                Text(f"{o['verdict']} {o['signature']}".strip(), Tone.GOOD if o["verdict"] == "PASS" else Tone.BAD),
                Text(_numbers(o["expected"])),
                Text(_numbers(o["actual"])),
                Text(o["holds"] or ("what is expected" if o["verdict"] == "PASS" else "")),
            )
        )
        for o in sample["outputs"]
    )
    where = f"{sample['precision']} on {facts.public_target(sample['target'])}, {spoken(sample['runtime'])}"
    return Table(f"One run: {where}", ("output", "verdict", "expected", "actual", "what it holds"), rows)


def _numbers(values: list[float | None] | None) -> str:
    if values is None:
        return "none"
    return ", ".join("not finite" if v is None else f"{v:.4g}" for v in values[:4]) + ", ..."


def _sources(finding: Finding) -> Iterator[Block]:
    for source in finding.sources:
        yield link(source.url, f"{source.repo} {source.file}, {source.where}: {source.says}")


def _cells(finding: Finding) -> Iterator[Table]:
    for backend, records in facts.by_backend(finding.evidence_records()).items():
        if records:
            model = " ".join(filter(None, ("The minimal model", backend.where)))
            yield _cells_of(records, finding, f"{model}, by target and precision")


def _cells_of(records: Sequence[CellRecord], finding: Finding, title: str) -> Table:
    order = facts.runtimes(records)
    rows = tuple(
        Row(
            (
                Text(line["target"]),
                Text(line["precision"]),
                *(Text(mark or "not measured", _mark_tone(mark)) for mark in line["marks"]),
            ),
            (line["target"], line["precision"]),
        )
        for line in facts.matrix_lines(records, finding.minimal)
    )
    places = ("target", "precision")
    return Table(title, (*places, *order), rows, places)


def _mark_tone(mark: str) -> Tone:
    return Tone.ASIDE if not mark else Tone.GOOD if mark == "ok" else Tone.BAD


def _tried(finding: Finding) -> Table:
    on_gpu = [record for record in finding.evidence_records() if not record["target"].startswith("cpu")]
    rows = tuple(
        Row((Text(row["what"]), Text(str(purpose), tone), Text(f"models/{row['name']}.tflite"), Text(row["measured"])))
        for purpose in Purpose
        for tone in [Tone.GOOD if purpose is Purpose.HELPS else Tone.PLAIN]
        for row in facts.tried(finding, on_gpu, purpose)
    )
    return Table("Models of this finding", ("what", "purpose", "file", "measured"), rows)


def _related(finding: Finding) -> Iterator[Block]:
    for one in finding.upstream:
        yield link(one.url, f"{one.url}: {one.relation}")
    for slug in finding.siblings:
        yield Text(f"sibling: {slug}")
    if not finding.upstream and not finding.siblings:
        yield Text("No issue that describes it is known.")


def _environments(finding: Finding) -> Table:
    found: list[EnvironmentRecord] = finding.evidence()["environments"]
    return environments_table(found)
