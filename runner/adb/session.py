"""A stay on a device: what it needs is put there, batches are run, and what was put there is taken away.

Layout on the device, under /data/local/tmp/mali-delegate-repro:

    runner-<sha>/batch_runner      shared by all stays, named by content
    litert-<sha>/*.so              shared, named by content
    stay-<id>/objects/<sha256>     models and inputs of this stay
    stay-<id>/batch-<n>/           manifest, pack, results, out/<number>

One runner stays for as long as the connection (`runner.adb.resident`); where the device's shell is too old for that,
or the runner, each batch is pushed and has a process of its own.

Key insight: nothing is skipped because it seems to be there. Libraries are compared by sha256, models
and inputs are hashed by the runner before each use, outputs are hashed before they are believed.
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from runner.adb.link import DeviceLink, FileRefused, Lost, StorageFull
from runner.adb.manifest import BatchCase, BatchLimits, manifest_text, pack, total_seconds
from runner.adb.native_runner import ROOT, Killed, NativeRunner, cannot_start
from runner.adb.resident import can_stay
from runner.adb.results import CaseLine, EventLine, Garbage, parse_line, split_outputs
from runner.adb.room import Room
from runner.cache import file_sha256
from runner.deadline import deadline_s
from runner.errors import DeviceFailed, TargetUnavailable
from runner.run import Job, Outputs


@dataclass(frozen=True)
class Supplies:
    """What a device needs to run anything.

    note: why the runner is not the supported build, or empty. options: of the delegate, which these libraries need.
    patience: how many times the usual deadline a job may take.
    """

    runner: Path
    libraries: Mapping[str, Path]
    version: str
    note: str = ""
    options: Mapping[str, str | int | bool] = field(default_factory=dict)
    patience: float = 1.0

    @property
    def sha256(self) -> dict[str, str]:
        return {name: file_sha256(path) for name, path in sorted(self.libraries.items())}

    def fitted(self, job: Job) -> Job:
        """The job as it runs with these supplies: their options beneath its own, and the time that they need."""
        deadline = deadline_s(job) * (self.patience if job.deadline_s is None else 1.0)
        return replace(job, options={**self.options, **job.options}, deadline_s=deadline)


@dataclass(frozen=True)
class CaseAnswer:
    """One case's answer: its line, and its outputs where it ran."""

    case: BatchCase
    line: CaseLine
    outputs: Outputs


