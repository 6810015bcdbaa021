"""Every command, ended at drawn moments by Ctrl-C, SIGTERM and SIGKILL: nothing is left, and the answer stays the same.

Left would be a process, an open port, or a temporary folder: after a signal that can be handled none right away, after
SIGKILL none once the next command has started. Each command runs with a $TMPDIR of its own, by which its processes are
known, and with a journal of its own, so that its work is still to be done. When it is ended decides nothing: each
moment has to come out the same, one before the start and one after the end too.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from runner import children
from runner.cache import cache_root
from runner.scratch import PREFIX, ScratchFolder, plain_folder
from tests.trust.processes import command_of, mentioning, open_ports, wait_until

pytestmark = pytest.mark.gpu

ROOT = Path(__file__).resolve().parents[2]
MODEL = "findings/add-before-max/models/minimal.tflite"
SIGNALS = [signal.SIGINT, signal.SIGTERM, signal.SIGKILL]
MOMENTS = 3
_VOLATILE = {"stages", "cached", "seconds", "runs", "numbers", "thermal", "home", "corpus", "total_seconds"}
_SHARED = ("journal", "matrix", "fuzz")
"""Folders of the cache that a trial has to itself: what they hold would be the answer."""


@dataclass(frozen=True)
class Command:
    """words: after `python -m`; OUT stands for a folder of the trial. files: what it makes there, by name.

    keys: the fields of a JSON line that are the answer; empty for every field that does not change by the clock.
    own: folders of the cache that it must make itself.
    """

    words: str
    files: Sequence[str] = ()
    keys: Sequence[str] = ()
    own: Sequence[str] = ()
    is_ours: bool = True


_VERDICT = ("case", "model", "precision", "output", "verdict", "signature", "state", "said", "check", "part", "answer")
COMMANDS: Mapping[str, Command] = {
    "run over the loopback": Command("repro run fanout/* --target adb:loopback --precision fp32 --json", keys=_VERDICT),
    "run": Command("repro run fanout/* --target gpu:lavapipe --precision both --json", keys=_VERDICT),
    "check": Command(f"repro check {MODEL} --target gpu:lavapipe --json", keys=_VERDICT),
    "lint": Command(f"repro lint {MODEL} --json"),
    "reduce": Command(
        f"repro reduce {MODEL} --target gpu:lavapipe --out OUT/red --json",
        files=["red/reduced.tflite"],
        keys=["nothing"],
    ),
    "fix": Command(f"repro fix {MODEL} --target gpu:lavapipe -o OUT/fixed.tflite", files=["fixed.tflite"]),
    "fuzz": Command("repro fuzz --target gpu:lavapipe --seed 3 --graphs 40 --corpus OUT/corpus", keys=["nothing"]),
    "matrix": Command(
        "repro matrix fanout/add-to-2-output --target gpu:lavapipe --runtime 2.3.0 --out OUT/matrix.json --json",
        keys=_VERDICT,
    ),
    "finding verify": Command(
        "repro finding verify add-before-max pad-rank-3 --target gpu:lavapipe --json", keys=_VERDICT
    ),
    "report": Command("repro report add-before-max --out OUT/report", files=["report/issue.md"]),
    "doctor": Command("repro doctor", keys=["nothing"]),
    "device list": Command("repro device list --device loopback --json", keys=["state", "model"]),
    "gate": Command("repro gate docs/examples/detector/split.toml --target gpu:lavapipe --json", keys=_VERDICT),
    "convert": Command("models.dfine.convert --graph shipped_a --size 160", own=["dfine"], keys=["nothing"]),
    "device tests": Command(
        "pytest -q -m device --device loopback -k fanout -p no:cacheprovider -p no:randomly",
        keys=["nothing"],
        is_ours=False,
    ),
}


@dataclass
class Trial:
    """One command in a place of its own."""

    command: Command
    place: Path
    environment: dict[str, str] = field(init=False)

    def __post_init__(self) -> None:
        self.tmp, self.out, cache = (self.place / name for name in ("t", "out", "cache"))
        for folder in (self.tmp, self.out, cache):
            folder.mkdir()
        for entry in cache_root().iterdir():
            if entry.name not in (*_SHARED, *self.command.own):
                (cache / entry.name).symlink_to(entry)
        self.environment = {**os.environ, "TMPDIR": str(self.tmp), "REPRO_CACHE": str(cache)}
        self.environment.pop("PYTEST_ADDOPTS", None)

    def start(self, words: str | None = None) -> subprocess.Popen[bytes]:
        arguments = (words or self.command.words).replace("OUT", str(self.out)).split()
        return children.start(
            [sys.executable, "-m", *arguments],
            env=self.environment,
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )

    def answer(self) -> tuple[Any, ...]:
        """Run to the end: exit code, what its lines say, and the digests of its files."""
        with self.start() as process:
            output, errors = process.communicate()
        said = errors.decode(errors="replace")
        assert process.returncode in (0, 1), said
        assert "Traceback" not in said, said
        digests = [hashlib.sha256((self.out / name).read_bytes()).hexdigest() for name in self.command.files]
        return process.returncode, sorted(map(self._said, output.decode().splitlines())), digests

    def _said(self, line: str) -> str:
        if not line.startswith("{"):
            return "" if self.command.keys else line.replace(str(self.place), "")
        values = json.loads(line)
        kept = self.command.keys or sorted(set(values) - _VOLATILE)
        return json.dumps({key: values[key] for key in kept if key in values})

    def processes(self) -> list[int]:
        return mentioning(str(self.tmp))

    def folders(self) -> list[str]:
        """Temporary folders, here and where results lie. Not torch's own cache: its import makes it."""
        here = [path for path in self.tmp.iterdir() if not path.name.startswith("torchinductor_")]
        made = [*here, *self.place.rglob(f"{PREFIX}*")]
        return sorted({str(path.relative_to(self.place)) for path in made})


