"""The engine itself, with its scheduler and two workers inside this process: what is promised of it, it does."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import pytest

from repro.remote import at_worker, engine
from repro.remote.access import Access, access, make_secret
from repro.remote.engine import CORES, Engine, Lost
from repro.remote.parcel import LARGE_BYTES
from repro.remote.where import Elsewhere
from runner.adb.lanes import side_by_side
from runner.errors import BadInput, TargetUnavailable
from runner.run import Job, Run
from runner.runtimes import runtime as runtime_of
from tests.repro.remote.doubling import NAME, Doubling, jobs, same

PHONES = ("adb:one", "adb:two")


class Campaign:
    """A scheduler and two workers on a loop of their own, in a thread; the second one has two phones."""

    def __init__(self, own: Access) -> None:
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self.thread.start()
        self.serving = []
        scheduler = self._serve(lambda started: engine.scheduler(own, started))
        self.access = Access(own.host, int(scheduler.rpartition(":")[2]), own.tls)
        for name in ("w1", "w2"):
            lent = (NAME, "cpu", *(PHONES if name == "w2" else ()))
            self._serve(lambda started, name=name, lent=lent: engine.worker(self.access, name, lent, started))

    def _serve(self, coroutine: Callable[[Callable[[str], None]], object]) -> str:
        started: list[str] = []
        is_there = threading.Event()

        def on_start(name: str) -> None:
            started.append(name)
            is_there.set()

        self.serving.append(asyncio.run_coroutine_threadsafe(coroutine(on_start), self.loop))
        assert is_there.wait(60)
        return started[0]

    def close(self) -> None:
        for one in reversed(self.serving):
            one.cancel()
            with suppress(BaseException):
                one.result(30)
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(30)


def listening() -> set[str]:
    """The addresses on which this process listens."""
    return {c.laddr.ip for c in psutil.Process().net_connections("inet") if c.status == psutil.CONN_LISTEN}


@pytest.fixture(scope="module")
def campaign() -> Iterator[Campaign]:
    at_worker.code_version()
    before = listening()
    made = Campaign(Access("127.0.0.1", 0))
    assert listening() - before <= {"127.0.0.1"}, "nothing is open to the network that nobody asked for"
    yield made
    made.close()


@pytest.fixture(autouse=True)
def doubling(monkeypatch: pytest.MonkeyPatch) -> Doubling:
    made = Doubling()
    monkeypatch.setattr(at_worker.targets, "open_target", lambda name, **options: made)
    monkeypatch.setattr(at_worker, "_kept", type(at_worker._kept)())
    return made


@contextmanager
def elsewhere(campaign: Campaign) -> Iterator[Elsewhere]:
    place = Elsewhere(campaign.access, lambda line: None)
    try:
        yield place
    finally:
        place.close()


def test_the_runs_are_those_of_the_jobs_and_each_is_run_once(campaign: Campaign, doubling: Doubling):
    asked = [*jobs(60), *jobs(4, LARGE_BYTES)]
    with elsewhere(campaign) as place, place.open_target(NAME) as target:
        assert target.identity == doubling.identity
        assert same(target.run_many(asked), asked)
    assert sum(doubling.ran.values()) == len(asked)


def test_names_are_those_of_what_the_workers_have(campaign: Campaign):
    with elsewhere(campaign) as place:
        assert place.resolve(["gpu", "cpu", "gpu+buffers@Mali-G610"]) == [NAME, "cpu", f"{NAME}+buffers@Mali-G610"]
        assert place.resolve(["adb"], "all") == [*PHONES]
        assert place.gpus_and_phones() == [NAME, *PHONES]
        for name, said in (
            ("gpu:lavapipe", "has gpu:lavapipe"),
            ("adb:o", "has adb:o"),
            ("gpu:doublin", "did you mean"),
        ):
            with pytest.raises(TargetUnavailable, match=rf"{said}.*w1: gpu:doubling, cpu; w2: gpu:doubling, cpu, adb"):
                place.resolve([name])


class Hanging(Doubling):
    """Runs nothing until it is stopped."""

    def __init__(self) -> None:
        super().__init__()
        self.has_begun, self.is_stopped = threading.Event(), threading.Event()

    def deactivate_impl(self) -> None:
        self.is_stopped.set()

    def run_many_impl(self, jobs: Iterable[Job]) -> Iterator[Run]:
        self.has_begun.set()
        assert self.is_stopped.wait(60), "nobody stopped it"
        yield from super().run_many_impl(jobs)


def test_what_nobody_waits_for_any_more_is_stopped_where_it_runs(campaign: Campaign, monkeypatch: pytest.MonkeyPatch):
    hanging = Hanging()
    monkeypatch.setattr(at_worker.targets, "open_target", lambda name, **options: hanging)
    with elsewhere(campaign) as place, place.open_target(NAME) as target:
        stream = target.run_many(jobs(1))
        asking = threading.Thread(target=lambda: next(stream, None), daemon=True)
        asking.start()
        assert hanging.has_begun.wait(60)
        assert not hanging.is_stopped.is_set()
        target.deactivate()
        assert hanging.is_stopped.wait(60)


class Waiting(Doubling):
    """A phone that runs a job only while the other one runs one too."""

    def __init__(self, meeting: threading.Barrier) -> None:
        super().__init__()
        self.meeting = meeting

    def run_many_impl(self, jobs: Iterable[Job]) -> Iterator[Run]:
        for run in super().run_many_impl(jobs):
            self.meeting.wait(60)
            yield run


def test_the_phones_of_a_worker_run_side_by_side(campaign: Campaign, monkeypatch: pytest.MonkeyPatch):
    meeting = threading.Barrier(2)
    phones = {name: Waiting(meeting) for name in PHONES}
    monkeypatch.setattr(at_worker.targets, "open_target", lambda name, **options: phones[name])
    asked = jobs(60)
    with elsewhere(campaign) as place:

        def work(name: str) -> bool:
            with place.open_target(name) as target:
                return same(target.run_many(asked), asked)

        assert [lane.value for lane in side_by_side(PHONES, work)] == [True, True]
    assert all(sum(phone.ran.values()) == len(asked) for phone in phones.values())


def test_what_ends_one_lane_with_a_bug_ends_those_that_wait_for_workers(
    campaign: Campaign, monkeypatch: pytest.MonkeyPatch
):
    hanging = Hanging()
    monkeypatch.setattr(at_worker.targets, "open_target", lambda name, **options: hanging)
    with elsewhere(campaign) as place:

        def work(name: str) -> list[Run]:
            if name == PHONES[0]:
                assert hanging.has_begun.wait(60)
                raise ZeroDivisionError
            with place.open_target(name) as target:
                return list(target.run_many(jobs(1)))

        with pytest.raises(ZeroDivisionError):
            side_by_side(PHONES, work)
    assert hanging.is_stopped.wait(60), "its job goes on at the worker"


def test_bytes_go_to_a_worker_once_and_are_known_by_their_hash(campaign: Campaign):
    with Engine(campaign.access) as opened:
        data = {"sha": b"x" * LARGE_BYTES}
        first, second = (opened.submit(dict, {"n": n}, carried=None, name="t") for n in (1, 2))
        assert (first.result(), second.result()) == ({"n": 1}, {"n": 2})
        one = opened.submit(_same_object, carried=data, at=opened.workers(now=True)[0].address)
        two = opened.submit(_same_object, carried=data, at=opened.workers()[0].address)
        assert one.result() == two.result()


def test_what_was_carried_is_kept_up_to_a_limit_and_arrives_all_the_same(
    campaign: Campaign, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(engine, "CARRIED_BYTES", 2 * LARGE_BYTES)
    with Engine(campaign.access) as opened:
        asked = [opened.submit(_lengths, carried={f"sha {n}": b"x" * (LARGE_BYTES + n)}) for n in range(6)]
        assert [ticket.result() for ticket in asked] == [[LARGE_BYTES + n] for n in range(6)]
        assert list(opened._carried) == ["sha 5"]


def _lengths(carried: dict[str, bytes]) -> list[int]:
    return [len(data) for data in carried.values()]


def _same_object(carried: dict[str, bytes]) -> int:
    return id(carried["sha"])


def test_a_task_that_needs_what_nobody_has_waits_and_can_be_given_up(campaign: Campaign):
    with Engine(campaign.access) as opened:
        ticket = opened.submit(int, needs=["gpu:nobody", CORES])
        opened.wait(0.2)
        assert not ticket.is_done
        ticket.give_up()


def test_what_a_task_raises_comes_back_and_is_no_loss(campaign: Campaign):
    with Engine(campaign.access) as opened, pytest.raises(ZeroDivisionError):
        opened.submit(divmod, 1, 0).result()
    assert not issubclass(ZeroDivisionError, Lost)


def test_where_no_scheduler_answers_it_says_how_to_start_one(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(engine, "CONNECT_S", 0.2)
    with Engine(Access("127.0.0.1", 9)) as opened, pytest.raises(TargetUnavailable, match="repro scheduler"):
        opened.workers()


def test_what_listens_there_and_says_nothing_is_waited_for_a_while(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(engine, "CONNECT_S", 0.2)
    monkeypatch.setattr(engine, "_SILENT_S", 0.1)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        at = Access("127.0.0.1", silent.getsockname()[1])
        with Engine(at) as opened, pytest.raises(TargetUnavailable, match="listens there says nothing"):
            opened.workers()


def test_with_a_secret_only_those_who_know_it_are_heard(tmp_path: Path):
    files = [tmp_path / name for name in ("mine", "other")]
    for file in files:
        make_secret(file)
    guarded = Campaign(access("tcp://127.0.0.1:0", secret_file=files[0]))
    try:
        asked = jobs(3)
        with elsewhere(guarded) as place, place.open_target(NAME) as target:
            assert same(target.run_many(asked), asked)
        address = f"tcp://127.0.0.1:{guarded.access.port}"
        for stranger in (access(address, secret_file=files[1]), access(address)):
            with (
                Engine(stranger) as opened,
                pytest.raises(TargetUnavailable, match=r"no scheduler .*answers"),
            ):
                opened.workers()
    finally:
        guarded.close()


def test_a_port_that_is_taken_is_one_line(campaign: Campaign):
    with pytest.raises(BadInput, match=r"cannot be listened on \(.*already in use"):
        engine.serve_scheduler(campaign.access, lambda address: None)


@pytest.mark.parametrize(
    ("name", "runtime", "asked", "sent"),
    [
        ("gpu:lavapipe", None, runtime_of(None).version, True),
        ("cpu", None, runtime_of(None).version, True),
        ("cpu", "web-2.5.3", "web-2.5.3", False),
        ("gpu:web", None, None, False),
        ("gpu:web@Mali-G610", "web-2.5.2", "web-2.5.2", False),
        ("gpu:pocl", None, None, False),
        ("adb:one", None, None, False),
    ],
)
def test_a_runtime_of_litert_is_this_machine_s_and_every_other_one_the_worker_s(
    name: str, runtime: str | None, asked: str | None, sent: bool
):
    order = Elsewhere(Access("127.0.0.1", 9), lambda line: None).open_target(name, runtime=runtime)._order
    assert (order.runtime, bool(order.sent)) == (asked, sent)
