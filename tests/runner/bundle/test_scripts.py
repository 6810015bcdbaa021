"""The scripts of a bundle, run as a stranger runs them: with the tools that a phone has, cut, damaged, hot."""

from __future__ import annotations

import signal
import subprocess
import time
import zipfile
from pathlib import Path

import numpy as np
import pytest

from runner.bundle.answered import AnsweredTarget
from runner.bundle.archive import ResultsArchive
from runner.cache import file_sha256
from runner.errors import TargetUnavailable
from tests.runner.bundle.conftest import run, sums, write_small_bundle


def answers(archive: Path) -> AnsweredTarget:
    target = AnsweredTarget(ResultsArchive(archive))
    target.activate()
    return target


def test_what_comes_back_are_the_outputs_of_each_job(came_back: Path) -> None:
    jobs = sums(5)
    for job, found in zip(jobs, answers(came_back).run_many(jobs), strict=True):
        assert found.name == job.name
        for feed, outputs in zip(job.feeds, found.outputs, strict=True):
            np.testing.assert_array_equal(outputs[0], feed[0] + feed[1])


def test_equal_runs_make_an_equal_bundle(suite: Path, tmp_path: Path) -> None:
    write_small_bundle(tmp_path / "again.zip")
    assert (tmp_path / "again.zip").read_bytes() == suite.read_bytes()


def test_the_folder_may_have_any_name(suite: Path, tmp_path: Path) -> None:
    """Of a person's desk: with spaces, a colon, quotes, other letters than ASCII."""
    folder = tmp_path / "Größe: 'my \"Documents\"' $HOME *"
    with zipfile.ZipFile(suite) as archive:
        archive.extractall(folder)
    code, said = run(folder)
    assert code == 0, said
    assert not answers(folder / "results.zip").unanswered


def test_a_run_that_was_cut_goes_on_where_it_was(unpacked: Path) -> None:
    (unpacked / "work" / "batches").mkdir(parents=True)
    (unpacked / "work" / "bundle.json").write_bytes((unpacked / "suite" / "bundle.json").read_bytes())
    in_the_way = unpacked / "work" / "batches" / "0002"
    in_the_way.write_text("", encoding="utf-8")
    code, said = run(unpacked)
    assert code == 5, said
    assert "not writable, or full" in said
    first = (unpacked / "work" / "batches" / "0001" / "results").stat().st_ino
    in_the_way.unlink()
    code, said = run(unpacked)
    assert code == 0, said
    assert (unpacked / "work" / "batches" / "0001" / "results").stat().st_ino == first
    assert not answers(unpacked / "results.zip").unanswered


def test_a_runner_that_was_ended_from_outside_tries_its_batch_again(unpacked: Path) -> None:
    mark = unpacked / "was ended"
    replaced_runner(unpacked, f'[ "$1" != run ] || [ -f "{mark}" ] || {{ true >"{mark}"; kill -9 $$; }}')
    code, said = run(unpacked)
    assert code == 0, said
    assert "batch 0000 was ended from outside (exit code 137)" in said
    assert not answers(unpacked / "results.zip").unanswered


def replaced_runner(unpacked: Path, first: str) -> None:
    """A script in the runner's place that does `first`, a line of sh, before the runner starts."""
    runner = unpacked / "suite" / "batch_runner"
    runner.rename(unpacked / "suite" / "the real one").chmod(0o755)
    runner.write_text(f'#!/bin/sh\n{first}\nexec "{unpacked}/suite/the real one" "$@"\n', encoding="utf-8")
    runner.chmod(0o755)
    _relisted(unpacked)


def slow_runner(unpacked: Path) -> Path:
    """A runner that never ends batch 1 until the file that is returned is there."""
    go_on = unpacked / "go on"
    replaced_runner(unpacked, f'case "$*" in run*/0001\\ *) while [ ! -f "{go_on}" ]; do sleep 0.05; done ;; esac')
    return go_on


def started(unpacked: Path) -> subprocess.Popen[str]:
    """`sh run.sh`, in batch 1 of a slow runner."""
    process = subprocess.Popen(
        ["sh", str(unpacked / "run.sh")], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, encoding="utf-8"
    )
    while not (unpacked / "work" / "batches" / "0001" / "said").exists():
        assert process.poll() is None
        time.sleep(0.02)
    return process


@pytest.mark.slow
def test_who_interrupts_as_often_as_they_like_loses_nothing(unpacked: Path) -> None:
    go_on = slow_runner(unpacked)
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM, signal.SIGINT):
        process = started(unpacked)
        process.send_signal(number)
        said, _ = process.communicate(timeout=60)
        assert process.returncode == 128 + number, said
        assert "the same command goes on with batch 0001" in said
        (unpacked / "work" / "batches" / "0001" / "said").unlink()
    go_on.touch()
    code, said = run(unpacked)
    assert code == 0, said
    assert not answers(unpacked / "results.zip").unanswered


@pytest.mark.slow
def test_whoever_starts_it_anew_ends_what_still_runs_there(unpacked: Path) -> None:
    go_on = slow_runner(unpacked)
    first = started(unpacked)
    second = started(unpacked)
    assert first.wait(timeout=60) == 143
    go_on.touch()
    said, _ = second.communicate(timeout=60)
    assert second.returncode == 0, said
    assert "it runs in this folder already: that is ended, and goes on here" in said
    assert first.stdout is not None
    first.stdout.close()
    assert not answers(unpacked / "results.zip").unanswered


