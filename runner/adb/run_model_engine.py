"""A target whose engine on the device is LiteRT's own `run_model`. See runner.adb.run_model for its limits."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

import numpy as np

from runner.adb.android import RUN_MODEL, home
from runner.adb.link import Lost
from runner.adb.manifest import BatchCase
from runner.adb.model_ends import read_ends
from runner.adb.properties import read_thermal
from runner.adb.results import CaseLine
from runner.adb.run_model import LIMITS, command_line, input_file, parse_outputs
from runner.adb.session import CaseAnswer
from runner.adb.target import AdbTarget
from runner.deadline import deadline_s
from runner.errors import BadInput, TargetUnavailable
from runner.run import Job, Outcome, Run

ENGINE = "run_model"


class RunModelTarget(AdbTarget):
    """An AdbTarget that runs nothing of ours on the phone. `identity` says so, so its results are kept apart."""

    @property
    def identity(self) -> str:  # type: ignore[override]
        return f"{super().identity}|engine={ENGINE}"

    def activate_impl(self) -> None:
        if self.is_loopback:
            raise BadInput("--engine run_model needs a phone: the official binary is built for Android only")
        if self._settings:
            raise BadInput(f"--engine run_model takes no settings of the delegate; leave {self._settings} out")
        super().activate_impl()
        stay = self._active()
        binary = home(stay.supplies.version, self._device.get("abi", "")) / RUN_MODEL
        if not binary.is_file():
            self.deactivate_impl()
            raise TargetUnavailable(
                f"no {RUN_MODEL} of LiteRT {stay.supplies.version} here; "
                f"run `repro device setup --runtime {stay.supplies.version}` (or --from a folder that holds it)"
            )
        self._binary = f"{stay.library_dir}/{RUN_MODEL}"
        stay.place(binary.read_bytes(), self._binary, 0o755)
        self._device["engine"] = f"{ENGINE}: {LIMITS}"

    def run_many_impl(self, jobs: Iterable[Job]) -> Iterator[Run]:
        """One process per feed: the binary takes no batch."""
        for job in jobs:
            yield self._run_alone(job)

    def _run_alone(self, job: Job) -> Run:
        stay = self._active()
        if job.options:
            raise BadInput("--engine run_model takes no delegate options; leave them out")
        ends = read_ends(job.model)
        folder = f"{stay.home}/{ENGINE}"
        thermal = read_thermal(stay.link)
        outputs, log, status, message = [], "", "ok", ""
        try:
            stay.link.push(job.model, f"{folder}/model.tflite")
            for feed in job.feeds:
                for name, array in zip(ends.inputs, feed, strict=True):
                    stay.link.push(np.ascontiguousarray(array).tobytes(), f"{folder}/{input_file(name)}")
                largest = max((int(np.prod(shape)) for _, shape in ends.outputs), default=1)
                command = command_line(self._binary, f"{folder}/model.tflite", folder, str(job.precision), largest)
                code, said = self._execute(f"LD_LIBRARY_PATH={stay.library_dir} {command}", deadline_s(job))
                log = said
                if code != 0:
                    status = "crash" if code > 128 else "refused"
                    message = f"run_model ended with exit code {code}"
                    break
                shapes = [ends.outputs[ends.output_order.index(i)][1] for i in range(len(ends.outputs))]
                printed = parse_outputs(said, shapes)
                outputs.append(tuple(printed[i] for i in ends.output_order))
        except TimeoutError:
            status, message = "hang", f"no answer within {deadline_s(job):.0f} s"
        finally:
            stay.link.run(["rm", "-rf", folder])
        line = CaseLine(0, status, message, log, 0.0)
        run = self._record(CaseAnswer(BatchCase(0, job), line, tuple(outputs) if status == "ok" else ()), thermal)
        named = tuple(name for name, _ in ends.outputs) if run.outcome in (Outcome.OK, Outcome.NOT_RESIDENT) else ()
        return replace(run, output_names=named)

    def _execute(self, command: str, seconds: float) -> tuple[int, str]:
        said, code = bytearray(), -1
        try:
            for kind, data in self._active().link.stream(command, seconds):
                if kind == 3:
                    code = data[0]
                else:
                    said += data
        except Lost as error:
            if "no answer in time" in str(error) or "is over" in str(error):
                raise TimeoutError from error
            raise
        return code, said.decode("utf-8", "replace")
