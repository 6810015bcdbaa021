"""A target on other machines: jobs go out in batches, Runs come back in the order of the jobs.

Key insight: everything above `runner.target.Target` asks for Runs and does not care where they are made. So a campaign
on a hundred machines is a target like any other, and the command that asks judges and keeps its one journal as always.

What is lost with a worker is sent out again. What is lost twice goes out job by job, with nothing else under way: a job
whose worker ends twice while it runs there alone has ended it, and is a CRASH.
"""

from __future__ import annotations

import hashlib
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from repro.remote.at_worker import Answer, Description, Order, code_version, describe, run_batch, take_runtime
from repro.remote.engine import CORES, AtWork, Engine, Lost, Ticket
from repro.remote.parcel import job_bytes, pack
from runner.errors import BadInput, DeviceFailed, TargetUnavailable
from runner.run import Fingerprint, Job, Outcome, Run
from runner.runtime_version import spoken
from runner.runtimes import packed
from runner.runtimes import runtime as runtime_of
from runner.target import Target

FIRST_BATCH, BATCH = 8, 32
"""Jobs of the first batch of each worker, so that all begin at once, and of later ones: a task costs some 10 ms."""
BATCH_BYTES = 16 << 20
AHEAD = 2
"""Batches per worker that are handed in: one runs, one waits there."""
HELD = 8
"""Batches per worker that are drawn and not yet handed out: a slow one holds back those behind it."""
HELD_BYTES = 1 << 30
"""Of the inputs and outputs of all batches that are held. Above it nothing is drawn, but for what keeps one worker at
work."""
TRIES = 2
"""Losses of a batch after which its jobs go out alone, and of a job alone after which it is to blame."""
PATIENCE_S = 60.0
"""How long a campaign waits for a worker that has the target, when the last one was lost."""
_LOOK_S = 0.5


@dataclass(eq=False)
class _Batch:
    """Jobs that travel together. todo: places of those that have no Run yet. losses: of what is under way now.

    nbytes: of their models and inputs, and of the outputs that came back.
    """

    jobs: list[Job]
    runs: dict[int, Run] = field(default_factory=dict)
    ticket: Ticket | None = None
    under_way: tuple[int, ...] = ()
    losses: int = 0
    alone: bool = False
    nbytes: int = 0

    @property
    def todo(self) -> list[int]:
        return [place for place in range(len(self.jobs)) if place not in self.runs]


