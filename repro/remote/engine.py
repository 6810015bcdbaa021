"""The engine that spreads work over machines: Dask distributed, and all that this project says to it.

Key insight: an engine brings what is hard (who is there, who is lost, who is idle, bytes from one to another), and a
few settings decide whether it helps: a task that is lost with its worker fails at once and is not tried three times
more, nothing is open to the network that nobody asked for, and a worker's memory is not the engine's to limit. They
stand here once; nothing else imports the engine.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
import os
import socket
import threading
import time
import uuid
import warnings
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import CancelledError
from dataclasses import dataclass
from typing import Any

from repro.remote.access import Access, is_loopback
from runner.adb.interruption import raise_if_interrupted
from runner.errors import BadInput, DeviceFailed, TargetUnavailable
from runner.installation import campaign_install

CORES = "the cores of the machine"
"""A resource that every worker has once: two drivers of one host do not measure at the same time."""
LOST_AFTER_S = 60
"""Without a sign of life for so long, a worker counts as lost. One that ends is known to be lost at once."""
CARRIED_BYTES = 1 << 30
"""Of what was carried and may be asked for again: the scheduler and a worker keep it for so long."""
CONNECT_S = 10
_SILENT_S = 5
_RESULT_S = 60
_AGE_S = 1.0


def _distributed() -> Any:
    """The engine, with its settings made. Raises TargetUnavailable where it is not installed."""
    try:
        import dask
        import distributed
    except ImportError as error:
        raise TargetUnavailable(
            f"a campaign on several machines needs {error.name}, which is not installed; {campaign_install()}"
        ) from None
    dask.config.set(
        {
            "distributed.scheduler.worker-ttl": f"{LOST_AFTER_S}s",
            "distributed.comm.timeouts.connect": f"{CONNECT_S}s",
            # Large models are sent on purpose.
            "distributed.admin.large-graph-warning-threshold": "100GiB",
            "distributed.worker.profile.enabled": False,
        }
    )
    for name in list(logging.root.manager.loggerDict):
        if name.partition(".")[0] == "distributed":  # several have a level of their own
            logging.getLogger(name).setLevel(logging.CRITICAL)
    warnings.filterwarnings("ignore", module="distributed")
    return distributed


def _security(access: Access) -> Any:
    if access.tls is None:
        return None
    of_all = {f"tls_{role}_{part}": getattr(access.tls, part) for role in _ROLES for part in ("cert", "key")}
    return _distributed().Security(require_encryption=True, tls_ca_file=access.tls.ca, **of_all)


_ROLES = ("client", "scheduler", "worker")


async def _reach(access: Access) -> None:
    """Raise TargetUnavailable where no scheduler answers. The engine waits for ever for one that says nothing."""
    security = _security(access) or _distributed().Security()
    connected = _distributed().comm.connect(access.address, timeout=CONNECT_S, **security.get_connection_args("client"))
    try:
        line = await asyncio.wait_for(connected, CONNECT_S + _SILENT_S)
    except TimeoutError:
        raise TargetUnavailable(_no_answer(access, "what listens there says nothing")) from None
    except (OSError, RuntimeError, ValueError) as error:
        raise TargetUnavailable(_no_answer(access, _one_line(error))) from error
    await line.close()


# -- the two kinds of processes that serve ---------------------------------------------------------


def serve_scheduler(access: Access, on_start: Callable[[str], None]) -> None:
    """Be the scheduler until a signal ends this process. on_start: gets the address, whose port may have been 0.

    Raises BadInput where it cannot listen there.
    """
    asyncio.run(scheduler(access, on_start))


async def scheduler(access: Access, on_start: Callable[[str], None]) -> None:
    """The same, inside a loop that runs already."""
    made = _distributed().Scheduler(
        host=access.host,
        port=access.port,
        protocol=access.protocol,
        security=_security(access),
        allowed_failures=0,
        dashboard=False,
        dashboard_address="127.0.0.1:0",
    )
    try:
        async with made:
            on_start(made.address)
            await made.finished()
    except (OSError, RuntimeError) as error:
        said = _one_line(error)
        raise BadInput(f"{access.address} cannot be listened on ({said}); give another --host or --port") from error


def serve_worker(access: Access, name: str, targets: Sequence[str], on_start: Callable[[str], None]) -> None:
    """Be a worker that has these targets until its scheduler goes or a signal ends this process.

    Raises TargetUnavailable where the scheduler does not answer, DeviceFailed when it has gone.
    """
    asyncio.run(worker(access, name, targets, on_start))


async def worker(access: Access, name: str, targets: Sequence[str], on_start: Callable[[str], None]) -> None:
    """The same, inside a loop that runs already."""
    await _reach(access)
    made = _distributed().Worker(
        access.address,
        name=name,
        host="127.0.0.1" if is_loopback(access.host) else access.own_host(),
        protocol=access.protocol,
        security=_security(access),
        # One thread for what each target can do, one for what is only carried, one to describe a target.
        nthreads=len(targets) + 2,
        resources={CORES: 1, **dict.fromkeys(targets, 1)},
        memory_limit=0,
        death_timeout=CONNECT_S,
        dashboard=False,
        dashboard_address="127.0.0.1:0",
    )
    try:
        async with made:
            on_start(made.name)
            await made.finished()
    except (OSError, TimeoutError, RuntimeError) as error:
        raise TargetUnavailable(_no_answer(access, _one_line(error))) from error
    raise DeviceFailed(f"the scheduler at {access.address} has gone; start it again, then this")


def _no_answer(access: Access, why: str) -> str:
    key = "" if access.tls else "; one with a key asks for --secret-file or --tls-..."
    same = " that has the same key" if access.tls else ""
    return f"no scheduler{same} answers at {access.address} ({why}); `repro scheduler` starts one{key}"


def _one_line(error: BaseException) -> str:
    """The reason behind what the engine says, which may be a screen of text: the innermost that has words."""
    said = ""
    cause: BaseException | None = error
    while cause is not None:
        said = " ".join(str(cause).split())[:200] or said
        cause = cause.__cause__
    return said or type(error).__name__


def own_name() -> str:
    """A name for this worker that no other one has."""
    return f"{socket.gethostname()}-{os.getpid()}"


# -- inside a task ---------------------------------------------------------------------------------


def here() -> str:
    """The name of the worker that runs this task."""
    return str(_distributed().get_worker().name)


def is_wanted() -> Callable[[], bool]:
    """Asked inside a task: says from then on whether somebody still waits for it. From any thread."""
    here = _distributed().get_worker()
    key = here.get_current_task()

    def wanted() -> bool:
        task = here.state.tasks.get(key)
        return task is not None and task.state not in ("cancelled", "released", "forgotten")

    return wanted


# -- who asks --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class AtWork:
    """A worker that is there: its name, where it is, and the targets that it has."""

    name: str
    address: str
    targets: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.name}: {', '.join(self.targets) or 'nothing'}"


class Lost(Exception):
    """A task went with its worker."""


class Ticket:
    """A task that was handed in. What it returns is fetched in the background as soon as it is there.

    Fetching is a part of the task: where its worker goes in between, it is made again, and nobody stands still for it.
    """

    def __init__(self, client: Any, future: Any, on_end: Callable[[], None]) -> None:
        self._future = future
        fetching = client.gather(future, asynchronous=True)
        self._fetched = asyncio.run_coroutine_threadsafe(fetching, client.loop.asyncio_loop)
        self._fetched.add_done_callback(lambda _: on_end())

    @property
    def is_done(self) -> bool:
        """Whether it has ended, in whatever way, and what it returned is here."""
        return self._fetched.done()

    def result(self, timeout_s: float = _RESULT_S) -> Any:
        """What the task returned. Raises Lost, TimeoutError while it is not there, and what the task raised."""
        distributed = _distributed()
        cancelled = (CancelledError, distributed.CancelledError, distributed.client.FutureCancelledError)
        lost = (distributed.KilledWorker, distributed.comm.CommClosedError, *cancelled)
        try:
            return self._fetched.result(timeout_s)
        except lost as error:
            raise Lost(str(error)) from error

    def give_up(self) -> None:
        """Nobody waits for it any more; where it runs, it ends soon."""
        self._fetched.cancel()
        with contextlib.suppress(Exception):  # the scheduler may have gone, and the task with it
            self._future.cancel(force=True)
        self._future.release()


class Engine:
    """A connection to a scheduler, made when it is first needed. Use it as a context manager.

    Once it is connected, several threads may hand in tasks, each for a target of its own.
    """

    def __init__(self, access: Access) -> None:
        self.access = access
        self._client: Any = None
        self._session = uuid.uuid4().hex[:8]
        self._numbers = itertools.count()
        self._seen: tuple[float, tuple[AtWork, ...]] = (0.0, ())
        self._carried: OrderedDict[str, tuple[Any, int]] = OrderedDict()
        self._ended = 0
        self._carrying = threading.Lock()
        self._changed = threading.Condition()
        self._seen_by = threading.local()

    def __enter__(self) -> Engine:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Nothing that was handed in is waited for any more."""
        client, self._client = self._client, None
        self._carried.clear()
        if client is not None:
            with contextlib.suppress(Exception):  # the scheduler may be gone: it forgets us when the line breaks
                client.close(timeout=5)

    def _connected(self) -> Any:
        """The line to the scheduler, made when it is first needed. Raises TargetUnavailable, DeviceFailed."""
        if self._client is None:
            distributed = _distributed()
            asyncio.run(_reach(self.access))
            try:
                self._client = distributed.Client(
                    self.access.address,
                    security=_security(self.access),
                    timeout=f"{CONNECT_S}s",
                    set_as_default=False,
                )
            except (OSError, TimeoutError, RuntimeError) as error:
                raise TargetUnavailable(_no_answer(self.access, _one_line(error))) from error
        self.require_scheduler()
        return self._client

    @property
    def address(self) -> str:
        return self.access.address

    def require_scheduler(self) -> None:
        """Raise DeviceFailed where the scheduler has gone."""
        if self._client is not None and self._client.status != "running":
            raise DeviceFailed(
                f"the scheduler at {self.address} has gone; what was measured is kept: start it again, then this"
            )

    def workers(self, *, now: bool = False) -> tuple[AtWork, ...]:
        """Who is there, by name, as of a second ago. now: as of now."""
        read, seen = self._seen
        if now or time.monotonic() - read > _AGE_S:
            client = self._connected()
            try:
                # Not `scheduler_info`: it returns what a clock of the client's has read, which names no worker or five.
                info = client.sync(client.scheduler.identity, n_workers=-1)["workers"]
            except (OSError, TimeoutError):
                self.require_scheduler()
                return seen
            found = (
                AtWork(str(one["name"]), address, tuple(name for name in one["resources"] if name != CORES))
                for address, one in info.items()
            )
            seen = tuple(sorted(found, key=lambda one: one.name))
            self._seen = (time.monotonic(), seen)
        return seen

    def submit(
        self,
        function: Callable[..., Any],
        *arguments: Any,
        needs: Sequence[str] = (),
        at: str | None = None,
        carried: Mapping[str, bytes] | None = None,
        name: str = "task",
    ) -> Ticket:
        """Hand in one task. needs: resources that it takes. at: the address of the worker that must do it.

        carried: hash -> bytes that the function gets as its last argument; each goes to a worker once.
        """
        client = self._connected()
        if carried is not None:
            arguments = (*arguments, {sha: self._carry(sha, data) for sha, data in carried.items()})
        future = client.submit(
            function,
            *arguments,
            key=f"{name}-{self._session}-{next(self._numbers)}",
            pure=False,
            resources=dict.fromkeys(needs, 1) or None,
            workers=[at] if at else None,
            allow_other_workers=False,
        )
        return Ticket(client, future, self._task_ended)

    def _carry(self, sha: str, data: bytes) -> Any:
        """Bytes as a task of their own: when the only worker that had them is lost, the scheduler sends them again."""
        with self._carrying:
            made, _ = self._carried.pop(sha, (None, 0))
            if made is None or made.status not in ("pending", "finished"):
                key = f"bytes-{sha}-{self._session}-{next(self._numbers)}"
                made = self._connected().submit(bytes, data, key=key, pure=False)
            self._carried[sha] = (made, len(data))
            # A task that needs what is let go of here has it all the same.
            while sum(size for _, size in self._carried.values()) > CARRIED_BYTES and len(self._carried) > 1:
                self._carried.popitem(last=False)
            return made

    def drop_carried(self) -> None:
        """Let go of what was carried: whoever needs it sends it again."""
        with self._carrying:
            self._carried.clear()

    def _task_ended(self) -> None:
        with self._changed:
            self._ended += 1
            self._changed.notify_all()

    def wait(self, timeout_s: float) -> None:
        """Return when a task has ended since this thread waited last, or the time is over.

        Raises KeyboardInterrupt in a thread that was told to end (`runner.adb.interruption`).
        """
        seen = getattr(self._seen_by, "ended", 0)
        with self._changed:
            self._changed.wait_for(lambda: self._ended > seen, timeout_s)
            self._seen_by.ended = self._ended
        raise_if_interrupted()
