"""Temporary folders that do not outlive us: what a killed process left is removed by the next one of ours.

Key insight: whether a folder's owner lives is asked of the kernel. The owner holds a lock on a file in it, which ends
with the process, even with SIGKILL; a process number in a name can be another's by now, or mean nothing in another
container. (The folder itself is not locked: a journal in it does that.)
"""

from __future__ import annotations

import fcntl
import functools
import os
import shlex
import shutil
import stat
import tempfile
import weakref
from contextlib import suppress
from pathlib import Path

from runner.errors import TargetUnavailable

PREFIX = ".repro-scratch-"
_LOCK = ".owner-lives"
_FALLBACKS = ("/tmp", "/var/tmp")
_LONGEST_PLACE = 60
"""Characters of a folder in which socket files are made: their paths may have 107 (unix(7))."""


class ScratchFolder(tempfile.TemporaryDirectory[str]):
    """`tempfile.TemporaryDirectory` (in `place`, by default $TMPDIR) that is swept after a death without cleaning."""

    def __init__(self, kind: str, place: str | Path | None = None) -> None:
        home = str(place) if place is not None else tempfile.gettempdir()
        _sweep_once(home)
        while True:
            super().__init__(prefix=f"{PREFIX}{kind[:40]}-", dir=home, ignore_cleanup_errors=True)
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
        if not _is_our_folder(path):
            continue
        lock = _locked(str(path), wait=False)
        if lock is not None:
            shutil.rmtree(path, ignore_errors=True)
            os.close(lock)
            removed.append(path)
    return removed


def sweep_all() -> None:
    """Remove what dead processes of ours left where temporary files lie."""
    places = set(_FALLBACKS)
    with suppress(OSError):  # there is none: whoever needs one says so
        places.add(tempfile.gettempdir())
    for place in places:
        sweep(place)


def plain_folder() -> str:
    """Where temporary files may lie whose path stands in shell commands and names sockets.

    $TMPDIR, or where that is long or has a space, /tmp. Raises TargetUnavailable where there is no such folder.
    """
    for place in (tempfile.gettempdir(), *_FALLBACKS):
        if shlex.quote(place) == place and len(place) <= _LONGEST_PLACE and os.access(place, os.W_OK | os.X_OK):
            return place
    raise TargetUnavailable(
        "adb needs a temporary folder whose path is short and has no spaces or quotes, and here is none; "
        "set TMPDIR to one"
    )


@functools.cache
def _sweep_once(place: str) -> None:
    sweep(place)


def _is_our_folder(path: Path) -> bool:
    try:
        status = path.lstat()
    except OSError:
        return False
    return stat.S_ISDIR(status.st_mode) and status.st_uid == os.geteuid()


def _locked(folder: str, *, wait: bool) -> int | None:
    """A descriptor that holds the folder's lock; None where another holds it (unless we wait) or it is gone by then."""
    path = Path(folder) / _LOCK
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    except OSError:
        if wait and path.parent.is_dir():
            raise  # no room even for an empty file: it was not swept, and would not come with the next try
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        held = os.path.samestat(os.fstat(descriptor), path.lstat())
    except OSError:
        # Its owner lives, it was swept between the two lines, or this file system has no locks: then ours is
        # made without one, and nobody ever sweeps it.
        held = wait and path.exists()
    if held:
        return descriptor
    os.close(descriptor)
    return None