class RemoteTarget(Target):
    """A target that workers of a scheduler have, under its full name.

    needs: the resource by which workers name it. say: told of what is lost and waited for, in one line.
    """

    def __init__(self, engine: Engine, order: Order, needs: str, say: Callable[[str], None]) -> None:
        self.name = order.target
        self._engine = engine
        self._order = order
        self._needs = needs
        self._say = say
        self._described: Description | None = None
        self._batches: deque[_Batch] = deque()
        self._missing_since: float | None = None
        self._runtime: bytes | None = None

    @property
    def identity(self) -> str:  # type: ignore[override]
        """As each worker says it; they agree."""
        return self._description.identity

    @property
    def expectations_name(self) -> str:
        return self._description.expectations_name

    @property
    def device_model(self) -> str:
        return self._description.device_model

    @property
    def _description(self) -> Description:
        if self._described is None:
            raise RuntimeError(f"{self.name} is not active")
        return self._described

    # -- who is there --------------------------------------------------------------------------------

    def activate_impl(self) -> None:
        """Ask every worker that has the target what it is; all must say the same."""
        able = self._able(now=True)
        if not able:
            raise TargetUnavailable(self._nobody())
        for one, description in self._descriptions(able):
            if description.lacks:
                self._send_runtime(one)
                description = next((again for _, again in self._descriptions([one])), description)
            self._hold_to(description)
        if self._described is None:
            raise TargetUnavailable(self._nobody())

    def _descriptions(self, able: Sequence[AtWork]) -> Iterator[tuple[AtWork, Description]]:
        """What each of them says; all are asked at once."""
        tickets = [self._engine.submit(describe, self._order, at=one.address, name="describe") for one in able]
        for one, ticket in zip(able, tickets, strict=True):
            try:
                description: Description = self._answer_of(one, ticket)
            except Lost:
                self._say(f"worker {one.name} was lost")
                continue
            yield one, description

    def _send_runtime(self, worker: AtWork) -> None:
        """The runtime of this machine goes to a worker that lacks it. Raises TargetUnavailable where nobody has it."""
        version = str(self._order.runtime)
        if self._runtime is None:
            self._runtime = packed(runtime_of(version))
        self._say(f"sending {spoken(version)} ({len(self._runtime) >> 20} MiB) to worker {worker.name}")
        sha = hashlib.sha256(self._runtime).hexdigest()
        ticket = self._engine.submit(take_runtime, version, at=worker.address, carried={sha: self._runtime})
        try:
            self._answer_of(worker, ticket)
        except Lost:
            self._say(f"worker {worker.name} was lost")

    def _answer_of(self, worker: AtWork, ticket: Ticket) -> Any:
        """Raises Lost also where the worker went before the task came: no other one may do it, and it would wait."""
        while not ticket.is_done:
            if worker.address not in [one.address for one in self._engine.workers()]:
                ticket.give_up()
                raise Lost(worker.name)
            self._engine.wait(_LOOK_S)
        return ticket.result()

    def _able(self, *, now: bool = False) -> list[AtWork]:
        return [one for one in self._engine.workers(now=now) if self._needs in one.targets]

    def _nobody(self) -> str:
        there = "; ".join(map(str, self._engine.workers())) or "no worker at all"
        return (
            f"no worker of {self._engine.address} has {self._needs} (there are: {there}); "
            f"start one where it is: repro worker --scheduler {self._engine.address}"
        )

    def _hold_to(self, description: Description) -> None:
        """Raise what a worker raised, and BadInput for a worker whose results may not be mixed with the others'."""
        if description.failure is not None:
            raise description.failure.error(description.worker)
        known = self._described or description
        for what, whose, one, other in (
            ("version of this tool", "this command", code_version(), description.code),
            ("environment", known.worker, known.identity, description.identity),
        ):
            if one != other:
                raise BadInput(
                    f"worker {description.worker} is of another {what} ({other}) than {whose} ({one}): their results "
                    "may not be mixed; stop it, or bring it to the same"
                )
        self._described = known

    # -- batches -------------------------------------------------------------------------------------

    def deactivate_impl(self) -> None:
        while self._batches:
            ticket = self._batches.popleft().ticket
            if ticket is not None:
                ticket.give_up()

    def run_many_impl(self, jobs: Iterable[Job]) -> Iterator[Run]:
        source = iter(jobs)
        batches = self._batches = deque()
        size = _Sizes()
        try:
            while True:
                self._step(source, batches, size)
                if not batches:
                    return
                while batches and not batches[0].todo:
                    batch = batches.popleft()
                    for place in range(len(batch.jobs)):
                        yield batch.runs.pop(place)
                        self._step(source, batches, size)
                if batches and batches[0].todo:
                    self._engine.wait(_LOOK_S)
        finally:
            self.deactivate_impl()

    def _step(self, source: Iterator[Job], batches: deque[_Batch], size: _Sizes) -> None:
        """Take in what has come, and keep the workers busy."""
        for batch in batches:
            if batch.ticket is not None and batch.ticket.is_done:
                self._take_in(batch)
        workers = len(self._able())
        self._bear(workers, any(batch.todo for batch in batches))
        under_way = sum(batch.ticket is not None for batch in batches)
        for batch in batches:
            if batch.ticket is None and batch.todo and under_way < (1 if batch.alone else AHEAD * workers):
                self._hand_in(batch)
                under_way += 1
            if batch.alone and batch.todo:
                return  # nothing else beside what is in doubt
        held = sum(batch.nbytes for batch in batches)
        while under_way < AHEAD * workers and len(batches) < HELD * workers and (held < HELD_BYTES or not under_way):
            drawn = size.draw(source, workers)
            if not drawn:
                return
            batches.append(_Batch(drawn, nbytes=sum(map(job_bytes, drawn))))
            held += batches[-1].nbytes
            self._hand_in(batches[-1])
            under_way += 1

    def _bear(self, workers: int, is_waited_for: bool) -> None:
        """Say that nobody has the target, which the engine would not. Raises DeviceFailed when it lasts."""
        if workers or not is_waited_for:
            self._missing_since = None
        elif self._missing_since is None:
            self._missing_since = time.monotonic()
            self._say(f"waiting: {self._nobody()}")
        elif time.monotonic() - self._missing_since > PATIENCE_S:
            raise DeviceFailed(f"{self._nobody()}; what was measured is kept")

    def _hand_in(self, batch: _Batch) -> None:
        batch.under_way = tuple(batch.todo[:1] if batch.alone else batch.todo)
        parcel, large = pack([batch.jobs[place] for place in batch.under_way])
        # A phone does not need the cores of its host.
        needs = [self._needs] if self._needs.startswith("adb") else [self._needs, CORES]
        batch.ticket = self._engine.submit(run_batch, self._order, parcel, needs=needs, carried=large, name="batch")

    def _take_in(self, batch: _Batch) -> None:
        ticket, batch.ticket = batch.ticket, None
        assert ticket is not None
        try:
            answer: Answer = ticket.result()
        except Lost:
            self._engine.require_scheduler()
            self._lost(batch)
            return
        self._hold_to(answer.description)
        if len(answer.runs) != len(batch.under_way):
            raise DeviceFailed(f"worker {answer.description.worker} gave up {self.name}; run it again")
        batch.runs.update(zip(batch.under_way, answer.runs, strict=True))
        batch.nbytes += sum(array.nbytes for run in answer.runs for outputs in run.outputs for array in outputs)
        batch.losses = 0

    def _lost(self, batch: _Batch) -> None:
        """Nothing came back of what was under way."""
        self._engine.drop_carried()
        batch.losses += 1
        if batch.losses < TRIES:
            self._say(f"a worker was lost with {len(batch.under_way)} of the jobs for {self.name}; they are run again")
            return
        batch.losses = 0
        if not batch.alone:
            batch.alone = True
            return
        (place,) = batch.under_way
        job = batch.jobs[place]
        batch.runs[place] = self._killer(job)

    def _killer(self, job: Job) -> Run:
        of = self._description
        precision, sha = str(job.precision), job.model_sha256
        return Run(
            job.name,
            Outcome.CRASH,
            Fingerprint(of.name, of.runtime, of.libraries, of.driver, of.adapter, precision, sha),
            message=f"the worker that ran it was lost {TRIES} times while it ran there alone",
        )


class _Sizes:
    """How many jobs the next batch has: few at first, so that every worker has some soon."""

    def __init__(self) -> None:
        self._drawn = 0

    def draw(self, source: Iterator[Job], workers: int) -> list[Job]:
        """The next jobs; none when there are no more."""
        size = min(BATCH, FIRST_BATCH << (self._drawn // max(1, workers)))
        self._drawn += 1
        drawn: list[Job] = []
        total = 0
        while len(drawn) < size and total < BATCH_BYTES and (job := next(source, None)) is not None:
            drawn.append(job)
            total += job_bytes(job)
        return drawn
