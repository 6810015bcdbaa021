"""The seal of a finding: what was measured is still what lies in its folder.

Key insight: a seal made anew must not launder an edit. So beside the digests, the evidence has to be canonical, which
no hand writes, and to be about these very models. `sha256sum -c SHA256SUMS` checks the digests without this project.
"""

from __future__ import annotations

import os
from pathlib import Path

from repro.findings.finding import EVIDENCE, MANIFEST, SAMPLE, Finding, file_bytes
from repro.records.canonical_json import is_canonical, sha256
from runner.cache import write_atomically
from runner.errors import BadInput

SEAL = "SHA256SUMS"


def sealed_files(folder: Path) -> list[Path]:
    """What the seal covers: everything in the folder but finding.toml and the seal itself."""
    return sorted(
        p for p in folder.rglob("*") if p.is_file() and p.relative_to(folder).as_posix() not in (MANIFEST, SEAL)
    )


def write_seal(folder: Path) -> None:
    lines = [f"{sha256(p.read_bytes())}  {p.relative_to(folder).as_posix()}\n" for p in sealed_files(folder)]
    write_atomically(folder / SEAL, os.fsencode("".join(lines)))


def check_seal(finding: Finding) -> None:
    """Raise BadInput naming the first file that is not what was sealed, or evidence that is of another model."""
    folder = finding.folder
    restore = f"restore it from git, or measure anew with `repro finding measure {finding.slug}`"
    sealed: dict[str, str] = {}
    for line in os.fsdecode(file_bytes(folder / SEAL, restore)).splitlines():
        digest, _, name = line.partition("  ")
        sealed[name] = digest
    present = {p.relative_to(folder).as_posix(): p for p in sealed_files(folder)}
    for name, digest in sealed.items():
        if name not in present:
            raise BadInput(f"finding '{finding.slug}' is refused: {name} is missing; {restore}")
        if sha256(present[name].read_bytes()) != digest:
            raise BadInput(f"finding '{finding.slug}' is refused: {name} is not the file that was sealed; {restore}")
    for name in present:
        if name not in sealed:
            raise BadInput(f"finding '{finding.slug}' is refused: {name} is not sealed; remove it or measure anew")
    _check_evidence(finding, restore)


def _check_evidence(finding: Finding, restore: str) -> None:
    """The evidence is canonical and is about these very models: a seal made anew does not launder an edit."""
    for name in (EVIDENCE, SAMPLE):
        if not is_canonical(file_bytes(finding.folder / name, restore)):
            raise BadInput(f"finding '{finding.slug}' is refused: {name} was written by hand; {restore}")
    known = {m.name: sha256(finding.model_bytes(m)) for m in finding.models}
    records = finding.evidence_records()
    for model in finding.models:
        measured = [r for r in records if r["case"] == model.name]
        if model.shows and measured and not any(model.where.covers(r) for r in measured):
            raise BadInput(
                f"finding '{finding.slug}' is refused: '{model.name}' is claimed to show in {model.where} and the "
                f"evidence has no such cell; correct the range, or measure there"
            )
    for record in records:
        if known.get(record["case"]) != record["model_sha256"]:
            raise BadInput(
                f"finding '{finding.slug}' is refused: the evidence is about another '{record['case']}' than "
                f"models/{record['case']}.tflite; {restore}"
            )
    unmeasured = set(known) - {record["case"] for record in records}
    if unmeasured:
        raise BadInput(f"finding '{finding.slug}' is refused: no evidence about '{sorted(unmeasured)[0]}'; {restore}")
