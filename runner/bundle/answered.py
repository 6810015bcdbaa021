"""What came back of a bundle, as a target: it answers jobs with what the device answered to them.

Key insight: judging, expectations, tables and journals ask a target, and need not know that the device is somewhere
else and has finished. What is asked is made anew here, so an answer counts only for the very model and inputs.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator
from functools import cached_property

from runner.adb.model_ends import read_ends
from runner.adb.properties import describe, parse_getprop, parse_thermal
from runner.adb.results import CaseLine, EventLine, Garbage, parse_line, split_outputs
from runner.adb.target import adapter_of, run_of
from runner.bundle.archive import ResultsArchive
from runner.bundle.contents import SELF_TEST, BundledRun, batch_folder, read_contents
from runner.bundle.kinds import CPU, KINDS
from runner.bundle.write import feed_hashes, self_test
from runner.errors import BadInput, TargetUnavailable
from runner.host.vulkan import adapter_key, logged_adapter
from runner.host.worker_process import last_line
from runner.opencl.android_runtime import is_android
from runner.opencl.drivers import is_opencl
from runner.residency import not_resident
from runner.run import Fingerprint, Job, Outputs, Run
from runner.target import Target

MOST_LINE = 1 << 20
"""Bytes of a line of results: a log of 64 KiB, each byte of which may take six."""
_OF_THE_DEVICE = ("damaged_object", "disk_full", "storage")


class AnsweredTarget(Target):
    """One results archive. Raises BadInput naming the file in it that no bundle writes or that was changed.

    device: what the device says of itself, as in fingerprints; `measured_on` is its own date, or empty.
    """

    def __init__(self, archive: ResultsArchive) -> None:
        self._archive = archive
        self.contents = read_contents(archive.read("bundle.json"), str(archive.path))
        if self.contents.device not in KINDS:
            raise archive.refused("bundle.json", f"there is no kind of device '{self.contents.device}'")
        self.kind = KINDS[self.contents.device]
        properties = parse_getprop(archive.read("device").decode("utf-8", "replace"))
        properties = {key: _plain(value) for key, value in properties.items()}
        self.device = describe(properties, properties.get("bundle.gles", ""))
        date = properties.get("bundle.date", "")
        self.measured_on = date if re.fullmatch(r"\d{4}-\d\d-\d\d", date, re.ASCII) else ""
        if self.contents.note:
            self.device["runner"] = self.contents.note
        self._lines = self._read_lines()
        self._numbers = {(run.case, str(run.precision)): n for n, run in enumerate(self.contents.runs)}
        if len(self._numbers) != len(self.contents.runs):
            raise archive.refused("bundle.json", "it lists one model twice in the same precision")
        self.name = self._named()
        self.identity = "|".join((self.name, "bundle", self.contents.id, archive.digest))

    @property
    def device_model(self) -> str:
        """Of a phone, for its expectations; empty for a Linux machine, whose driver has some."""
        return self.device.get("model", "") if self.kind.is_android else ""

    @property
    def answered(self) -> tuple[BundledRun, ...]:
        """The runs that came to an end, in the bundle's order, without the self-test."""
        return tuple(run for n, run in enumerate(self.contents.runs) if n in self._lines and n != SELF_TEST)

    @property
    def unanswered(self) -> tuple[BundledRun, ...]:
        return tuple(run for n, run in enumerate(self.contents.runs) if n not in self._lines)

    def fully_accelerated(self, run: BundledRun) -> bool | None:
        """What the runtime said of an answered run."""
        return self._lines[self._numbers[run.case, str(run.precision)]].fully_accelerated

    @cached_property
    def adapter(self) -> str:
        """The adapter of a Linux machine, from the log of the self-test, or what a phone says of itself."""
        if self.kind.is_android:
            return adapter_of(self.device)
        return logged_adapter(self._lines[SELF_TEST].log) if SELF_TEST in self._lines else ""

    def _named(self) -> str:
        if self.contents.accelerator == CPU:
            return CPU
        if not self.kind.is_android and is_android(self.contents.runtime):
            # The delegate names no device; PoCL 3.1 names itself in what the device says of its driver.
            key = self.device.get("gpu_driver", "").partition(" ")[0].lower()
            return f"gpu:{key if is_opencl(key) else 'opencl'}"
        if not self.kind.is_android:
            return f"gpu:{adapter_key(self.adapter, self.adapter)}"
        return f"adb:{re.sub('[^a-z0-9]+', '-', self.device_model.lower()).strip('-') or 'unnamed'}"

    def activate_impl(self) -> None:
        """Raises TargetUnavailable where the device got a sum wrong, so that nothing else it says is believed."""
        line = self._lines.get(SELF_TEST)
        test = self_test().job
        if line is None or line.status != "ok":
            ended = f"{line.status}: {line.message}; its log ends: {last_line(line.log)}" if line else "did not run"
            raise TargetUnavailable(
                f"{self._archive.path}: the self-test on {self.name}: {ended}; nothing else is believed"
            )
        ((got,),) = self._outputs(test, SELF_TEST, line)
        if got.tolist() != [5.0] * 4:
            raise TargetUnavailable(
                f"{self._archive.path}: 1+4, 2+3, 3+2, 4+1 came out as {got.tolist()} on {self.name}; nothing else is "
                "believed"
            )

    def deactivate_impl(self) -> None:
        """There is nothing to stop; the archive is closed by whoever opened it."""

    def run_many_impl(self, jobs: Iterable[Job]) -> Iterator[Run]:
        """The device's answers. Raises BadInput for a job that the bundle did not hold, or that was not answered."""
        for job in jobs:
            number = self._numbers.get((job.name, str(job.precision)))
            line = None if number is None else self._lines.get(number)
            if number is None or line is None:
                raise BadInput(f"{self._archive.path}: {job.name} did not run in {job.precision} there")
            asked = self.contents.runs[number]
            if (job.model_sha256, feed_hashes(job)) != (asked.model, asked.feeds):
                raise self._archive.refused("bundle.json", f"{job.name} has another model or other inputs here")
            outputs = self._outputs(job, number, line) if line.status == "ok" else ()
            yield run_of(job, line, outputs, self._fingerprint(job, number), self._not_resident(line))

    def _fingerprint(self, job: Job, number: int) -> Fingerprint:
        thermal = "unknown"
        path = f"{batch_folder(self.contents.batch_of[number])}/thermal"
        if path in self._archive:
            thermal = parse_thermal(f"Thermal Status: {self._archive.read(path).decode('ascii', 'replace')}")
        return Fingerprint(
            target=self.name,
            runtime=self.contents.runtime,
            libraries=self.contents.libraries,
            driver=self.device.get("gpu_driver", ""),
            adapter=self.adapter,
            precision=str(job.precision),
            model_sha256=job.model_sha256,
            device={**self.device, "bundle": self.contents.id, "thermal_before": thermal},
        )

    def _not_resident(self, line: CaseLine) -> str:
        if self.contents.accelerator == CPU:
            return ""
        over_webgpu = not self.kind.is_android and not is_android(self.contents.runtime)
        return not_resident(line.log, line.fully_accelerated, loopback=over_webgpu)

    def _outputs(self, job: Job, number: int, line: CaseLine) -> Outputs:
        """Outputs of the shapes that the model here declares, or BadInput before any is made."""
        name = f"{batch_folder(self.contents.batch_of[number])}/out/{number}"
        ends = read_ends(job.model)
        declared = [(shape, dtype) for (_, shape), dtype in zip(ends.outputs, ends.dtypes, strict=True)]
        given = [(info.shape, info.dtype) for info in line.outputs]
        if given != declared:
            raise self._archive.refused(name, f"{job.name} is said to give {given}, the model's outputs are {declared}")
        wanted = len(job.feeds) * sum(info.nbytes for info in line.outputs)
        if name not in self._archive or self._archive.size(name) != wanted:
            have = f"has {self._archive.size(name)} bytes" if name in self._archive else "is missing"
            raise self._archive.refused(name, f"it {have}, the outputs of {job.name} are {wanted} bytes")
        try:
            return split_outputs(line, len(job.feeds), self._archive.read(name))
        except Garbage as error:
            raise self._archive.refused(name, "it is not what the runner wrote for it (sha256)") from error

    def _read_lines(self) -> dict[int, CaseLine]:
        """Number -> how that run ended. What the device itself failed at, a full disk, is no answer."""
        found: dict[int, CaseLine] = {}
        first = 0
        for batch, count in enumerate(self.contents.batches):
            name = f"{batch_folder(batch)}/results"
            numbers = range(first, first + count)
            first += count
            if name not in self._archive:
                continue
            for line in self._archive.read(name).split(b"\n")[:-1]:  # a last line without its end was cut off
                said = self._parsed(name, line)
                if said.number not in numbers or said.number in found:
                    raise self._archive.refused(name, f"it says {said.number}, which is none of its runs, or twice")
                found[said.number] = said
        return {number: line for number, line in found.items() if line.status not in _OF_THE_DEVICE}

    def _parsed(self, name: str, line: bytes) -> CaseLine:
        if len(line) > MOST_LINE:
            raise self._archive.refused(name, f"a line of {len(line)} bytes, at most {MOST_LINE} are read")
        try:
            said = parse_line(line)
        except (Garbage, RecursionError, OverflowError) as error:
            raise self._archive.refused(name, f"the runner does not write {line[:60]!r}") from error
        if isinstance(said, EventLine) or not all(map(math.isfinite, said.stages.values())):
            raise self._archive.refused(name, f"the runner does not write {line[:60]!r}")
        return said


def _plain(value: str) -> str:
    """A property as it may stand in any file and name: one short line of printable ASCII."""
    return "".join(c if " " <= c <= "~" else "?" for c in " ".join(value.split()))[:120]
