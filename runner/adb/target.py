"""The adb target: a phone (LITERT_CL over adb), or the loopback device (a GPU of this host, as every result says).

`adb` is the only device attached or $ANDROID_SERIAL; `adb:SERIAL` names one; `adb:loopback` starts a loopback device
for the life of the target, with WebGPU over lavapipe, and `adb:loopback:pocl` one with LITERT_CL over PoCL.
`device=` of `open_target` gives the same choice.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice

import numpy as np

from runner.adb import build
from runner.adb.android import android_libraries
from runner.adb.devices import serial_tag, settled
from runner.adb.link import DeviceLink
from runner.adb.loopback.device import LoopbackDevice, device_gpu
from runner.adb.loopback.name import LOOPBACK, loopback_gpu
from runner.adb.manifest import BatchCase
from runner.adb.properties import describe, read_gles, read_properties, read_thermal
from runner.adb.results import CaseLine
from runner.adb.server import AdbServer, default_server
from runner.adb.session import CaseAnswer, Stay, Supplies
from runner.delegate_settings import NO_SETTINGS, Settings
from runner.encoding import one_line
from runner.errors import BadInput, DeviceFailed, TargetUnavailable
from runner.host.gpu import HostGpu, runtime_for
from runner.host.pool import explain_refusal
from runner.host.probe import MODEL
from runner.host.worker_process import Reply, last_line
from runner.opencl.android_runtime import OPENCL_ALONE, is_android
from runner.residency import not_resident
from runner.run import Fingerprint, Job, Outcome, Outputs, Run
from runner.target import Target

BATCH_CASES = 64
BATCH_BYTES = 64 << 20
_CLOCK_JUMP_S = 2.0
_THERMAL_S = 10.0
"""How old a thermal status may be: asking for it takes longer than a small case."""
_OUTCOMES = {"ok": Outcome.OK, "refused": Outcome.REFUSED, "crash": Outcome.CRASH, "hang": Outcome.HANG}


@dataclass(frozen=True)
class BatchRecord:
    """What is known once a batch is over. Thermal status in Android's words; clock_jump_s: wall against monotonic."""

    cases: int
    thermal_before: str
    thermal_after: str
    clock_jump_s: float


def android_supplies(abi: str, runtime: str | None, settings: Settings = NO_SETTINGS) -> Supplies:
    """What a phone of that ABI needs: libraries that are set up here, and the runner. Raises TargetUnavailable."""
    version, libraries = android_libraries(abi, runtime)
    runner, note = build.android_runner(abi)
    options = {**(OPENCL_ALONE if is_android(version) else {}), **settings.gpu_options}
    return Supplies(runner, libraries, version, note, options)


def adapter_of(device: Mapping[str, str]) -> str:
    """A phone's adapter, by what it says of itself: model and GPU, or SoC."""
    return " / ".join(filter(None, (device.get("model"), device.get("gpu") or device.get("soc"))))


def run_of(job: Job, line: CaseLine, outputs: Outputs, fingerprint: Fingerprint, not_resident: str) -> Run:
    """What the runner's line says of a job, as a Run. not_resident: why it was not, where it ran; else empty."""
    outcome = _OUTCOMES[line.status]
    message = line.message
    if outcome is Outcome.REFUSED:
        message = explain_refusal(Reply(outcome, message, line.log))
    elif outcome in (Outcome.CRASH, Outcome.HANG):
        message = f"{message}; its log ends: {last_line(line.log)}"
    elif not_resident:
        outcome, message = Outcome.NOT_RESIDENT, not_resident
    return Run(
        name=job.name,
        outcome=outcome,
        fingerprint=fingerprint,
        outputs=outputs,
        output_names=tuple(info.name for info in line.outputs),
        fully_accelerated=line.fully_accelerated,
        stages=line.stages,
        log=line.log,
        message=message,
    )


