"""Several devices at once: each has a lane of its own, and what becomes of one lane is no other's business.

Key insight: a phone is slow, far away and may be gone at any moment, and none of that is a reason for another phone to
wait or to stop. So a lane is a thread that does one device's whole work, an error that ends it is its result, and only
what is not the device's doing (an interrupt, a bug, wrong usage) ends the others too. The targets of this host share
its processor and run as before, one after another, beside the phones.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from contextvars import copy_context
from dataclasses import dataclass
from typing import Generic, TypeVar

from runner.adb.interruption import Interruption
from runner.errors import DeviceFailed, ReproError, TargetUnavailable

Value = TypeVar("Value")


@dataclass(frozen=True)
class Lane(Generic[Value]):
    """What became of one target's work: its value, or the error that ended it."""

    target: str
    value: Value | None = None
    error: ReproError | None = None

    @property
    def is_phone(self) -> bool:
        return is_phone(self.target)


def is_phone(target: str) -> bool:
    """Whether a target, by its name, runs somewhere else than on this host, or as if it did."""
    return target.partition(":")[0].partition("+")[0] == "adb"


def one_after_another(targets: Sequence[str], work: Callable[[str], Value]) -> list[Lane[Value]]:
    """`work` for each target, in their order, in this thread. What it raises is raised."""
    return [Lane(name, work(name)) for name in targets]


def side_by_side(targets: Sequence[str], work: Callable[[str], Value]) -> list[Lane[Value]]:
    """`work` for each target: a lane for each phone, one for all that is not. In the order of the targets.

    A phone beside others that is lost or not available is a lane with its error. One target alone, or several of this
    host, raise it: then nobody else is held up. Any other exception is raised once the other lanes have been stopped.
    """
    phones = [name for name in targets if is_phone(name)]
    if not phones or len(targets) == 1:
        return one_after_another(targets, work)
    ended: dict[str, Lane[Value]] = {}

    def run(name: str) -> None:
        try:
            ended[name] = Lane(name, work(name))
        except (DeviceFailed, TargetUnavailable) as error:
            ended[name] = Lane(name, error=error)

    with _threads(phones, run) as running:
        for name in targets:
            if name not in phones:
                run(name)
        for future in wait(running, return_when=FIRST_EXCEPTION).done:
            future.result()
    return [ended[name] for name in targets]


@contextmanager
def _threads(phones: Sequence[str], run: Callable[[str], None]) -> Iterator[list[Future[None]]]:
    """A thread for each phone, with this thread's context (a limit of memory, say). All have ended after the block."""
    interruption = Interruption()
    with ThreadPoolExecutor(max_workers=len(phones), thread_name_prefix="repro-phone") as pool:
        try:
            running = []
            for name in phones:
                context = copy_context()
                context.run(interruption.watch_here)
                running.append(pool.submit(context.run, run, name))
            yield running
        except BaseException:
            interruption.interrupt()  # each removes what it put on its phone, and ends
            raise
