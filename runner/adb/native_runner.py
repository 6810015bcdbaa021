"""The native runner on a device: asked for a batch, whether it stays or is started for it, and what its end means."""

from __future__ import annotations

from collections.abc import Sequence

from runner.adb.conversation import Ended
from runner.adb.link import STDERR, STDOUT, DeviceLink, Lost
from runner.adb.manifest import BatchCase, total_seconds
from runner.adb.resident import Resident, Said
from runner.adb.results import CaseLine, EventLine, Garbage, parse_line
from runner.deadline import deadline_s
from runner.encoding import shell_command
from runner.errors import DeviceFailed, TargetUnavailable

ROOT = "/data/local/tmp/mali-delegate-repro"
_START_ALLOWANCE_S = 150.0
_ERRORS_KEPT = 4096


class Killed(DeviceFailed):
    """The runner was killed from outside: out of memory, or by the system."""


def batch_folder(home: str, number: int) -> str:
    """Where a batch of a stay lies on the device."""
    return f"{home}/batch-{number}"


class NativeRunner:
    """The runner of one stay. home: the stay's folder, which holds `objects`. stays: or is started for each batch."""

    def __init__(self, link: DeviceLink, path: str, library_dir: str, home: str, stays: bool) -> None:
        self._link = link
        self._path = path
        self._library_dir = library_dir
        self._home = home
        self._stays = stays
        self._resident: Resident | None = None

    def run(self, number: int, manifest: bytes, objects: bytes, cases: Sequence[BatchCase]) -> Said:
        """What it says of a batch, until that has ended. objects: the pack of what is not on the device.

        Raises Lost, Garbage, Killed; TargetUnavailable where it does not start. What is closed before its end costs
        the runner that stays.
        """
        return (self._ask_resident if self._stays else self._run_once)(number, manifest, objects, cases)

    def close(self) -> None:
        """Let go of one that stays. Safe to call twice."""
        if self._resident is not None:
            self._resident.finish()
            self._resident = None

    def _ask_resident(self, number: int, manifest: bytes, objects: bytes, cases: Sequence[BatchCase]) -> Said:
        # The last case's line comes behind the batch's end: whoever wants no more leaves a runner at rest.
        held = None
        left = {case.number for case in cases}
        resident = self._take_resident(number, manifest, objects)
        try:
            for line, outputs in resident.answers(total_seconds(cases) + 60.0, _silence_s(cases)):
                if isinstance(line, CaseLine):
                    left.discard(line.number)
                    if not left:
                        held = line, outputs
                        continue
                yield line, outputs
            self._resident = resident
        except Ended as ended:
            stray = b"\n".join(resident.stray).decode("utf-8", "replace")
            self._exit(ended.code, False, stray + ended.errors)
        finally:
            if self._resident is not resident:
                resident.close()
        if held is not None:
            yield held

    def _take_resident(self, number: int, manifest: bytes, objects: bytes) -> Resident:
        """The runner that stays, or a new one, with the batch on its way to it."""
        resident, self._resident = self._resident, None
        if resident is not None:
            try:
                resident.send(number, manifest, objects)
                return resident
            except Lost:  # a cable that was out and is back ended it while nothing was asked of it
                resident.close()
        words = [self._path, "serve", self._home, f"{self._home}/objects", self._library_dir]
        resident = Resident(self._link, self._environment + shell_command(words))
        try:
            resident.send(number, manifest, objects)
        except BaseException:
            resident.close()
            raise
        return resident

    def _run_once(self, number: int, manifest: bytes, objects: bytes, cases: Sequence[BatchCase]) -> Said:
        """Two pushes, and a process for this batch alone."""
        folder = batch_folder(self._home, number)
        self._link.push(manifest, f"{folder}/manifest")
        if objects:
            self._link.push(objects, f"{folder}/pack")
        command = [self._path, "run", folder, f"{self._home}/objects", self._library_dir]
        started = ended = False
        errors = b""
        stray: list[bytes] = []
        seconds = total_seconds(cases) + 60.0
        for kind, data in self._link.lines(command, seconds, _silence_s(cases), self._environment):
            if kind == STDERR:
                errors = (errors + data)[-_ERRORS_KEPT:]
            elif kind == STDOUT and not data.strip():
                continue
            elif kind == STDOUT and not started and not data.startswith(b"{"):
                stray.append(data)  # the shell's own words where the runner did not even start
            elif kind == STDOUT:
                line = parse_line(data)
                if isinstance(line, EventLine):
                    started, ended = started or line.event == "start", ended or line.event == "end"
                yield line, None
            else:
                self._exit(data[0], ended, (b"\n".join(stray) + errors).decode("utf-8", "replace"))

    @property
    def _environment(self) -> str:
        return f"LD_LIBRARY_PATH={self._library_dir} "

    def _exit(self, code: int, ended: bool, said: str) -> None:
        if code == 0 and ended:
            return
        said = said.strip()
        if code in (126, 127):
            raise TargetUnavailable(cannot_start(self._link, code, said))
        if code > 128:
            raise Killed(
                f"the runner on device {self._link.serial} was killed by signal {code - 128} "
                f"(out of memory, or by the system)"
            )
        raise Garbage(
            f"the runner on device {self._link.serial} ended with exit code {code} and without its last line"
            f"{': ' + said.splitlines()[0] if said else ''}; results until then are kept, run again"
        )


def _silence_s(cases: Sequence[BatchCase]) -> float:
    """The longest pause of a runner that works."""
    return 2 * max(deadline_s(case.job) for case in cases) + _START_ALLOWANCE_S


def cannot_start(link: DeviceLink, code: int, said: str) -> str:
    """Why a runner that ended with this code and these words did not start, and what to do."""
    where = f"on device {link.serial}"
    text = said.strip().splitlines()[0] if said.strip() else f"exit code {code}"
    lowered = text.lower()
    if any(hint in lowered for hint in ("exec format", "not executable", "wrong elf", "syntax error", "e_machine")):
        return f"the runner is built for another ABI than the device's ({text}); run `repro device setup` for its ABI"
    if "permission denied" in lowered or code == 126:
        return (
            f"nothing may be executed under {ROOT} {where} (noexec mount or no execute permission: {text}); "
            f"use a device whose /data/local/tmp is executable"
        )
    if code == 127 or "not found" in lowered or "no such file" in lowered:
        return (
            f"the runner does not start {where}: its dynamic linker or a library is missing ({text}); "
            f"it may be built for another ABI"
        )
    return f"the runner does not start {where}: {text}"
