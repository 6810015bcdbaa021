"""Temporary folders: swept where their owner is dead, kept where it lives, and nobody else's are touched."""

from __future__ import annotations

import errno
import gc
import os
import signal
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from runner.errors import TargetUnavailable
from runner.scratch import PREFIX, ScratchFolder, plain_folder, sweep
from tests.trust.second_uid import NOBODY, as_root

ROOT = Path(__file__).resolve().parents[2]
OWNER = """
import pathlib, sys, time
from runner.scratch import ScratchFolder
folder = ScratchFolder("test", sys.argv[1])
pathlib.Path(folder.name, "deep").mkdir()
pathlib.Path(folder.name, "deep", "file").write_text("x", encoding="utf-8")
print(folder.name, flush=True)
time.sleep(3600)
"""


def owner(place: Path) -> tuple[subprocess.Popen[str], Path]:
    """Another process of ours with a scratch folder, and that folder."""
    process = subprocess.Popen(
        [sys.executable, "-c", OWNER, str(place)], stdout=subprocess.PIPE, cwd=ROOT, encoding="utf-8"
    )
    assert process.stdout is not None
    return process, Path(process.stdout.readline().strip())


def test_a_living_owners_folder_stays_and_a_dead_ones_is_swept(tmp_path: Path) -> None:
    process, folder = owner(tmp_path)
    with process:
        assert sweep(tmp_path) == []
        assert (folder / "deep" / "file").exists()
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert sweep(tmp_path) == [folder]
    assert list(tmp_path.iterdir()) == []


def test_the_first_folder_of_a_process_sweeps_its_place(tmp_path: Path) -> None:
    process, folder = owner(tmp_path)
    with process:
        process.kill()
    with ScratchFolder("next", tmp_path) as own:
        assert list(tmp_path.iterdir()) == [Path(own)]
    assert not folder.exists()
    assert list(tmp_path.iterdir()) == []


def test_a_journal_may_lock_the_folder_itself(tmp_path: Path) -> None:
    from repro.records.journal import Journal

    with ScratchFolder("journal", tmp_path) as own, Journal(Path(own) / "journal.sqlite") as journal:
        assert len(journal) == 0
        assert sweep(tmp_path) == []


def test_nothing_else_is_swept(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / f"{PREFIX}file").write_text("no folder", encoding="utf-8")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / f"{PREFIX}link").symlink_to(tmp_path / "elsewhere")
    before = sorted(tmp_path.rglob("*"))
    assert sweep(tmp_path) == []
    assert sorted(p for p in tmp_path.rglob("*") if p.name != ".owner-lives") == before
    assert list((tmp_path / "elsewhere").iterdir()) == []


@as_root
def test_another_users_folder_is_not_touched(tmp_path: Path) -> None:
    theirs = tmp_path / f"{PREFIX}theirs"
    theirs.mkdir()
    os.chown(theirs, NOBODY, NOBODY)
    assert sweep(tmp_path) == []
    assert list(theirs.iterdir()) == []


def test_those_who_make_and_those_who_sweep_do_not_hurt_each_other(tmp_path: Path) -> None:
    def make(number: int) -> bool:
        with ScratchFolder("race", tmp_path) as own:
            (Path(own) / "file").write_text(str(number), encoding="utf-8")
            sweep(tmp_path)
            return (Path(own) / "file").read_text(encoding="utf-8") == str(number)

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(make, range(400)))
    assert sweep(tmp_path) == []
    assert list(tmp_path.iterdir()) == []


def test_a_plain_folder_is_short_and_inert(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("with space", "x" * 80, "gone"):
        place = tmp_path / name
        if name != "gone":
            place.mkdir()
        monkeypatch.setattr(tempfile, "tempdir", str(place))
        assert plain_folder() in ("/tmp", "/var/tmp")
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(TargetUnavailable, match="TMPDIR"):
        plain_folder()


def test_a_disk_with_no_room_for_the_lock_is_an_error_and_no_endless_loop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    opened = os.open

    def full(path: Any, flags: int, *more: Any, **named: Any) -> int:
        if str(path).endswith(".owner-lives"):
            raise OSError(errno.ENOSPC, "No space left on device")
        return opened(path, flags, *more, **named)

    monkeypatch.setattr(os, "open", full)
    with pytest.raises(OSError, match="No space left"):
        ScratchFolder("x", tmp_path)
    gc.collect()
    assert list(tmp_path.iterdir()) == []
