"""The interface of every target: public methods go through the hooks, and leaving closes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import pytest

from runner.errors import DeviceFailed
from runner.run import Fingerprint, Job, Outcome, Run
from runner.target import Target


class Noting(Target):
    """Notes what is asked of it."""

    name = "noting"
    identity = "noting 1"

    def __init__(self) -> None:
        self.notes: list[str] = []

    def activate_impl(self) -> None:
        self.notes.append("activate")

    def deactivate_impl(self) -> None:
        self.notes.append("deactivate")

    def run_many_impl(self, jobs: Iterable[Job]) -> Iterator[Run]:
        for job in jobs:
            self.notes.append(job.name)
            if job.name == "lost":
                raise DeviceFailed("the cable is out")
            yield Run(job.name, Outcome.OK, Fingerprint("noting", "0", {}, "", "", "fp32", ""))


def job(name: str) -> Job:
    return Job(b"", (), name=name)


def test_a_context_activates_and_always_deactivates():
    target = Noting()
    with target as opened:
        assert opened is target
        assert target.notes == ["activate"]
    assert target.notes == ["activate", "deactivate"]
    with pytest.raises(DeviceFailed), target:
        target.run(job("lost"))
    assert target.notes[-1] == "deactivate"


def test_one_job_is_a_stream_of_one():
    target = Noting()
    assert target.run(job("a")).name == "a"
    assert [run.name for run in target.run_many(job(name) for name in "bc")] == ["b", "c"]
    assert target.notes == ["a", "b", "c"]


def test_a_stream_is_drawn_as_its_runs_are_taken():
    target = Noting()
    runs = target.run_many(job(name) for name in "abc")
    assert next(runs).name == "a"
    assert target.notes == ["a"]


def test_a_target_without_its_hooks_is_none():
    class Half(Target):
        def activate_impl(self) -> None: ...

    with pytest.raises(TypeError, match="abstract"):
        Half()  # type: ignore[abstract]
