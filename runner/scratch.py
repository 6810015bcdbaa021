"""Temporary folders that do not outlive us: what a killed process left is removed by the next one of ours.

Key insight: who owns a folder is asked of the kernel. The owner holds a lock on its folder, which ends with the
process, even with SIGKILL; a number in a name can be another process's by now, or mean nothing in another container.
"""

from __future__ import annotations

import fcntl
import functools
import os
import shutil
import tempfile
import weakref
from pathlib import Path

PREFIX = ".repro-scratch-"


class ScratchFolder(tempfile.TemporaryDirectory[str]):
    """`tempfile.TemporaryDirectory` (in `place`, by default $TMPDIR) that is swept after a death without cleaning."""

    def __init__(self, kind: str, place: str | Path | None = None) -> None:
        home = str(place) if place is not None else tempfile.gettempdir()
        _sweep_once(home)
        while True:
            super().__init__(prefix=f"{PREFIX}{kind}-", dir=home, ignore_cleanup_errors=True)
            lock = _locked(self.name, wait=True)
            if lock is not None:
                break
            # Another of our processes took it for a dead one's before it was locked.
            super().cleanup()
        self._unlock = weakref.finalize(self, os.close, lock)

    def cleanup(self) -> None:
        super().cleanup()
        self._unlock()


def sweep(place: str | Path) -> list[Path]:
    """Remove the scratch folders in `place` whose owner is dead; returns them. Other users' are not looked at."""
    removed = []
    for path in sorted(Path(place).glob(f"{PREFIX}*")):
        if not _is_ours(path):
            continue
        lock = _locked(str(path), wait=False)
        if lock is not None:
            shutil.rmtree(path, ignore_errors=True)
            os.close(lock)
            removed.append(path)
    return removed


@functools.cache
def _sweep_once(place: str) -> None:
    sweep(place)


def _is_ours(path: Path) -> bool:
    try:
        return path.lstat().st_uid == os.geteuid()
    except OSError:
        return False


def _locked(path: str, *, wait: bool) -> int | None:
    """A descriptor that holds the folder's lock; None where another holds it (unless we wait) or it is gone by then."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        held = os.path.samestat(os.fstat(descriptor), os.lstat(path))
    except OSError:
        # Its owner lives, it was swept between the two lines, or this file system has no locks: then ours is
        # made without one, and nobody ever sweeps it.
        held = wait and Path(path).exists()
    if held:
        return descriptor
    os.close(descriptor)
    return None
