"""A finding while it is measured: a copy, put in the finding's place when all of it is there.

Key insight: measuring takes minutes and rewrites most files of a finding. So it works on a draft, and whatever ends it
leaves the finding as it was. Only putting the draft in place touches the finding, file by file and the seal last: one
that was ended in between does not fit its seal, and is refused until it is measured again.
"""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

from repro.findings.finding import Finding
from repro.findings.seal import SEAL, sealed_files
from runner.cache import write_atomically


def draft_of(finding: Finding, scratch: Path) -> Finding:
    """The finding with a copy of its folder, which lies in `scratch` under the same name."""
    folder = scratch / finding.folder.name
    shutil.copytree(finding.folder, folder)
    return replace(finding, folder=folder)


def publish(draft: Finding, folder: Path) -> None:
    """Put the files of a sealed draft into the finding's folder, the seal last. Raises Unwritable."""
    for path in (*sealed_files(draft.folder), draft.folder / SEAL):
        place, data = folder / path.relative_to(draft.folder), path.read_bytes()
        if not place.is_file() or place.read_bytes() != data:
            write_atomically(place, data)
