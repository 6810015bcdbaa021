"""A bundle on a device: over adb on the loopback, and on another processor under qemu. The same answers as ours."""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest

from runner.adb.loopback.device import LoopbackDevice
from runner.adb.server import bundled_adb
from runner.adb.target import AdbTarget
from runner.bundle.answered import AnsweredTarget
from runner.bundle.archive import ResultsArchive
from runner.bundle.kinds import CPU, KINDS, supplies_for
from runner.bundle.write import PlannedRun, write_bundle
from runner.errors import TargetUnavailable
from runner.run import Run, unwritten_mask
from tests.runner.bundle.conftest import run, sums

QEMU = shutil.which("qemu-aarch64-static")
ROOT_OF_OTHERS = Path(os.environ.get("QEMU_LD_PREFIX") or "/usr/aarch64-linux-gnu")


def over_adb(unpacked: Path, device: LoopbackDevice, *words: str) -> tuple[int, str]:
    serial = device.connect()
    adb = bundled_adb()
    variables = {"ADB": str(adb), "ADB_SERVER_SOCKET": f"localfilesystem:{device.server.address}"}
    return run(unpacked, "adb", *words, ANDROID_SERIAL=serial, **variables)


def test_over_adb_it_answers_what_it_answers_here(unpacked: Path, came_back: Path) -> None:
    with LoopbackDevice() as device:
        code, said = over_adb(unpacked, device)
        assert code == 0, said
        assert not list(device.sandbox.tmp.rglob("*sh")), "everything is removed again"
    with ResultsArchive(unpacked / "results.zip") as there, ResultsArchive(came_back) as here:
        assert AnsweredTarget(there).device["loopback"].startswith("yes")
        for one, other in zip(
            AnsweredTarget(there).run_many(sums(5)), AnsweredTarget(here).run_many(sums(5)), strict=True
        ):
            assert_equal(one, other)


def assert_equal(one: Run, other: Run) -> None:
    assert (one.name, one.outcome) == (other.name, other.outcome)
    for ours, theirs in zip(one.outputs, other.outputs, strict=True):
        for a, b in zip(ours, theirs, strict=True):
            np.testing.assert_array_equal(a.view(np.uint8), b.view(np.uint8))


@pytest.mark.slow
def test_the_phones_delegate_answers_a_bundle_as_it_answers_adb(tmp_path: Path) -> None:
    """LiteRT-LM's library over PoCL: the delegate of Android, whose residency is its log's own line."""
    from runner.adb.loopback.device import device_gpu
    from runner.host.gpu import GpuName
    from runner.opencl.android_runtime import NEWEST

    kind = KINDS["linux-x86_64"]
    try:
        gpu = device_gpu(GpuName("pocl"))
        supplies = supplies_for(kind, NEWEST)
    except TargetUnavailable as error:
        pytest.skip(str(error))
    write_bundle(tmp_path / "suite.zip", kind, supplies, [PlannedRun(job, "drawn") for job in sums(3)])
    with zipfile.ZipFile(tmp_path / "suite.zip") as archive:
        archive.extractall(tmp_path / "unpacked")
    with LoopbackDevice(gpu=gpu) as device:
        code, said = over_adb(tmp_path / "unpacked", device)
        assert code == 0, said
        with AdbTarget(device.serial, loopback=device, runtime=NEWEST) as attached:
            right = list(attached.run_many(sums(3)))
    with ResultsArchive(tmp_path / "unpacked" / "results.zip") as archive, AnsweredTarget(archive) as target:
        assert target.name == "gpu:pocl"
        for ours, theirs in zip(target.run_many(sums(3)), right, strict=True):
            assert "LITERT_CL" in ours.log
            assert_equal(ours, theirs)


@pytest.mark.slow
@pytest.mark.skipif(
    QEMU is None or not (ROOT_OF_OTHERS / "lib").is_dir(),
    reason="needs qemu 8.2 or later: apt-get install -t bookworm-backports qemu-user-static; "
    "and apt-get install libc6-arm64-cross libstdc++6-arm64-cross",
)
@pytest.mark.skipif(platform.machine() == "aarch64", reason="it is no other processor here")
def test_on_another_processor_the_sums_are_the_same(tmp_path: Path) -> None:
    kind = KINDS["linux-aarch64"]
    try:
        supplies = supplies_for(kind, None)
    except TargetUnavailable as error:
        pytest.skip(str(error))
    archive_path = tmp_path / "suite.zip"
    write_bundle(archive_path, kind, supplies, [PlannedRun(job, "drawn") for job in sums(3)], accelerator=CPU)
    with zipfile.ZipFile(archive_path) as archive:
        archive.extractall(tmp_path / "unpacked")
    under_qemu(tmp_path / "unpacked" / "suite")
    code, said = run(tmp_path / "unpacked", "here")
    assert code == 0, said
    with ResultsArchive(tmp_path / "unpacked" / "results.zip") as archive, AnsweredTarget(archive) as target:
        assert isinstance(target, AnsweredTarget)
        assert target.contents.device == "linux-aarch64"
        for job, found in zip(sums(3), target.run_many(sums(3)), strict=True):
            for feed, outputs in zip(job.feeds, found.outputs, strict=True):
                assert not unwritten_mask(outputs[0]).any()
                np.testing.assert_array_equal(outputs[0], feed[0] + feed[1])


def under_qemu(suite: Path) -> None:
    """Put qemu in the runner's place, so that a foreign program starts as one of this machine's does."""
    runner, listed = suite / "batch_runner", suite / "SHA256SUMS"
    foreign = runner.rename(suite / "batch_runner.aarch64")
    foreign.chmod(0o755)
    sha256 = hashlib.sha256(foreign.read_bytes()).hexdigest()
    runner.write_text(
        f'#!/bin/sh\nexec "{QEMU}" -L "{ROOT_OF_OTHERS}" "$(dirname "$0")/batch_runner.aarch64" "$@"\n',
        encoding="utf-8",
    )
    text = listed.read_text(encoding="utf-8")
    listed.write_text(text.replace(sha256, hashlib.sha256(runner.read_bytes()).hexdigest()), encoding="utf-8")
