"""What tests over OpenCL need, which `make test` does not install: without it they are skipped, in one line."""

from __future__ import annotations

import pytest

from runner.opencl.drivers import OpenClDriver
from tests.runner.opencl.needs import need_driver, need_runtime


@pytest.fixture
def pocl() -> OpenClDriver:
    """PoCL, wherever it is installed."""
    return need_driver("pocl")


@pytest.fixture(params=["pocl", "oclgrind"])
def target_name(request: pytest.FixtureRequest) -> str:
    """Each target over OpenCL that `make opencl` brings."""
    need_driver(request.param)
    need_runtime()
    return f"gpu:{request.param}"
