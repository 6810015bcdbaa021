"""Targets of the host, opened once for all tests of the runner."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from runner.errors import TargetUnavailable
from runner.target import Target
from runner.targets import open_target, resolve


@pytest.fixture(scope="session")
def gpu_name() -> str:
    """The best GPU target here. Fails, not skips: without one nothing of what this project is for was tested."""
    try:
        return resolve(["gpu"])[0]
    except TargetUnavailable as error:
        pytest.fail(str(error))


@pytest.fixture(scope="session")
def gpu(gpu_name: str) -> Iterator[Target]:
    with open_target(gpu_name) as target:
        yield target


@pytest.fixture(scope="session")
def cpu() -> Iterator[Target]:
    with open_target("cpu") as target:
        yield target
