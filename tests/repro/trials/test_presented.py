"""What the lint is told of where a graph runs."""

from __future__ import annotations

import pytest

from repro.delegate.adapters import Api
from repro.trials.presented import adapters_of
from runner.run import Precision


@pytest.mark.parametrize(
    ("target", "name", "api"),
    [
        ("gpu:lavapipe", "lavapipe", Api.WEBGPU),
        ("gpu:lavapipe@Mali-G715", "Mali-G715", Api.WEBGPU),
        ("gpu:pocl", "pocl", Api.OPENCL),
    ],
)
def test_a_target_has_its_drivers_name_unless_another_is_presented(target: str, name: str, api: Api):
    (adapter,) = adapters_of(target, Precision.FP16)
    assert (adapter.name, adapter.precision, adapter.api) == (name, Precision.FP16, api)


def test_the_cpu_has_no_adapter():
    assert adapters_of("cpu", Precision.FP32) == ()
