"""The runner that stays: batch after batch by one process, whose models' process is replaced where it has to be."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from cases import catalogue
from cases.findings.add_output_feeds_reduction import add_reduce
from cases.tflite.write import write_tflite
from repro.verdicts.judge import judge
from repro.verdicts.subject import case_subject
from runner.adb import native_runner, room
from runner.adb.build import SOURCE, host_runner
from runner.adb.loopback.device import LoopbackDevice, device_gpu
from runner.adb.manifest import BatchCase, BatchLimits, manifest_text, pack
from runner.adb.resident import LARGEST_INLINE, Resident, can_stay
from runner.adb.results import CaseLine, EventLine, parse_line, split_outputs
from runner.host.gpu import GpuName
from runner.run import Job, Precision
from runner.runtimes import installed
from tests.runner.adb.conftest import PATIENCE_S, link_to, sums, target_on

pytestmark = pytest.mark.gpu
STUCK_S = 1.0


@dataclass(frozen=True)
class Answered:
    """What came of one batch: its lines in order, and the outputs that came along, by case."""

    events: list[EventLine]
    lines: list[CaseLine]
    outputs: dict[int, bytes]

    def right(self, jobs: Sequence[Job], answers: Sequence[np.ndarray], numbers: Sequence[int]) -> bool:
        by_number = {line.number: line for line in self.lines}
        found = (split_outputs(by_number[n], len(jobs[n].feeds), self.outputs[n])[0][0] for n in numbers)
        return all(np.array_equal(one, answers[n]) for one, n in zip(found, numbers, strict=True))


class Session:
    """`batch_runner serve` on this host, spoken to as a phone's would be."""

    def __init__(self, place: Path, runner: Path | None = None) -> None:
        self.place, self.objects = place, place / "objects"
        self.objects.mkdir()
        command = [str(runner or host_runner()), "serve", str(place), str(self.objects), str(installed().folder)]
        environment = device_gpu(GpuName("")).environment(os.environ)
        self.process = subprocess.Popen(
            command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        self._number = 0

    def ask(self, cases: Sequence[BatchCase], *, per_child: int = 64, stuck: Sequence[int] = ()) -> Answered:
        """stuck: numbers of cases that hang: in the place of their first input is a pipe that nobody writes to."""
        wanted = {sha: data for case in cases for sha, data in case.objects().items()}
        for case in cases:
            if case.number in stuck:
                first = hashlib.sha256(case.job.feeds[0][0].tobytes()).hexdigest()
                del wanted[first]
                os.mkfifo(self.objects / first)
        manifest, packed = manifest_text(cases, BatchLimits(120.0, per_child=per_child)).encode(), pack(wanted)
        assert self.process.stdin is not None
        self.process.stdin.write(b"run %d %d %d\n" % (self._number, len(manifest), len(packed)) + manifest + packed)
        self.process.stdin.flush()
        self._number += 1
        return self._answered()

    def _answered(self) -> Answered:
        assert self.process.stdout is not None
        found = Answered([], [], {})
        while data := self.process.stdout.readline():
            line = parse_line(data)
            if isinstance(line, CaseLine):
                found.lines.append(line)
                continue
            found.events.append(line)
            if line.event == "outputs":
                found.outputs[line.values["id"]] = self.process.stdout.read(line.values["bytes"])
            if line.event == "end":
                break
        return found

    def children(self) -> list[int]:
        listing = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        return [int(word) for word in listing.read_text(encoding="ascii").split()]

    def end(self) -> int:
        _, self.errors = self.process.communicate(timeout=PATIENCE_S)
        return self.process.returncode


@pytest.fixture
def session(tmp_path: Path) -> Iterator[Session]:
    session = Session(tmp_path)
    yield session
    session.process.kill()
    session.process.communicate()


def numbered(jobs: Sequence[Job], numbers: Sequence[int]) -> list[BatchCase]:
    return [BatchCase(number, jobs[number]) for number in numbers]


def test_what_dies_or_hangs_costs_its_case_and_the_runner_goes_on(session: Session) -> None:
    jobs, answers = sums(10)
    first = session.ask(numbered(jobs, [0, 1]))
    assert [event.event for event in first.events] == ["taken", "start", "outputs", "outputs", "end"]
    assert first.right(jobs, answers, [0, 1])
    (served_by,) = session.children()

    again = session.ask(numbered(jobs, [2]))
    assert again.right(jobs, answers, [2])
    assert session.children() == [served_by], "the models' process lives from batch to batch"
    assert "Selected adapter" in first.lines[0].log
    assert "Selected adapter" not in again.lines[0].log, "and brings the driver up once"

    jobs[4] = replace(jobs[4], name="stuck", deadline_s=STUCK_S)
    hung = session.ask(numbered(jobs, [3, 4, 5]), stuck=[4])
    assert [(line.number, line.status) for line in hung.lines] == [(3, "ok"), (4, "hang"), (5, "ok")]
    assert hung.right(jobs, answers, [3, 5])
    assert served_by not in session.children()

    (idle,) = session.children()
    os.kill(idle, signal.SIGKILL)  # as the system does to what it finds idle
    killed = session.ask(numbered(jobs, [6, 7]))
    assert [line.status for line in killed.lines] == ["ok", "ok"]
    assert killed.right(jobs, answers, [6, 7])

    few = session.ask(numbered(jobs, [8, 9]), per_child=1)
    assert all("Selected adapter" in line.log for line in few.lines[1:]), "each has a process of its own, if asked for"
    assert session.end() == 0


NO_BATCH = [b"run\n", b"run 0 -1 0\n", b"run 0 5\n", b"halt 0 1 1\n", b"run 0 9999999999 0\n", b"x" * 5000]


@pytest.mark.parametrize("line", NO_BATCH)
def test_what_is_no_batch_ends_it(session: Session, line: bytes) -> None:
    said, _ = session.process.communicate(line, timeout=PATIENCE_S)
    assert session.process.returncode == (2 if line.endswith(b"\n") else 0)
    assert (b'"kind":"manifest"' in said) is line.endswith(b"\n")


def test_a_batch_that_is_cut_off_is_not_begun(session: Session) -> None:
    said, _ = session.process.communicate(b"run 0 500 0\nmali-delegate-repro-batch 1\n", timeout=PATIENCE_S)
    assert (session.process.returncode, said) == (6, b"")
    assert not (session.place / "batch-0").exists()


def test_one_job_at_a_time_is_one_runner_and_no_files_are_fetched(
    device: LoopbackDevice, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where outputs are too large to come along; and what it made is gone in the end."""
    started: list[str] = []

    class Counted(Resident):
        def __init__(self, link: object, command: str) -> None:
            started.append(command)
            super().__init__(link, command)  # type: ignore[arg-type]

    monkeypatch.setattr(native_runner, "Resident", Counted)
    jobs, answers = sums(3)
    side = 600
    large = np.ones((1, side, side), np.float32)
    assert large.nbytes > LARGEST_INLINE
    model = write_tflite(add_reduce(shape=(1, side, side)))
    with target_on(device) as target:
        for job, answer in zip(jobs, answers, strict=True):
            assert np.array_equal(target.run(job).outputs[0][0], answer)
        outputs = target.run(Job(model, ((large, large),), name="large", deadline_s=PATIENCE_S)).outputs[0]
        assert any(array.nbytes > LARGEST_INLINE for array in outputs)
        home = device.sandbox.path(target.stay.home)
        assert home.exists()
    assert len(started) == 1
    assert not home.exists()


def test_what_lies_on_a_device_does_not_grow_with_the_cases(
    device: LoopbackDevice, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs, answers = sums(3)
    monkeypatch.setattr(room, "MOST_LEFT", 0)
    files = []
    with target_on(device) as target:
        home = device.sandbox.path(target.stay.home)
        for job, answer in zip(jobs, answers, strict=True):
            assert np.array_equal(target.run(job).outputs[0][0], answer)
            files.append(sum(1 for path in home.rglob("*") if path.is_file()))
        assert max(files) == min(files) > 0
        assert np.array_equal(target.run(jobs[0]).outputs[0][0], answers[0]), "its inputs are sent once more"
    assert not home.exists()


def test_a_runner_that_is_killed_between_two_jobs_costs_nothing(device: LoopbackDevice) -> None:
    jobs, answers = sums(2)
    with target_on(device) as target:
        assert np.array_equal(target.run(jobs[0]).outputs[0][0], answers[0])
        lock = device.sandbox.path(target.stay.home) / "objects" / "lock"
        os.kill(int(lock.read_text(encoding="ascii")), signal.SIGKILL)
        assert np.array_equal(target.run(jobs[1]).outputs[0][0], answers[1])


@pytest.mark.parametrize(
    ("said", "can"),
    [
        ("batch_runner 2, 64-bit\n", True),
        ("batch_runner 12, 64-bit", True),
        ("batch_runner 1, 64-bit", False),
        ("", False),
    ],
)
def test_an_older_runner_that_was_given_does_not_stay(device: LoopbackDevice, said: str, can: bool) -> None:
    assert can_stay(link_to(device), said) is can


@pytest.mark.slow
@pytest.mark.parametrize("precision", Precision)
def test_every_finding_gets_the_same_verdict_alone_and_from_a_runner_that_stays(
    device: LoopbackDevice, precision: Precision
) -> None:
    """Whoever was served before in the same process."""
    subjects = [case_subject(case) for case in catalogue.select(["findings/*-minimal"], None)]
    found = []
    for options in ({"resident": True}, {"resident": False, "per_child": 1}):
        with target_on(device, **options) as target:
            runs = target.run_many(subject.job(precision) for subject in subjects)
            found.append(
                {
                    subject.name: [(v.output, str(v.status), v.signature) for v in judge(run, subject)]
                    for subject, run in zip(subjects, runs, strict=True)
                }
            )
    stays, alone = found
    assert len(stays) > 30
    assert {name: (stays[name], alone[name]) for name in stays if stays[name] != alone[name]} == {}


@pytest.mark.slow
def test_nothing_is_found_by_the_sanitisers_in_one_that_stays(tmp_path: Path) -> None:
    runner = tmp_path / "sanitised"
    flags = ["-std=c11", "-g", "-O1", "-Wall", "-Wextra", "-Werror", "-fsanitize=address,undefined"]
    subprocess.run(["gcc", *flags, str(SOURCE), "-o", str(runner), "-ldl"], check=True, timeout=600)
    session = Session(tmp_path, runner)
    jobs, answers = sums(4)
    jobs[2] = Job(b"no model", jobs[2].feeds, name="rubbish")
    for numbers in ([0, 1], [2], [3]):
        answered = session.ask(numbered(jobs, numbers))
        assert not any("Sanitizer" in line.log for line in answered.lines)
        assert answered.right(jobs, answers, [n for n in numbers if n != 2])
    assert session.end() == 0
    assert b"ERROR: " not in session.errors
    assert b"runtime error" not in session.errors
