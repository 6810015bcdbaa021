"""A small bundle for this machine's CPU, what came back of it, and archives like that one with something changed."""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
import subprocess
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from runner.adb.session import Supplies
from runner.bundle import write
from runner.bundle.kinds import CPU, KINDS, supplies_for
from runner.bundle.write import PlannedRun, write_bundle
from runner.host.probe import MODEL
from runner.run import Job

TOOLS = (
    *("sh", "sed", "xargs", "cmp", "cp", "rm", "mkdir", "chmod", "cat", "head", "tail", "cut", "grep", "find", "sort"),
    *("wc", "df", "date", "uname", "sync", "ls", "dirname", "sleep", "kill", "mv"),
)
"""All that the scripts call, each of which toybox on a phone has. Not Python."""


def sums(count: int) -> list[Job]:
    draw = np.random.default_rng(0).standard_normal((count, 2, 4)).astype(np.float32)
    return [Job(MODEL.read_bytes(), ((a, b), (b, b), (a, b)), name=f"sum {i}") for i, (a, b) in enumerate(draw)]


HERE = KINDS[f"linux-{platform.machine()}"]


def small_supplies() -> Supplies:
    """For this machine's CPU, with the one library that this takes."""
    supplies = supplies_for(HERE, None)
    return replace(supplies, libraries={"libLiteRt.so": supplies.libraries["libLiteRt.so"]})


def write_small_bundle(path: Path) -> None:
    """Five sums for this machine's CPU, two in a batch."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(write, "BATCH_RUNS", 2)
        write_bundle(path, HERE, small_supplies(), [PlannedRun(job, "drawn") for job in sums(5)], accelerator=CPU)


def run(folder: Path, *words: str, tools: Mapping[str, str] | None = None, **variables: str) -> tuple[int, str]:
    """Exit code and text of `sh run.sh` with TOOLS on PATH and nothing else. tools: scripts in their place."""
    path = folder.parent / "tools"
    if not path.is_dir():
        path.mkdir()
        for name in TOOLS:
            found = shutil.which(name)
            if found is not None:  # `kill` may be the shell's alone
                (path / name).symlink_to(found)
    for name, script in (tools or {}).items():
        (path / name).unlink(missing_ok=True)
        (path / name).write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
        (path / name).chmod(0o755)
    done = subprocess.run(
        [str(path / "sh"), str(folder / "run.sh"), *words],
        env={"PATH": str(path), "HOME": "/nowhere", **variables},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
        check=False,
    )
    return done.returncode, done.stdout


@pytest.fixture(scope="session")
def suite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The archive of a small bundle."""
    path = tmp_path_factory.mktemp("bundle") / "suite.zip"
    write_small_bundle(path)
    return path


@pytest.fixture
def unpacked(suite: Path, tmp_path: Path) -> Path:
    """The small bundle, unpacked anew."""
    with zipfile.ZipFile(suite) as archive:
        archive.extractall(tmp_path / "unpacked")
    return tmp_path / "unpacked"


@pytest.fixture(scope="session")
def came_back(suite: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """results.zip of the small bundle."""
    folder = tmp_path_factory.mktemp("came_back") / "unpacked"
    with zipfile.ZipFile(suite) as archive:
        archive.extractall(folder)
    code, said = run(folder)
    assert code == 0, said
    return folder / "results.zip"


Change = Callable[[dict[str, bytes]], None]


def changed(archive: Path, into: Path, change: Change, *, with_sums: bool = True) -> Path:
    """A copy whose files were changed, as whole as before. with_sums: its list of hashes follows."""
    with zipfile.ZipFile(archive) as opened:
        files = {name: opened.read(name) for name in opened.namelist()}
    change(files)
    if with_sums:
        listed = ((name, data) for name, data in files.items() if name != "SHA256SUMS")
        lines = (f"{hashlib.sha256(data).hexdigest()}  {name}\n" for name, data in listed)
        files["SHA256SUMS"] = "".join(lines).encode()
    target = into / f"{os.urandom(6).hex()}.zip"
    with zipfile.ZipFile(target, "w") as made:
        for name, data in files.items():
            made.writestr(zipfile.ZipInfo(name), data)
    return target