class AdbTarget(Target):
    """One device.

    settings: of the delegate on a phone; a loopback device's are its GPU's. loopback: this running loopback device,
    instead of starting one. patience_s: how long a lost device is awaited. per_child: cases that share a process there.
    resident: whether the runner there stays for as long as the connection.
    """

    def __init__(
        self,
        serial: str,
        settings: Settings = NO_SETTINGS,
        *,
        runtime: str | None = None,
        server: AdbServer | None = None,
        loopback: LoopbackDevice | None = None,
        supplies: Supplies | None = None,
        patience_s: float = 60.0,
        per_child: int = 64,
        resident: bool = True,
        silence_s: float = 30.0,
        say: Callable[[str], None] | None = None,
    ) -> None:
        self.serial = serial
        # Of a device that runs already, `serial` is the address of its socket.
        self._gpu_name = loopback_gpu(LOOPBACK if loopback is not None else serial)
        self.is_loopback = self._gpu_name is not None
        self.name = f"adb:{LOOPBACK if loopback is not None else serial}{settings}"
        self._settings = settings
        self._runtime = runtime
        self._server = server
        self._loopback = loopback
        self._owns_loopback = loopback is None
        self._supplies = supplies
        self._patience_s = patience_s
        self._per_child = per_child
        self._resident = resident
        self._silence_s = silence_s
        self._say = say or (lambda line: print(one_line(f"adb: {line}"), file=sys.stderr, flush=True))
        self._stay: Stay | None = None
        self._device: dict[str, str] = {}
        self._next = 0
        self._thermal = ("unknown", float("-inf"))
        self.batches: list[BatchRecord] = []

    @property
    def public_name(self) -> str:
        """The name in results: a serial number is replaced by its tag."""
        return self.name if self.is_loopback else f"adb:{serial_tag(self.serial)}{self._settings}"

    @property
    def device_model(self) -> str:
        """For the choice of expectations; known once active."""
        return self._device.get("model", "")

    def read_model(self) -> str:
        """The device's model without activating the target; empty for the loopback. Raises TargetUnavailable."""
        if self.is_loopback:
            return ""
        return describe(read_properties(self._link()), "").get("model", "")

    @property
    def expectations_name(self) -> str:
        """Whose expectations hold: a phone's own, or for the loopback those of the driver underneath."""
        if not self.is_loopback:
            return self.name
        return str(self._gpu().name)

    def _gpu(self) -> HostGpu:
        """What stands behind the loopback device. Raises TargetUnavailable where that is not here."""
        assert self._gpu_name is not None
        return self._loopback.gpu if self._loopback is not None else device_gpu(self._gpu_name)

    @property
    def identity(self) -> str:  # type: ignore[override]
        """Everything but the job that decides a result. Raises TargetUnavailable before activation."""
        stay = self._active()
        libraries = ",".join(f"{name}={sha[:16]}" for name, sha in stay.supplies.sha256.items())
        device = ",".join(f"{key}={value}" for key, value in sorted(self._device.items()))
        decides = self._gpu().decides if self.is_loopback else ""
        return "|".join((self.public_name, stay.supplies.version, libraries, device, *filter(None, [decides])))

    def _active(self) -> Stay:
        if self._stay is None:
            raise TargetUnavailable(f"target {self.name} is not active; use it in a `with` block")
        return self._stay

    @property
    def stay(self) -> Stay:
        """The stay on the device, for measurements and set-up."""
        return self._active()

    def activate_impl(self) -> None:
        """Find the device, put runner and libraries there, run one small model. Raises TargetUnavailable."""
        if self._stay is not None:
            return
        try:
            link = self._link()
            properties = read_properties(link)
            self._device = describe(properties, "" if self.is_loopback else read_gles(link))
            supplies = self._supplies or self._find_supplies(self._device.get("abi", ""))
            if supplies.note:
                self._device["runner"] = supplies.note
            self._stay = Stay(
                link,
                supplies,
                patience_s=self._patience_s,
                per_child=self._per_child,
                resident=self._resident,
                say=self._say,
            )
            self._stay.prepare()
            self._self_test()
        except BaseException:
            self.deactivate_impl()
            raise

    def _link(self) -> DeviceLink:
        if not self.is_loopback:
            server = self._server or default_server()
            return DeviceLink(server, settled(server, self.serial).serial, silence_s=self._silence_s)
        if self._loopback is None:
            self._loopback = LoopbackDevice(gpu=self._gpu())
        serial = self._loopback.connect()
        server = self._loopback.server.address
        settled(server, serial)
        return DeviceLink(server, serial, silence_s=self._silence_s)

    def _find_supplies(self, abi: str) -> Supplies:
        if self.is_loopback:
            gpu = self._gpu()
            chosen = runtime_for(gpu.name, self._runtime)
            options, patience = gpu.all_options, gpu.driver.patience
            return Supplies(build.host_runner(), chosen.loaded, chosen.version, options=options, patience=patience)
        return android_supplies(abi, self._runtime, self._settings)

    def _self_test(self) -> None:
        a = np.array([1, 2, 3, 4], dtype=np.float32)
        job = Job(MODEL.read_bytes(), ((a, a[::-1].copy()),), name="self-test", deadline_s=60.0)
        answer = next(iter(self._active().run_batch([BatchCase(0, self._active().supplies.fitted(job))])))
        if answer.line.status == "ok" and np.array_equal(answer.outputs[0][0], np.full(4, 5, np.float32)):
            return
        if answer.line.status == "ok":
            why = f"1+4, 2+3, 3+2, 4+1 came out as {answer.outputs[0][0].tolist()}"
        else:
            why = f"{answer.line.status}: {answer.line.message}; its log ends: {last_line(answer.line.log)}"
        log = answer.line.log
        if (
            answer.line.status == "refused"
            and "Dynamically loaded GPU" not in log
            and "GPU accelerator registered" not in log
        ):
            why = f"the GPU accelerator library could not be loaded ({why})"
        raise TargetUnavailable(f"target {self.name} does not work: {why}; run `repro device setup` again")

    def deactivate_impl(self) -> None:
        stay, self._stay = self._stay, None
        if stay is not None:
            try:
                stay.clean()
            except DeviceFailed as error:
                self._say(f"{error}: what was pushed could not be removed (`repro device clean` does it later)")
        if self._loopback is not None and self._owns_loopback:
            self._loopback.stop()
            self._loopback = None

    def run_many_impl(self, jobs: Iterable[Job]) -> Iterator[Run]:
        """Runs in the order of the jobs, batch by batch. Raises DeviceFailed where the device is lost for good."""
        stay = self._active()
        stream = iter(jobs)
        while batch := self._batch(stream):
            before = self._thermal_status(stay)
            for answer in stay.run_batch(batch):
                yield self._record(answer, before)
            self._after(stay, before, len(batch))

    def _batch(self, jobs: Iterator[Job]) -> list[BatchCase]:
        batch: list[BatchCase] = []
        size = 0
        for job in islice(jobs, BATCH_CASES):
            if job.companion is not None:
                raise BadInput(f"target {self.name} runs one model at a time; a second one takes a GPU of this host")
            batch.append(BatchCase(self._next, self._active().supplies.fitted(job)))
            self._next += 1
            size += len(job.model) + sum(array.nbytes for feed in job.feeds for array in feed)
            if size > BATCH_BYTES:
                break
        return batch

    def _thermal_status(self, stay: Stay) -> str:
        """Android's word, at most `_THERMAL_S` old. Raises Lost."""
        status, asked = self._thermal
        if time.monotonic() - asked > _THERMAL_S:
            status = read_thermal(stay.link)
            self._thermal = status, time.monotonic()
        return status

    def _after(self, stay: Stay, before: str, cases: int) -> None:
        """Keep the batch's record: thermal status before and after, and what the clock did."""
        after = "unknown"
        with suppress(DeviceFailed):  # the batch is done; a device that goes now has lost nothing
            after = self._thermal_status(stay)
        jump = stay.take_clock_jump_s()
        self.batches.append(BatchRecord(cases, before, after, jump))
        if after not in ("none", "unknown"):
            self._say(f"thermal status {before} before and {after} after the batch; times may be throttled")
        if jump > _CLOCK_JUMP_S:
            self._say(
                f"the clock of device {stay.link.serial} jumped by {jump:.0f} s; results and times do not depend on it"
            )

    def _record(self, answer: CaseAnswer, thermal: str) -> Run:
        stay, line, job = self._active(), answer.line, answer.case.job
        fingerprint = Fingerprint(
            target=self.public_name,
            runtime=stay.supplies.version,
            libraries=stay.supplies.sha256,
            driver=self._device.get("gpu_driver", ""),
            adapter=self._adapter_name(),
            precision=str(job.precision),
            model_sha256=job.model_sha256,
            device={**self._device, "thermal_before": thermal},
        )
        return run_of(job, line, answer.outputs, fingerprint, self._not_resident(line))

    def _not_resident(self, line: CaseLine) -> str:
        if self._loopback is not None:
            return self._loopback.gpu.driver.not_resident(line.log, line.fully_accelerated)
        return not_resident(line.log, line.fully_accelerated)

    def _adapter_name(self) -> str:
        if self._loopback is not None:
            return f"loopback: {self._loopback.gpu.driver.device}"
        return adapter_of(self._device)
