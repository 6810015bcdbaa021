"""What the delegate's caches do on this host: what docs/restarts.md says of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from cases.catalogue import select
from repro.records.journal import Journal
from repro.restarts.measure import Machine, measure
from repro.restarts.reading import Reading, State
from repro.restarts.setups import BESIDE, GRAPH, PROGRAMS, Setup
from repro.verdicts.subject import case_subject
from runner.run import Precision
from tests.runner.opencl.needs import need_driver, need_runtime

CASE = "findings/scaled-output-feeds-conv-control"


def readings(target: str, folder: Path, setup: Setup) -> dict[str, Reading]:
    subject = case_subject(select([CASE])[0])
    with Journal(folder / "journal.sqlite") as journal, Machine(target, None) as machine:
        (answer,) = measure([subject], [setup], Precision.FP32, machine, journal)
    return {one.step: one for one in answer.readings}


@pytest.fixture(params=["gpu:lavapipe", "gpu:pocl"])
def target(request: pytest.FixtureRequest) -> str:
    if request.param == "gpu:pocl":
        need_driver("pocl")
        need_runtime()
    return request.param


@pytest.mark.gpu
@pytest.mark.slow
def test_a_cached_graph_is_believed_by_its_sizes_and_not_checked(target: str, tmp_path: Path):
    found = readings(target, tmp_path, GRAPH)
    assert found["warm"].read
    assert {found[step].state for step in ("without", "cold", "warm", "other-model", "cut-1-of-2")} == {State.SAME}
    for step in ("other-weights", "other-op"):
        assert found[step].state is State.WRONG
        assert found[step].said.endswith("what the other model computes, bit for bit")
    assert found["flip-weight"].state is State.WRONG
    for step in ("other-storage", "other-name"):
        assert (found[step].state, found[step].read) == (State.SAME, False)


@pytest.mark.gpu
@pytest.mark.slow
def test_cached_programs_are_found_by_what_they_are(target: str, tmp_path: Path):
    found = readings(target, tmp_path, PROGRAMS)
    assert found["warm"].read
    died = {step for step, one in found.items() if one.state.is_fault}
    assert died == ({"cut-1-of-2"} if target == "gpu:lavapipe" else set())


@pytest.mark.gpu
@pytest.mark.slow
def test_a_second_model_in_the_process_changes_nothing(target: str, tmp_path: Path):
    found = readings(target, tmp_path, BESIDE)
    assert {step: one.state for step, one in found.items()} == dict.fromkeys(found, State.SAME)
    assert len(found) == 5
