"""What a user wants to know of a finding in half a line: since which runtime it shows, and what helps."""

from __future__ import annotations

import functools

from cases.findings.model import Purpose
from repro.findings import reader
from repro.findings.report_facts import by_backend
from repro.matrix.rows import rows_of
from runner.runtime_version import spoken, version_order


@functools.cache
def note(slug: str) -> str:
    """`since LiteRT 2.1.3; fixed in 2.1.6; helps: emit y through a MUL by 1`. Empty where no such finding is shipped.

    "since" is the oldest runtime of the sealed evidence in which the minimal model fails; 2.1.3 is also
    the oldest one that has a GPU accelerator to measure. LiteRT-LM's runtimes are numbered apart, and named only for
    what shows over OpenCL alone. Raises BadInput for a damaged finding.
    """
    if slug not in reader.slugs():
        return ""
    loaded = reader.load(slug)
    minimal = [
        r for r in loaded.evidence_records() if r["case"] == loaded.minimal.name and not r["target"].startswith("cpu")
    ]
    by_numbering = ([row for row in rows_of(records) if row["since"]] for records in by_backend(minimal).values())
    rows = next(filter(None, by_numbering), [])
    helping = loaded.of(Purpose.HELPS)
    said = []
    if rows:
        said.append(f"since {spoken(min((row['since'] for row in rows), key=version_order))}")
        fixed = [row["fixed_in"] for row in rows]
        if all(fixed):
            said.append(f"fixed in {max(fixed, key=version_order)}")
    if helping:
        said.append(f"helps: {helping[0].what}")
    return "; ".join(said)
