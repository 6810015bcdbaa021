"""Findings as issues to file: an archive that GitHub takes, what to paste where, and all issues in an order.

Key insight: a maintainer mends causes. So all findings become one issue per root cause, each with its members, and the
index says which hits most; and whoever files them is told which text goes into which field. A finding of two starts is
an issue of its own: no model of a network and no case shows it, so that it comes behind those that hit some.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from cases.findings.model import Purpose
from repro.campaigns.expectations import Expectation, read_entries
from repro.findings import report_facts as facts
from repro.findings.finding import Finding
from repro.findings.reach import Rank, Reach, in_order_of_reach, manner
from repro.findings.report import environment, place_and_graph, report_files, tolerance
from repro.findings.restart_finding import RestartFinding
from repro.findings.restart_report import restart_files
from repro.findings.root_causes import root_causes
from repro.findings.snippet import snippet
from repro.records.folders import expectation_folders
from runner.cache import write_atomically
from runner.encoding import file_name
from runner.runtime_version import Numbering, is_release, numbering

ISSUE = "issue.md"
HOW_TO_FILE = "how-to-file.md"
INDEX = "index.md"
LONGEST_ISSUE = 65536
"""Characters that GitHub takes as the text of an issue."""
_NO_DATE = (1980, 1, 1, 0, 0, 0)


def zipped(files: Mapping[str, bytes], folder: str) -> bytes:
    """A .zip with the files in one folder; equal files give equal bytes."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in sorted(files.items()):
            archive.writestr(zipfile.ZipInfo(f"{folder}/{name}", _NO_DATE), data, zipfile.ZIP_DEFLATED)
    return out.getvalue()


@dataclass(frozen=True)
class _Issue:
    """One issue of many. says: how it shows and what it hits; patched: the files that a suggested patch changes."""

    name: str
    title: str
    says: str
    slugs: tuple[str, ...]
    patched: tuple[str, ...]
    rank: Rank
    files: Mapping[str, bytes]


_OF_MODELS = "models, inputs, expected outputs, `repro.py`, evidence, the runner for a phone"
_OF_TWO_STARTS = "models, `repro.py`, evidence"


def issue_to_file(finding: Finding | RestartFinding) -> dict[str, bytes]:
    """The issue's text, all else as one archive, and what to paste where: what `repro report --zip` writes."""
    if isinstance(finding, RestartFinding):
        return _to_file(finding.said.title, finding.slug, restart_files(finding), _OF_TWO_STARTS)
    return _to_file(finding.title, finding.slug, report_files(finding))


def _to_file(title: str, name: str, files: Mapping[str, bytes], attached: str = _OF_MODELS) -> dict[str, bytes]:
    archive = f"{file_name(name)}.zip"
    rest = {path: data for path, data in files.items() if path != ISSUE}
    how = environment.get_template("how-to-file.md.j2").render(
        title=title,
        archive=archive,
        attached=attached,
        drawn="```mermaid" in files[ISSUE].decode(),
        characters=len(files[ISSUE].decode()),
        longest=LONGEST_ISSUE,
    )
    return {ISSUE: files[ISSUE], archive: zipped(rest, file_name(name)), HOW_TO_FILE: how.encode()}


def all_issues(
    findings: Sequence[Finding], restarts: Sequence[RestartFinding], expectations: Sequence[Expectation]
) -> dict[str, bytes]:
    """Relative path -> bytes: an index, and a folder per issue with its text, its archive and how to file it.

    One issue per root cause and per finding of two starts. A root cause with one finding is that finding's own issue.
    """
    of_models = [_of_root_cause(reach) for reach in reaches_of(findings, expectations)]
    issues = sorted([*of_models, *map(_of_two_starts, restarts)], key=lambda issue: issue.rank)
    placed = {f"{number:02d}-{issue.name}": issue for number, issue in enumerate(issues, 1)}
    files = {f"{place}/{name}": data for place, issue in placed.items() for name, data in issue.files.items()}
    index = environment.get_template("index.md.j2").render(issues=placed, findings=len(findings) + len(restarts))
    return {INDEX: index.encode(), **files}


def _of_root_cause(reach: Reach) -> _Issue:
    cause = reach.cause
    slugs = tuple(member.slug for member in reach.members)
    patched = tuple(dict.fromkeys(patch.file for patch in cause.patch))
    return _Issue(cause.name, cause.title, reach.sentence, slugs, patched, reach.rank, _issue(reach))


def _of_two_starts(finding: RestartFinding) -> _Issue:
    says = f"{manner(finding.silent)}; whoever keeps a cache"
    rank = (False, not finding.silent, 0, 0, finding.slug)
    return _Issue(finding.slug, finding.said.title, says, (finding.slug,), (), rank, issue_to_file(finding))


def reaches_of(findings: Sequence[Finding], expectations: Sequence[Expectation]) -> list[Reach]:
    """The root causes of the findings, in the order worth mending."""
    return in_order_of_reach(root_causes(), {f.slug: f for f in findings}, expectations, shows_in_newest)


def _issue(reach: Reach) -> dict[str, bytes]:
    if len(reach.members) == 1:
        return issue_to_file(reach.members[0])
    lead = reach.members[0]
    files: dict[str, bytes] = {
        f"{member.slug}/{name}": data for member in reach.members for name, data in report_files(member).items()
    }
    members = [
        {
            "finding": member,
            "seen": facts.cell_sentence(member.evidence_records(), member.minimal.name),
            "helps": [model.what for model in member.of(Purpose.HELPS)],
        }
        for member in reach.members
    ]
    pinned = facts.pinned(lead, lead.evidence_records())
    files[ISSUE] = (
        environment.get_template("root_cause.md.j2")
        .render(
            reach=reach,
            members=members,
            lead=lead,
            pinned=pinned,
            inline=snippet(lead, tolerance(lead), pinned),
            **place_and_graph(lead),
        )
        .encode()
    )
    return _to_file(reach.cause.title, reach.cause.name, files)


def shows_in_newest(finding: Finding) -> bool:
    """Whether the minimal model is claimed to show the bug in the newest release of LiteRT that it was measured in."""
    measured = [v for v in facts.runtimes(finding.evidence_records()) if is_release(v)]
    newest = [v for v in measured if numbering(v) is Numbering.LITERT][-1:]
    return bool(finding.showing(newest))


def host_expectations() -> list[Expectation]:
    """What is expected of the catalogue on any of the host's targets."""
    paths = (path for folder in expectation_folders() for path in sorted(folder.glob("gpu*.toml")))
    return [entry for path in paths for entry in read_entries(path)]


def write_files(files: Mapping[str, bytes], out: Path) -> list[str]:
    """Write the files below a folder; returns their names."""
    for name, data in files.items():
        write_atomically(out / name, data)
    return list(files)