@pytest.fixture
def trial_of() -> Iterator[Callable[[Command], Trial]]:
    with ScratchFolder("kill", plain_folder()) as folder:
        count = iter(range(1000))

        def make(command: Command) -> Trial:
            place = Path(folder) / str(next(count))
            place.mkdir()
            return Trial(command, place)

        yield make


def end_and_look(trial: Trial, number: signal.Signals, wait: Callable[[subprocess.Popen[bytes]], None]) -> None:
    """Start, wait, end; then nothing may be left."""
    with trial.start() as process:
        wait(process)
        assert open_ports([process.pid, *trial.processes()]) == []
        process.send_signal(number)
        output, errors = process.communicate()
    said = (output + errors).decode(errors="replace")
    ended = [-number, 128 + number] if trial.command.is_ours else [-number, 2]
    assert process.returncode in [0, 1, *ended], said
    wait_until(lambda: not trial.processes())
    is_handled = number is signal.SIGINT or (number is signal.SIGTERM and trial.command.is_ours)
    if not is_handled:
        with trial.start("repro list") as following:
            following.communicate()
    assert trial.folders() == [], said


def at(fraction: float, whole_s: float) -> Callable[[subprocess.Popen[bytes]], None]:
    """At this part of the time that the whole took."""

    def wait(process: subprocess.Popen[bytes]) -> None:
        time.sleep(fraction * whole_s)

    return wait


def when_its_server_runs(trial: Trial) -> Callable[[subprocess.Popen[bytes]], None]:
    def wait(process: subprocess.Popen[bytes]) -> None:
        wait_until(lambda: any("nodaemon" in command_of(pid) for pid in trial.processes()))

    return wait


@pytest.mark.parametrize("number", SIGNALS, ids=lambda n: n.name)
def test_a_loopback_device_leaves_neither_its_server_nor_a_folder(
    trial_of: Callable[[Command], Trial], number: signal.Signals
) -> None:
    trial = trial_of(COMMANDS["device list"])
    end_and_look(trial, number, when_its_server_runs(trial))


# One signal per command wherever the slow tests run, taken in turns; the other pairs are many minutes more.
PAIRS = [
    pytest.param(
        name, number, id=f"{name}-{number.name}", marks=() if index % len(SIGNALS) == turn else pytest.mark.long
    )
    for index, name in enumerate(COMMANDS)
    for turn, number in enumerate(SIGNALS)
]


@pytest.mark.slow
@pytest.mark.parametrize(("name", "number"), PAIRS)
def test_a_command_ended_at_drawn_moments_leaves_nothing_and_resumes_to_the_same_answer(
    trial_of: Callable[[Command], Trial], name: str, number: signal.Signals
) -> None:
    command = COMMANDS[name]
    whole = trial_of(command)
    started = time.monotonic()
    expected = whole.answer()
    whole_s = time.monotonic() - started
    assert whole.folders() == []
    draw = random.Random(f"{name} {number.name}")
    trial = trial_of(command)
    for moment in sorted(draw.uniform(0.0, 1.0) for _ in range(MOMENTS if whole_s < 15 else 1)):
        end_and_look(trial, number, at(moment, whole_s))
    assert trial.answer() == expected
    assert trial.folders() == []
    assert trial.processes() == []
    shutil.rmtree(whole.place)
