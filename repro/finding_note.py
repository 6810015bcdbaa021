"""What a user wants to know of a finding in half a line: since which runtime it shows, and what helps."""

from __future__ import annotations

import functools

from packaging.version import Version

from repro import finding


@functools.cache
def note(slug: str) -> str:
    """`since LiteRT 2.1.3; helps: emit y through a MUL by 1`. Empty where no such finding is shipped.

    "since" is the oldest runtime of the sealed evidence in which the minimal model fails; 2.1.3 is also
    the oldest one that has a GPU accelerator to measure. Raises BadInput for a damaged finding.
    """
    if slug not in finding.slugs():
        return ""
    loaded = finding.load(slug)
    cells = loaded.evidence()["cells"]
    showing = [c["runtime"] for c in cells if c["case"] == loaded.minimal.name and c.get("bad")]
    helping = loaded.of(finding.Purpose.HELPS)
    said = [f"since LiteRT {min(showing, key=Version)}"] if showing else []
    if helping:
        said.append(f"helps: {helping[0].what}")
    return "; ".join(said)
