"""What a worker of a campaign does: it keeps targets open, says what they are, and runs batches of jobs on them.

Key insight: the worker is an ordinary user of a target of its machine. The delegate runs in processes of the target's
own, or on a phone, so that what kills a delegate does not kill the worker; and the engine sees tasks of seconds.
"""

from __future__ import annotations

import threading
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache

from repro.campaigns.expectations import kept_under
from repro.remote.engine import here, is_wanted
from repro.remote.parcel import Parcel, unpack
from runner import errors, runtimes, targets
from runner.errors import ReproError
from runner.run import Run
from runner.source_version import source_version
from runner.target import Target

_LOOK_S = 0.2

kept_open = 3
"""Targets that a worker keeps open: each has processes that wait, and a presented name is a target of its own. `repro
worker` sets it to what it lends where that is more, so that no phone is opened anew for each batch."""
processes = 1
"""Models that run at once on a target of this worker. `repro worker` sets it before the first task comes."""


@dataclass(frozen=True)
class Order:
    """Which target is asked for, and with what. See `runner.targets.open_target`.

    sent: the runtime is of LiteRT and can be sent to a worker with Python of this tag that lacks it.
    """

    target: str
    runtime: str | None = None
    engine: str | None = None
    sent: str = ""


@dataclass(frozen=True)
class Failure:
    """A ReproError of a worker, which is raised again where the command runs. kind: the name of its class."""

    kind: str
    message: str

    def error(self, worker: str) -> ReproError:
        known: type[ReproError] = getattr(errors, self.kind, errors.DeviceFailed)
        return known(f"worker {worker}: {self.message}")


@dataclass(frozen=True)
class Description:
    """What a target of a worker is. code: version of what runs jobs there. failure: why it is not open.

    lacks: nothing else is known, because a runtime has to be sent first.
    """

    worker: str
    code: str
    identity: str = ""
    name: str = ""
    expectations_name: str = ""
    device_model: str = ""
    driver: str = ""
    adapter: str = ""
    runtime: str = ""
    libraries: Mapping[str, str] = field(default_factory=dict)
    failure: Failure | None = None
    lacks: bool = False


@dataclass(frozen=True)
class Answer:
    """What became of a batch: its runs, as many as there were jobs unless something failed."""

    description: Description
    runs: tuple[Run, ...]


@cache
def code_version() -> str:
    """Hash of the code that runs jobs: where it differs, results may. Computed before tasks come, which wait for it."""
    return source_version("runner", "repro.remote")


def describe(order: Order) -> Description:
    """Open a target and say what it is."""
    if order.runtime and order.sent == runtimes.python_tag() and not runtimes.is_here(order.runtime):
        return Description(here(), code_version(), lacks=True)
    try:
        with _opened(order) as target:
            return _described(target)
    except ReproError as error:
        return _failed(error)


def take_runtime(version: str, sent: Mapping[str, bytes]) -> None:
    """Keep a runtime that was sent, under its version."""
    (data,) = sent.values()
    runtimes.unpack(version, data)


def run_batch(order: Order, parcel: Parcel, large: Mapping[str, bytes]) -> Answer:
    """Run jobs until all are done or nobody waits for them any more."""
    wanted = is_wanted()
    runs: list[Run] = []
    try:
        jobs = unpack(parcel, large)
        with _opened(order) as target, _stopped_unless(wanted, target):
            described = _described(target)
            for run in target.run_many(job for job in jobs if wanted()):
                runs.append(run)
    except ReproError as error:
        return Answer(_failed(error), tuple(runs))
    return Answer(described, tuple(runs))


def _described(target: Target) -> Description:
    runtime = getattr(target, "runtime", None)
    return Description(
        here(),
        code_version(),
        target.identity,
        target.name,
        *kept_under(target),
        getattr(target, "driver", ""),
        getattr(target, "adapter", ""),
        getattr(runtime, "version", ""),
        getattr(runtime, "libraries", {}),
    )


def _failed(error: ReproError) -> Description:
    return Description(here(), code_version(), failure=Failure(type(error).__name__, str(error)))


_kept: OrderedDict[Order, Target] = OrderedDict()
_users: Counter[Order] = Counter()
_lock = threading.Lock()


@contextmanager
def _opened(order: Order) -> Iterator[Target]:
    """The target, active. It stays open until others have taken its place."""
    with _lock:
        target = _kept.pop(order, None) or targets.open_target(
            order.target, runtime=order.runtime, workers=processes, engine=order.engine
        )
        _kept[order] = target
        _users[order] += 1
        idle = [one for one in _kept if not _users[one]]
        closed = [_kept.pop(one) for one in idle[: max(0, len(_kept) - kept_open)]]
    try:
        for one in closed:
            one.deactivate()
        target.activate()
        yield target
    finally:
        with _lock:
            _users[order] -= 1


def close_targets() -> None:
    """Stop all that was kept open."""
    with _lock:
        while _kept:
            _kept.popitem()[1].deactivate()


@contextmanager
def _stopped_unless(wanted: Callable[[], bool], target: Target) -> Iterator[None]:
    """End what runs on a target as soon as nobody waits for it: a job that hangs would go on for minutes."""
    is_over = threading.Event()

    def watch() -> None:
        while not is_over.wait(_LOOK_S):
            if not wanted():
                target.deactivate()
                return

    watcher = threading.Thread(target=watch, name="repro-wanted", daemon=True)
    watcher.start()
    try:
        yield
    finally:
        is_over.set()
        watcher.join()
