"""Runs are judged by processes beside this one as they are here, in order, and nothing is lost with a judge."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

import pytest

from cases.builder import GraphBuilder
from cases.inputs import StandardFeeds
from cases.tflite.write import write_tflite
from repro.judges import judges, stream
from repro.judges.judges import Judges, judges_to_spare
from repro.judges.stream import judged
from repro.trials.load import open_installed_cpu
from repro.verdicts.judge import judge
from repro.verdicts.references import OwnOps
from repro.verdicts.subject import Subject, model_subject
from repro.verdicts.verdict import Verdict
from runner.errors import DeviceFailed
from runner.run import Precision, Run
from tests.repro.simulated_delegate import FAULTS, SimulatedDelegate

COUNT = 60
"""More than are held open at once by two judges."""


def subject(number: int) -> Subject:
    g = GraphBuilder()
    (y,) = g.op(("ADD", "MUL", "SUB")[number % 3], (g.input("x", (4, 6)), g.input("z", (4, 6))), name="y")
    model = write_tflite(g.build([y, g.sum(y, [1], name="total")]))
    return model_subject(f"case-{number}", model, StandardFeeds(number), OwnOps(open_installed_cpu))


@pytest.fixture(scope="module")
def pairs() -> list[tuple[Subject, Run]]:
    """Every second run is of a delegate with a fault, and each subject comes in both precisions."""
    delegates = [SimulatedDelegate(), SimulatedDelegate(*FAULTS)]
    found = []
    for number in range(COUNT // 2):
        asked = subject(number)
        for precision in (Precision.FP32, Precision.FP16):
            found.append((asked, delegates[number % 2].run(asked.job(precision))))
    return found


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of what was judged in this process. Judges are there after the first question, and have room for all."""
    start, asked = Judges.start, []

    def started(self: Judges) -> None:
        start(self)
        for one in self._judges:
            one._thread.submit(int).result()

    def counted(run: Run, subject: Subject) -> tuple[Verdict, ...]:
        asked.append(subject.name)
        return judge(run, subject)

    monkeypatch.setattr(Judges, "start", started)
    monkeypatch.setattr(judges, "START_AFTER", 0)
    monkeypatch.setattr(judges, "QUEUED", 10 * COUNT)
    monkeypatch.setattr(stream, "AT_ONCE_S", float("inf"))
    for module in (judges, stream):
        monkeypatch.setattr(module, "judge", counted)
    return asked


def words(pairs: Iterable[tuple[Subject, Run, tuple[Verdict, ...]]]) -> list[str]:
    """Every bit of the verdicts, NaNs too."""
    return [f"{subject.name} {run.fingerprint.precision} {verdicts}" for subject, run, verdicts in pairs]


def alone(pairs: Iterable[tuple[Subject, Run]]) -> list[str]:
    return words((subject, run, judge(run, subject)) for subject, run in pairs)


def test_judges_beside_this_process_say_to_the_bit_what_it_says_and_in_its_order(
    pairs: list[tuple[Subject, Run]], here: list[str]
):
    assert words(judged(pairs, count=2)) == alone(pairs)
    assert here == ["case-0"]


def test_a_judge_that_is_killed_costs_no_verdict(pairs: list[tuple[Subject, Run]], here: list[str]):
    found = []
    for one in judged(pairs, count=2):
        found.append(one)
        if len(found) == 3:
            for judge_ in children_of(os.getpid()):
                os.kill(judge_, signal.SIGKILL)
    assert words(found) == alone(pairs)
    assert len(here) > 1


def test_what_cannot_be_sent_is_judged_here(pairs: list[tuple[Subject, Run]], here: list[str]):
    nameless = [(replace(s, reference=OwnOps(lambda: open_installed_cpu())), run) for s, run in pairs[:4]]
    assert words(judged(nameless, count=1)) == alone(pairs[:4])
    assert len(here) == 4


@dataclass(frozen=True, eq=False)
class ReadHereOnly(OwnOps):
    """It can be sent, and what arrives cannot be read: so is a case of a module that only this process has."""

    def __reduce__(self) -> tuple[type, tuple[str]]:
        return int, ("no number",)


def test_what_cannot_be_read_there_is_judged_here_in_every_precision(pairs: list[tuple[Subject, Run]], here: list[str]):
    mixed = [*pairs[:4], *((s, run) for s, run in unreadable(pairs[4:6])), *pairs[6:8]]
    assert words(judged(mixed, count=1)) == alone([*pairs[:8]])
    assert here == ["case-0", "case-2", "case-2"]


def unreadable(pairs: Iterable[tuple[Subject, Run]]) -> Iterator[tuple[Subject, Run]]:
    """The same of one subject, which no other process can read."""
    (first, _), *_ = pairs = list(pairs)
    own = replace(first, reference=ReadHereOnly(open_installed_cpu))
    return ((own, run) for _, run in pairs)


def test_a_question_that_raises_elsewhere_raises_here(pairs: list[tuple[Subject, Run]], here: list[str]):
    subject, run = pairs[2]
    unpaired = (subject, replace(run, outputs=run.outputs[:1]))
    stream_ = judged([*pairs[:2], unpaired], count=1)
    with pytest.raises(ValueError, match="1 runs, 3 references"):
        list(stream_)
    assert here == ["case-0", subject.name]


def test_what_came_before_a_lost_target_is_judged_all_the_same(pairs: list[tuple[Subject, Run]], here: list[str]):
    def lost() -> Iterator[tuple[Subject, Run]]:
        yield from pairs[:6]
        raise DeviceFailed("the cable")

    stream_ = judged(lost(), count=2)
    assert words(islice(stream_, 6)) == alone(pairs[:6])
    with pytest.raises(DeviceFailed, match="the cable"):
        next(stream_)


def test_a_slow_target_starts_no_judge(pairs: list[tuple[Subject, Run]], here: list[str], monkeypatch):
    monkeypatch.setattr(stream, "AT_ONCE_S", -1.0)
    monkeypatch.setattr(Judges, "start", lambda self: pytest.fail("a judge was started"))
    assert len(list(judged(pairs, count=2))) == len(pairs) == len(here)


def test_no_judge_outlives_its_stream(pairs: list[tuple[Subject, Run]], here: list[str]):
    before = set(children_of(os.getpid()))
    stream_ = judged(pairs, count=2)
    next(stream_)
    judges_ = set(children_of(os.getpid())) - before
    assert judges_
    stream_.close()
    assert not judges_.intersection(children_of(os.getpid()))


@pytest.mark.parametrize(("cores", "spared"), [(1, 0), (2, 0), (4, 1), (16, 6), (96, 6)])
def test_judges_take_less_than_half_of_the_cores(cores: int, spared: int, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(cores)))
    assert judges_to_spare() == spared


def children_of(pid: int) -> list[int]:
    """The processes below a process that are judges or fork them."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):  # it has just ended
            words_ = stat.read_text(encoding="utf-8").rpartition(")")[2].split()
            command = (stat.parent / "cmdline").read_bytes()
            if int(words_[1]) == pid and b"repro.judges.process" in command and words_[0] != "Z":
                child = int(stat.parent.name)
                found += [child, *children_of(child)]
    return found
