"""The starts of an app that are tried: what differs from the reader is one thing at a time."""

from __future__ import annotations

import pytest

from cases.catalogue import select
from repro.restarts.steps import steps_for
from runner.run import Precision

GRAPH = select(["output-plus-consumer/add-sum-r3-n64-x2"])[0].graph()


@pytest.mark.parametrize(
    ("target", "storage", "name"),
    [
        ("gpu:lavapipe", "gpu:lavapipe+buffers", "gpu:lavapipe@Mali-G715"),
        ("gpu:lavapipe+buffers", "gpu:lavapipe+textures", "gpu:lavapipe+buffers@Mali-G715"),
        ("gpu:lavapipe@Mali-G715", "gpu:lavapipe+buffers@Mali-G715", "gpu:lavapipe@Adreno (TM) 740"),
        ("gpu:pocl", "gpu:pocl+textures", "gpu:pocl@Mali-G715"),
        ("gpu:pocl@Mali-G715", "gpu:pocl+buffers@Mali-G715", "gpu:pocl@Adreno (TM) 740"),
        (
            "gpu:lavapipe+buffers+prefer_texture_weights=true",
            "gpu:lavapipe+textures+prefer_texture_weights=true",
            "gpu:lavapipe+buffers+prefer_texture_weights=true@Mali-G715",
        ),
    ],
)
def test_another_storage_and_another_name_are_the_other_ones(target: str, storage: str, name: str):
    steps = {step.name: step for step in steps_for(GRAPH, target, Precision.FP32, (), 0)}
    assert steps["other-storage"].writer.target == storage
    assert steps["other-name"].writer.target == name


def test_every_step_has_its_own_name_and_differs_from_its_reader_in_one_thing():
    steps = steps_for(GRAPH, "gpu:lavapipe", Precision.FP32, ("2.1.3", "2.2.0"), 0)
    assert len({step.name for step in steps}) == len(steps)
    for step in steps:
        writer = step.writer
        differing = [writer.other, writer.precision, writer.target, writer.runtime, step.damage]
        assert sum(bool(one) for one in differing) == (step.name != "warm"), step.name
    assert [step.writer.runtime for step in steps if step.writer.runtime] == ["2.1.3", "2.2.0"]
    assert [step.writer.precision for step in steps if step.writer.precision] == [Precision.FP16]


def test_where_there_is_no_fp16_none_is_asked_for():
    steps = steps_for(GRAPH, "gpu:lavapipe+precision=3", Precision.FP16, (), 0)
    assert not any(step.writer.precision for step in steps)
