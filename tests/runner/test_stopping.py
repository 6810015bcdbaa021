"""A signal ends a command as Ctrl-C does: through its own cleaning, and with the signal's exit code."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import click
import pytest

from runner.stopping import Stopped, exit_code, stop_as_interrupted

ROOT = Path(__file__).resolve().parents[2]
COMMAND = """
import sys, time
import click
from runner.scratch import ScratchFolder
from runner.stopping import exit_code, stop_as_interrupted

@click.command()
@click.argument("place")
def command(place):
    with ScratchFolder("test", place):
        try:
            print("there", flush=True)
            time.sleep(3600)
        finally:
            print("cleaning", flush=True)
            sys.stdin.read()

stop_as_interrupted()
try:
    command(standalone_mode=False)
except (KeyboardInterrupt, click.Abort) as error:
    sys.exit(exit_code(error))
"""


def start(place: Path, *before: str) -> subprocess.Popen[str]:
    pipe = subprocess.PIPE
    process = subprocess.Popen(
        [*before, sys.executable, "-c", COMMAND, str(place)], stdin=pipe, stdout=pipe, cwd=ROOT, encoding="utf-8"
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "there\n"
    return process


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP], ids=lambda n: n.name)
def test_a_signal_ends_through_the_cleaning_with_its_own_code(tmp_path: Path, number: signal.Signals) -> None:
    with start(tmp_path) as process:
        process.send_signal(number)
        assert process.communicate()[0] == "cleaning\n"
    assert process.returncode == 128 + number
    assert list(tmp_path.iterdir()) == []


def test_a_second_signal_does_not_cut_the_cleaning_short(tmp_path: Path) -> None:
    with start(tmp_path) as process:
        process.send_signal(signal.SIGTERM)
        assert process.stdout is not None
        assert process.stdout.readline() == "cleaning\n"
        process.send_signal(signal.SIGTERM)
        process.send_signal(signal.SIGHUP)
        process.communicate()
    assert process.returncode == 128 + signal.SIGTERM
    assert list(tmp_path.iterdir()) == []


def test_what_is_ignored_stays_ignored(tmp_path: Path) -> None:
    with start(tmp_path, "nohup") as process:
        process.send_signal(signal.SIGHUP)
        process.send_signal(signal.SIGTERM)
        assert process.communicate()[0] == "cleaning\n"
    assert process.returncode == 128 + signal.SIGTERM


def test_the_exit_code_names_the_signal() -> None:
    aborted = click.Abort()
    aborted.__cause__ = Stopped(signal.SIGTERM)
    assert exit_code(aborted) == 143
    assert exit_code(Stopped(signal.SIGHUP)) == 129
    assert exit_code(KeyboardInterrupt()) == 130
    assert exit_code(click.Abort()) == 130


def test_a_handler_that_is_there_stays() -> None:
    before = signal.signal(signal.SIGTERM, lambda *_: None)
    try:
        mine = signal.getsignal(signal.SIGTERM)
        hangup = signal.getsignal(signal.SIGHUP)
        stop_as_interrupted()
        assert signal.getsignal(signal.SIGTERM) is mine
    finally:
        signal.signal(signal.SIGTERM, before)
        signal.signal(signal.SIGHUP, hangup)
