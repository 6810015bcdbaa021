"""What is fetched is held to the sha256 that is known of it; the list is `runner/setup/downloads.sha256`.

Key insight: the next release cannot be in the list and must not be refused. So a file of a known name with another
digest is refused, and one of an unknown name is said aloud, with its digest and that nobody checked it.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from runner.errors import TargetUnavailable

LIST = Path(__file__).with_name("setup") / "downloads.sha256"


def known_sha256(name: str) -> str | None:
    """The digest of a file by its name in the list; None where it is not there."""
    lines = (line.split() for line in LIST.read_text(encoding="utf-8").splitlines() if not line.startswith("#"))
    return next((digest for digest, listed in lines if listed == name), None)


def hold_to_known(name: str, sha256: str, tell: Callable[[str], None]) -> None:
    """Raise TargetUnavailable for a known file with another digest; tell of a file that is not known."""
    wanted = known_sha256(name)
    if wanted is None:
        tell(f"{name} is not known here; its sha256 is {sha256}, not checked")
    elif wanted != sha256:
        raise TargetUnavailable(
            f"{name} came with sha256 {sha256}, and {wanted} is known of it: refused; fetch it from another place"
        )