class Stay:
    """See the module's docstring. patience_s: how long to wait for a lost device before giving up.

    resident: whether the runner stays where it can; without, each batch has a push and a process of its own.
    """

    def __init__(
        self,
        link: DeviceLink,
        supplies: Supplies,
        *,
        patience_s: float = 60.0,
        memory_mb: int = 0,
        per_child: int = 64,
        resident: bool = True,
        say: Callable[[str], None] = lambda line: None,
    ) -> None:
        self.link = link
        self.supplies = supplies
        self.patience_s = patience_s
        self._memory_mb = memory_mb
        self._per_child = per_child
        self._may_stay = resident
        self._say = say
        self._home = f"{ROOT}/stay-{uuid.uuid4().hex[:12]}"
        self._room = Room(link, self._home)
        self._runner: NativeRunner | None = None
        runner_sha = hashlib.sha256(supplies.runner.read_bytes()).hexdigest()
        libraries_sha = hashlib.sha256(repr(sorted(supplies.sha256.items())).encode()).hexdigest()
        self._runner_sha = runner_sha
        self.runner_path = f"{ROOT}/runner-{runner_sha[:16]}/batch_runner"
        self.library_dir = f"{ROOT}/litert-{libraries_sha[:16]}"
        self._clocks: list[float] = []

    @property
    def home(self) -> str:
        """This stay's own folder on the device."""
        return self._home

    # -- putting things there

    def prepare(self) -> None:
        """Put runner and libraries there unless they are, byte for byte. Raises TargetUnavailable or DeviceFailed."""
        if self.link.run([self.runner_path, "version"]).code != 0:
            self.place(self.supplies.runner.read_bytes(), self.runner_path, 0o755)
        started = self.link.run([self.runner_path, "version"])
        if started.code != 0:
            raise TargetUnavailable(cannot_start(self.link, started.code, started.output + started.errors))
        stays = self._may_stay and can_stay(self.link, started.output)
        self._runner = NativeRunner(self.link, self.runner_path, self.library_dir, self._home, stays)
        wanted = {
            f"{self.library_dir}/{name}": (self.supplies.sha256[name], path)
            for name, path in self.supplies.libraries.items()
        }
        wanted[self.runner_path] = (self._runner_sha, self.supplies.runner)
        held = self._hashes(list(wanted))
        for path, (sha, source) in wanted.items():
            if held.get(path) != sha:
                self._say(f"pushing {source.name} ({source.stat().st_size / 1e6:.1f} MB) to {self.link.serial}")
                self.place(source.read_bytes(), path, 0o755)
        wrong = [path for path, sha in self._hashes(list(wanted)).items() if sha != wanted[path][0]]
        if wrong:
            raise DeviceFailed(
                f"device {self.link.serial} holds other bytes than were pushed ({wrong[0]}); its storage may be failing"
            )
        made = self.link.run(["mkdir", "-p", f"{self._home}/objects"])
        if made.code != 0:
            raise DeviceFailed(
                f"device {self.link.serial} makes no folder under {ROOT}: {made.errors.strip() or made.output.strip()}"
            )

    def place(self, data: bytes, path: str, mode: int) -> None:
        """Push under another name, then rename: a cut push never has the name of a whole file."""
        self.link.push(data, path + ".part", mode)
        moved = self.link.run(["mv", "-f", path + ".part", path])
        if moved.code != 0:
            raise FileRefused(
                f"device {self.link.serial} refused {path}: {moved.errors.strip() or moved.output.strip()}"
            )

    def _hashes(self, paths: Sequence[str]) -> dict[str, str]:
        output = self.link.run([self.runner_path, "sha256", *paths], timeout_s=120).output
        pairs = [line.split("  ", 1) for line in output.splitlines() if "  " in line]
        return {path if path in paths else _by_name(path, paths): sha for sha, path in pairs}

    # -- running

    def run_batch(self, cases: Sequence[BatchCase]) -> Iterator[CaseAnswer]:
        """Answers in the order of the cases, each as soon as it is here and verified.

        A device that goes away is awaited; what it had finished is fetched, the rest runs again.
        Raises DeviceFailed if it stays away, or fails twice without a new answer in between.
        """
        pending = list(cases)
        fruitless = 0
        unread = ""
        while pending:
            before = len(pending)
            try:
                if unread:
                    for answer in self._finished_in(unread, pending):
                        pending.remove(answer.case)
                        yield answer
                    unread = ""
                if not pending:
                    return
                number, unread = self._room.new_batch()
                for answer in self._follow(number, unread, pending):
                    pending.remove(answer.case)
                    yield answer
                unread = ""
            except (Lost, Killed, _Damaged) as error:
                fruitless = fruitless + 1 if len(pending) == before else 0
                done = len(cases) - len(pending)
                kept = f"{done} of {len(cases)} results of this batch are kept; run again (--resume) for the rest"
                if fruitless >= 2:
                    raise DeviceFailed(
                        f"{error}, twice without a new result ({pending[0].job.name} was in flight); {kept}"
                    ) from error
                self._say(f"{error}; waiting for it")
                if not self.link.await_back(self.patience_s):
                    raise DeviceFailed(
                        f"{error} and did not come back within {self.patience_s:.0f} s; {kept}"
                    ) from error
                if isinstance(error, _Damaged):
                    self._room.distrust()

    def _follow(self, number: int, folder: str, cases: Sequence[BatchCase]) -> Iterator[CaseAnswer]:
        """Have the runner run the cases and pass on what it says, until the batch has ended."""
        by_number = {case.number: case for case in cases}
        objects: dict[str, bytes] = {}
        for case in cases:
            objects.update(case.objects())
        missing = self._room.lacks(objects)
        limits = BatchLimits(total_seconds(cases), self._memory_mb, self._per_child)
        manifest = manifest_text(cases, limits).encode()
        runner = self._runner
        if runner is None:
            raise TargetUnavailable(f"nothing is on device {self.link.serial} yet; prepare the stay first")
        with closing(runner.run(number, manifest, pack(missing), cases)) as said, self.link.pulls() as pull:
            for line, outputs in said:
                if isinstance(line, EventLine):
                    self._event(line)
                    if line.event == "start":
                        self._room.took(missing)
                        self._clocks.append(float(line.values["clock"]))
                elif line.number in by_number:
                    yield self._answer(folder, by_number[line.number], line, pull, outputs)

    def _event(self, line: EventLine) -> None:
        if line.event != "error":
            return
        serial, said = self.link.serial, line.message
        if line.kind == "disk_full":
            raise StorageFull(
                f"the storage of device {serial} is full ({said}); free some room and run again (results are kept)"
            )
        if line.kind == "missing_library":
            raise TargetUnavailable(
                f"a LiteRT library is missing on device {serial} ({said}); run `repro device setup`"
            )
        if line.kind == "wrong_abi":
            raise TargetUnavailable(
                f"the LiteRT libraries are built for another ABI than device {serial} ({said}); "
                f"run `repro device setup`"
            )
        if line.kind == "noexec":
            raise TargetUnavailable(
                f"libraries under {ROOT} on device {serial} may not be executed ({said}); noexec mount"
            )
        if line.kind in ("bad_library", "no_start"):
            raise TargetUnavailable(f"LiteRT does not start on device {serial}: {said}; run `repro device setup` again")
        if line.kind == "storage" and "damaged push" in said:
            raise _Damaged(f"what device {serial} received is not what was sent ({said})")
        if line.kind == "deadline":
            raise DeviceFailed(
                f"device {serial}: {said}; results until then are kept, run again (--resume) for the rest"
            )
        raise DeviceFailed(f"device {serial}: {line.kind}: {said}")

    def _answer(
        self,
        folder: str,
        case: BatchCase,
        line: CaseLine,
        pull: Callable[[str], bytes],
        came_along: bytes | None = None,
    ) -> CaseAnswer:
        self._clocks.append(line.clock)
        if line.status == "damaged_object":
            raise _Damaged(f"an object on device {self.link.serial} is damaged ({line.message})")
        if line.status == "disk_full":
            raise StorageFull(
                f"the storage of device {self.link.serial} is full ({line.message}); "
                f"free some room and run again (results are kept)"
            )
        if line.status == "storage":
            raise DeviceFailed(f"device {self.link.serial} cannot write outputs: {line.message}")
        outputs: Outputs = ()
        if line.status == "ok":
            data = pull(f"{folder}/out/{case.number}") if came_along is None else came_along
            outputs = split_outputs(line, len(case.job.feeds), data)
            self._room.left(len(data))
        return CaseAnswer(case, line, outputs)

    def _finished_in(self, folder: str, cases: Sequence[BatchCase]) -> Iterator[CaseAnswer]:
        """What an interrupted batch had finished: the runner keeps its lines on the device too."""
        try:
            kept = self.link.pull(f"{folder}/results")
        except FileRefused:
            return  # it had not begun
        by_number = {case.number: case for case in cases}
        for data in kept.split(b"\n")[:-1]:
            # A torn or foreign line, outputs of a torn write, an object found damaged: that case runs again.
            with suppress(Garbage, _Damaged):
                line = parse_line(data)
                if isinstance(line, CaseLine) and line.number in by_number:
                    answer = self._answer(folder, by_number.pop(line.number), line, self.link.pull)
                    yield answer

    def take_clock_jump_s(self) -> float:
        """How far the wall clock moved against the monotonic one since this was last asked, in seconds."""
        jump = max(self._clocks) - min(self._clocks) if self._clocks else 0.0
        self._clocks = self._clocks[-1:]
        return jump

    # -- taking away

    def clean(self) -> None:
        """Remove what this stay pushed and made, and nothing else. Runner and libraries stay for the next one."""
        if self._runner is not None:
            self._runner.close()
        self._room.remove()


class _Damaged(DeviceFailed):
    """Something arrived or was kept wrongly: push everything again."""


def _by_name(path: str, paths: Sequence[str]) -> str:
    """The asked path for the path a device printed (the loopback's sandbox has another prefix)."""
    return next((asked for asked in paths if path.endswith(asked)), path)