@pytest.mark.slow
def test_what_is_no_batchs_fault_is_not_held_against_it(unpacked: Path) -> None:
    """A full disk as often as it likes: with room again, nothing is missing."""
    code = unpacked / "code"
    replaced_runner(unpacked, f'case "$*" in run*/0001\\ *) [ ! -f "{code}" ] || exit $(cat "{code}") ;; esac')
    for number, exits, says in ((3, 3, "LiteRT does not start"), *((number, 5, "no room") for number in (5, 6, 5))):
        code.write_text(str(number), encoding="utf-8")
        ended, said = run(unpacked)
        assert (ended, says in said) == (exits, True), said
    code.unlink()
    assert run(unpacked)[0] == 0
    assert not answers(unpacked / "results.zip").unanswered


def test_a_batch_that_ends_the_device_each_time_is_left_out(unpacked: Path) -> None:
    place = unpacked / "work" / "batches" / "0002"
    place.mkdir(parents=True)
    (unpacked / "work" / "bundle.json").write_bytes((unpacked / "suite" / "bundle.json").read_bytes())
    (place / "tries").write_text("3\n", encoding="utf-8")
    code, said = run(unpacked)
    assert code == 0, said
    assert "batch 0002 was cut 3 times" in said
    assert [one.case for one in answers(unpacked / "results.zip").unanswered] == ["sum 2", "sum 3"]


def test_what_another_bundle_left_is_not_taken_for_this_ones(unpacked: Path) -> None:
    place = unpacked / "work" / "batches" / "0001"
    place.mkdir(parents=True)
    (unpacked / "work" / "bundle.json").write_text("{}", encoding="utf-8")
    (place / "done").write_text("", encoding="utf-8")
    assert run(unpacked)[0] == 0
    assert not answers(unpacked / "results.zip").unanswered


@pytest.mark.parametrize("name", ["batches/0001/pack", "lib/libLiteRt.so", "device.sh", "bundle.json"])
def test_a_file_that_was_damaged_on_the_way_is_seen_before_anything_runs(name: str, unpacked: Path) -> None:
    path = unpacked / "suite" / name
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(bytes(data))
    code, said = run(unpacked)
    assert (code, "not what it was" in said) == (6, True)
    assert not (unpacked / "results.zip").exists()


def test_nothing_that_names_the_phone_or_its_owner_comes_back(unpacked: Path) -> None:
    getprop = 'case "$1" in ro.product.model) echo "Pixel 8a" ;; "" | *serial* | *name*) echo 4XSECRET ;; esac'
    code, said = run(unpacked, tools={"getprop": getprop}, USER="secretive", LOGNAME="secretive", HOSTNAME="secretive")
    assert code == 0, said
    data = (unpacked / "results.zip").read_bytes()
    assert b"[ro.product.model]: [Pixel 8a]" in data
    for secret in (b"4XSECRET", b"secretive", str(unpacked).encode()):
        assert secret not in data
    with zipfile.ZipFile(unpacked / "results.zip") as archive:
        assert {member.date_time for member in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}


def test_a_hot_device_is_given_time(unpacked: Path) -> None:
    cool = unpacked / "cool"
    tools = {
        "dumpsys": f'[ -f "{cool}" ] && echo "Thermal Status: 1" || echo "Thermal Status: 3"',
        "sleep": f'[ "$1" = 20 ] && true >"{cool}"; exit 0',
    }
    code, said = run(unpacked, tools=tools)
    assert code == 0, said
    assert said.count("the device is hot (thermal status 3)") == 1
    found, *_ = answers(unpacked / "results.zip").run_many(sums(5)[:1])
    assert found.fingerprint.device["thermal_before"] == "light"


def test_a_device_that_cannot_add_is_not_asked_more(unpacked: Path) -> None:
    manifest = unpacked / "suite" / "batches" / "0000" / "manifest"
    text = manifest.read_text(encoding="utf-8")
    sha = text.partition("self-test ")[2][:64]
    other = text.partition("\nfeed ")[2][:64]
    manifest.write_text(text.replace(sha, other), encoding="utf-8")
    _relisted(unpacked)
    code, said = run(unpacked)
    assert code == 3
    assert "does not add two numbers" in said
    with pytest.raises(TargetUnavailable, match="the self-test on cpu: "):
        answers(unpacked / "results.zip")
    assert not (unpacked / "work" / "batches" / "0001").exists()


def _relisted(unpacked: Path) -> None:
    """Give the list of hashes those of the files as they are now."""
    listed = unpacked / "suite" / "SHA256SUMS"
    names = [line[66:] for line in listed.read_text(encoding="utf-8").splitlines()]
    lines = [f"{file_sha256(unpacked / 'suite' / name)}  {name}\n" for name in names]
    listed.write_text("".join(lines), encoding="utf-8")


def test_the_script_for_windows_has_windows_line_ends_and_our_exit_codes(unpacked: Path) -> None:
    data = (unpacked / "run.bat").read_bytes()
    assert data.count(b"\r\n") == data.count(b"\n") > 20
    settings = (unpacked / "suite" / "settings.sh").read_text(encoding="utf-8")
    names = {line.partition("=")[0] for line in settings.splitlines()}
    text = data.decode()
    assert all(name in names for name in ("id", "push_mb"))
    assert all(f"%bundle_{name}%" in text for name in ("id", "push_mb"))
    for code in ("2", "5", "130", "143"):
        assert f"if %code%=={code} exit /b {code}" in text
    assert "if %code%==3 goto refused" in text
