"""Whatever workers are lost, each job has its one Run, in order; a job that ends its worker is a CRASH of that job."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from repro.remote import at_worker, target
from repro.remote.at_worker import Order
from repro.remote.engine import AtWork, Lost
from repro.remote.target import BATCH, RemoteTarget
from runner.errors import BadInput, DeviceFailed, TargetUnavailable
from runner.run import Job, Outcome
from tests.repro.remote.doubling import NAME, Doubling, jobs, same


class Task:
    """One task of the simulated engine. Done some looks after it was handed in."""

    def __init__(self, act: Callable[[], Any], looks: int) -> None:
        self.act, self.looks, self.given_up = act, looks, False

    @property
    def is_done(self) -> bool:
        return self.looks <= 0

    def result(self, timeout_s: float = 0) -> Any:
        return self.act()

    def give_up(self) -> None:
        self.given_up = True


class SimulatedEngine:
    """Two workers. A batch with a killer in it is always lost, another one with a chance of `loss`.

    together: the largest number of batches that were under way beside a killer that was alone.
    """

    address = "tcp://127.0.0.1:1"

    def __init__(self, seed: int = 0, loss: float = 0.0, killers: Sequence[str] = ()) -> None:
        self.rng, self.loss, self.killers = random.Random(seed), loss, set(killers)
        self.there = [AtWork(f"w{n}", f"tcp://{n}", (NAME, "cpu")) for n in (1, 2)]
        self.tasks: list[Task] = []
        self.losses = 0
        self.beside: list[int] = []

    def workers(self, *, now: bool = False) -> Sequence[AtWork]:
        return self.there

    def submit(
        self,
        function: Callable[..., Any],
        *arguments: Any,
        needs: Sequence[str] = (),
        at: str | None = None,
        carried: Mapping[str, bytes] | None = None,
        name: str = "",
    ) -> Task:
        beside = (carried,) if carried is not None else ()
        task = Task(lambda: function(*arguments, *beside), self.rng.randrange(4))
        if name == "batch":
            asked = [packed.bare.name for packed in arguments[1].jobs]
            is_killer = bool(self.killers.intersection(asked))
            if is_killer and len(asked) == 1:
                self.beside.append(sum(not one.is_done for one in self.tasks))
            if is_killer or self.rng.random() < self.loss:
                task.act = self._lose
        self.tasks.append(task)
        return task

    def _lose(self) -> None:
        self.losses += 1
        raise Lost("a worker")

    def wait(self, timeout_s: float) -> None:
        for task in self.tasks:
            task.looks -= 1

    def drop_carried(self) -> None: ...

    def require_scheduler(self) -> None: ...


@pytest.fixture(autouse=True)
def doubling(monkeypatch: pytest.MonkeyPatch) -> Doubling:
    """The one target of all simulated workers."""
    made = Doubling()
    monkeypatch.setattr(at_worker.targets, "open_target", lambda name, **options: made)
    monkeypatch.setattr(at_worker, "here", lambda: "w1")
    monkeypatch.setattr(at_worker, "is_wanted", lambda: lambda: True)
    monkeypatch.setattr(at_worker, "_kept", type(at_worker._kept)())
    return made


def remote(engine: SimulatedEngine, say: Callable[[str], None] = lambda line: None) -> RemoteTarget:
    return RemoteTarget(engine, Order(NAME), NAME, say)  # type: ignore[arg-type]


@settings(max_examples=25)
@given(st.integers(0, 2**32), st.integers(0, 90), st.sampled_from([0.0, 0.1, 0.3]))
def test_every_job_has_one_run_in_order_whatever_is_lost(seed: int, count: int, loss: float):
    engine = SimulatedEngine(seed, loss)
    asked = jobs(count)
    with remote(engine) as opened:
        runs = list(opened.run_many(iter(asked)))
    assert [run.name for run in runs] == [job.name for job in asked]
    whole = [(run, job) for run, job in zip(runs, asked, strict=True) if run.outcome is not Outcome.CRASH]
    assert all(same([run], [job]) for run, job in whole)
    crashed = count - len(whole)
    assert not crashed or engine.losses >= 2 + 2 * crashed, "a crash was lost twice in its batch, and twice alone"


def test_nothing_is_measured_twice_but_what_was_lost(doubling: Doubling):
    asked = jobs(100)
    with remote(SimulatedEngine(3)) as opened:
        assert same(opened.run_many(asked), asked)
    assert set(doubling.ran.values()) == {1}


def test_a_job_that_ends_its_worker_is_a_crash_of_that_job_alone(doubling: Doubling):
    asked = jobs(80)
    engine = SimulatedEngine(1, killers=["job 40"])
    with remote(engine) as opened:
        runs = list(opened.run_many(asked))
    assert [run.name for run in runs if run.outcome is not Outcome.OK] == ["job 40"]
    assert runs[40].outcome is Outcome.CRASH
    assert "while it ran there alone" in runs[40].message
    assert runs[40].fingerprint.model_sha256 == asked[40].model_sha256
    assert engine.beside == [0, 0], "alone means alone: nothing else that could have ended the worker"
    assert set(doubling.ran.values()) == {1}


def test_an_endless_stream_is_drawn_a_few_batches_ahead_and_given_up_with_the_target():
    drawn: list[Job] = []

    def endless():
        for job in iter(lambda: jobs(1)[0], None):
            drawn.append(job)
            yield job

    engine = SimulatedEngine()
    with remote(engine) as opened:
        stream = opened.run_many(endless())
        assert next(stream).name == "job 0"
        assert len(drawn) <= 2 * target.AHEAD * BATCH + 1
        unfinished = [task for task in engine.tasks if not task.is_done]
        opened.deactivate()
    assert all(task.given_up for task in unfinished)


def test_large_inputs_and_outputs_are_held_up_to_a_limit(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(target, "HELD_BYTES", 1 << 20)
    monkeypatch.setattr(target, "BATCH_BYTES", 1 << 17)
    most, drawn, answered = 0, 0, 0
    asked = jobs(100, 1 << 13)
    each = sum(array.nbytes for feed in asked[0].feeds for array in feed)

    def counted():
        nonlocal drawn
        for job in asked:
            drawn += 1
            yield job

    engine = SimulatedEngine(5)
    engine.there *= 20
    with remote(engine) as opened:
        for run, job in zip(opened.run_many(counted()), asked, strict=True):
            assert same([run], [job])
            answered += 1
            most = max(most, (drawn - answered) * each)
    assert target.HELD_BYTES / 4 < most <= target.HELD_BYTES + target.BATCH_BYTES


def test_where_nobody_has_the_target_it_says_who_is_there():
    engine = SimulatedEngine()
    engine.there = [AtWork("w9", "tcp://9", ("cpu",))]
    with pytest.raises(TargetUnavailable, match=r"has gpu:doubling .*w9: cpu.*repro worker --scheduler"):
        remote(engine).activate()


def test_when_the_last_worker_goes_it_says_so_waits_and_gives_up_in_one_line(monkeypatch: pytest.MonkeyPatch):
    said: list[str] = []
    engine = SimulatedEngine()
    with remote(engine, said.append) as opened:
        stream = opened.run_many(jobs(200))
        next(stream)
        engine.there = []
        monkeypatch.setattr(target, "PATIENCE_S", -1.0)
        with pytest.raises(DeviceFailed, match=r"no worker at all.*what was measured is kept"):
            list(stream)
    assert len(said) == 1
    assert said[0].startswith("waiting: no worker")


def test_results_of_two_environments_are_not_mixed(doubling: Doubling):
    with remote(SimulatedEngine()) as opened:
        stream = opened.run_many(jobs(200))
        next(stream)
        doubling.identity = "doubling|2"
        with pytest.raises(BadInput, match=r"another environment .*doubling.2.*may not be mixed"):
            list(stream)


def test_a_worker_with_other_code_is_refused(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(at_worker, "code_version", lambda: "older")
    with pytest.raises(BadInput, match="another version of this tool"):
        remote(SimulatedEngine()).activate()


def test_what_a_worker_cannot_do_is_said_in_its_words(monkeypatch: pytest.MonkeyPatch):
    def broken(name: str, **options: Any) -> Doubling:
        raise TargetUnavailable("the driver is gone")

    monkeypatch.setattr(at_worker.targets, "open_target", broken)
    with pytest.raises(TargetUnavailable, match="worker w1: the driver is gone"):
        remote(SimulatedEngine()).activate()
