"""Models started again from a cache, on a machine that is simulated: what it keeps, and what it makes of damage."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest

from cases.builder import GraphBuilder
from cases.inputs import StandardFeeds
from cases.tflite.read import read_tflite
from cases.tflite.write import write_tflite
from repro.records.journal import Journal
from repro.restarts.measure import Answer, Machine, measure
from repro.restarts.reading import State, faults
from repro.restarts.setups import BESIDE, GRAPH, PROGRAMS, RUNS, Setup
from repro.verdicts.references import OWN_OPS_ONLY
from repro.verdicts.subject import Subject
from runner.errors import BadInput
from runner.run import Fingerprint, Job, Outcome, Outputs, Precision, Run

READ = "Initialized InferenceContext from serialized data"
Keep = Callable[[Job], bytes]
Restore = Callable[[Job, bytes], "bytes | None"]


def evaluated(model: bytes, job: Job) -> Outputs:
    return cast(
        Outputs,
        tuple(
            tuple(np.asarray(array, np.float32) for array in outputs)
            for outputs in OWN_OPS_ONLY.outputs(read_tflite(model, "m"), model, job.feeds)
        ),
    )


@dataclasses.dataclass
class SimulatedMachine:
    """Evaluates models. keep: what it writes of a job; restore: the model that it takes from what it finds there."""

    keep: Keep
    restore: Restore
    target: str = "gpu:lavapipe"
    identity: str = "simulated"
    runs: int = 0

    def opened(self) -> SimulatedMachine:
        return self

    def run(self, job: Job, target: str = "", runtime: str = "") -> Run:
        self.runs += 1
        assert len(job.feeds) >= RUNS
        made = Fingerprint("gpu:lavapipe", "2.3.0", {}, "driver", "adapter", str(job.precision), job.model_sha256)
        model, log = job.model, ""
        if "serialization_dir" in job.options:
            file = Path(str(job.options["serialization_dir"])) / f"{job.options['model_cache_key']}.bin"
            found = self.restore(job, file.read_bytes()) if file.exists() else None
            if found == b"crash":
                return Run(job.name, Outcome.CRASH, made, message="killed by SIGSEGV")
            if found is None:
                file.write_bytes(self.keep(job))
            else:
                model, log = found, READ
        return Run(job.name, Outcome.OK, made, evaluated(model, job), log=log)


def sealed(job: Job) -> bytes:
    return hashlib.sha256(job.model).digest() + job.model


def unsealed(found: bytes) -> bytes | None:
    """The model that was kept; None where a byte of it has changed."""
    seal, model = found[:32], found[32:]
    return model if hashlib.sha256(model).digest() == seal else None


def subject(scale: float = 3.0) -> Subject:
    builder = GraphBuilder()
    x = builder.input("x", (1, 4, 8))
    (y,) = builder.op("MUL", [x, builder.const(np.full((8,), scale))])
    model = write_tflite(builder.build([y]))
    return Subject("scaled", model, StandardFeeds(0), OWN_OPS_ONLY)


def answers(machine: SimulatedMachine, folder: Path, *setups: Setup, **more: Any) -> list[Answer]:
    with Journal(folder / "journal.sqlite") as journal:
        return list(measure([subject()], setups, Precision.FP32, cast(Machine, machine), journal, **more))


def states(answer: Answer) -> dict[str, State]:
    return {one.step: one.state for one in answer.readings}


def test_a_delegate_that_checks_what_it_finds_has_no_fault(tmp_path: Path):
    machine = SimulatedMachine(sealed, lambda job, found: job.model if unsealed(found) == job.model else None)
    (answer,) = answers(machine, tmp_path, GRAPH)
    assert faults(answer.readings) == []
    assert {step for step, state in states(answer).items() if state is not State.SAME} == set()
    assert {one.step for one in answer.readings if one.read} >= {"warm"}
    assert not {one.step for one in answer.readings if one.read} & {"cold", "other-weights", "cut-1-of-2"}


def test_a_delegate_that_believes_any_key_computes_the_other_model_and_that_is_said(tmp_path: Path):
    def of_this_size(job: Job, found: bytes) -> bytes | None:
        model = unsealed(found)
        return model if model is not None and len(model) == len(job.model) else None

    machine = SimulatedMachine(sealed, of_this_size)
    (answer,) = answers(machine, tmp_path, GRAPH)
    (wrong,) = [one for one in answer.readings if one.step == "other-weights"]
    assert wrong.state is State.WRONG
    assert wrong.read
    assert wrong.said.startswith("output 0 ")
    assert wrong.said.endswith("what the other model computes, bit for bit")
    assert states(answer)["other-model"] is State.SAME


def test_a_process_that_dies_of_a_damaged_file_is_a_fault(tmp_path: Path):
    machine = SimulatedMachine(sealed, lambda job, found: b"crash" if found and unsealed(found) is None else None)
    (answer,) = answers(machine, tmp_path, GRAPH)
    assert {one.step for one in faults(answer.readings)} == {
        *("cut-1-of-2", "cut-1-of-1", "flip-weight"),
        *(f"flip-{part}-of-4" for part in (1, 2, 3, 4)),
    }
    assert states(answer)["cut-0-of-1"] is State.SAME


def test_where_nothing_is_written_nothing_is_claimed(tmp_path: Path):
    class Forgetful(SimulatedMachine):
        def run(self, job: Job, target: str = "", runtime: str = "") -> Run:
            options = {key: value for key, value in job.options.items() if key != "serialization_dir"}
            return super().run(dataclasses.replace(job, options=options))

    (answer,) = answers(Forgetful(lambda job: b"", lambda job, found: None), tmp_path, PROGRAMS)
    skipped = {one.said for one in answer.readings if one.state is State.SKIPPED}
    assert skipped == {"nothing was written"}
    assert states(answer)["warm"] is State.SKIPPED


def test_a_run_that_drifts_in_its_process_is_a_fault(tmp_path: Path):
    class Drifting(SimulatedMachine):
        def run(self, job: Job, target: str = "", runtime: str = "") -> Run:
            run = super().run(job)
            if job.companion is None:
                return run
            last = tuple(np.nextafter(array, np.float32(np.inf)) for array in run.outputs[-1])
            return dataclasses.replace(run, outputs=(*run.outputs[:-1], last))

    (answer,) = answers(Drifting(lambda job: b"", lambda job, found: None), tmp_path, BESIDE)
    assert {one.step: one.state for one in answer.readings} == {
        "without": State.SAME,
        "beside-itself": State.WRONG,
        "beside-other-weights": State.WRONG,
        "beside-other-op": State.WRONG,
        "beside-other-model": State.WRONG,
    }
    assert "round 3 of the same inputs gives other outputs than the first" in {one.said for one in answer.readings}


def test_what_was_measured_is_not_measured_again_unless_asked_or_seeded_otherwise(tmp_path: Path):
    machine = SimulatedMachine(lambda job: job.model, lambda job, found: None)
    first = answers(machine, tmp_path, GRAPH, BESIDE)
    runs = machine.runs
    second = answers(machine, tmp_path, GRAPH, BESIDE)
    assert machine.runs == runs
    assert [one.cached for one in second] == [True, True]
    assert [dataclasses.replace(one, cached=False) for one in second] == first
    answers(machine, tmp_path, BESIDE, again=True)
    assert machine.runs > runs
    runs = machine.runs
    answers(machine, tmp_path, GRAPH, seed=1)
    assert machine.runs > runs


@pytest.mark.parametrize("target", ["cpu", "adb", "adb:loopback:pocl"])
def test_a_target_that_keeps_nothing_here_is_refused(target: str):
    with pytest.raises(BadInput, match=r"keeps no compiled programs on this machine"):
        Machine(target, None)
