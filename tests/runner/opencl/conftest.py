"""What tests over OpenCL need, which `make test` does not install: without it they are skipped, in one line."""

from __future__ import annotations

import pytest

from runner.opencl.android_runtime import made_versions
from runner.opencl.drivers import OpenClDriver, opencl_driver


def _driver(key: str) -> OpenClDriver:
    driver = opencl_driver(key)
    if driver is None:
        pytest.skip(f"the OpenCL driver {key} is not installed here; `make opencl` brings it")
    return driver


@pytest.fixture
def pocl() -> OpenClDriver:
    """PoCL, wherever it is installed."""
    return _driver("pocl")


@pytest.fixture(params=["pocl", "oclgrind"])
def target_name(request: pytest.FixtureRequest) -> str:
    """Each target over OpenCL that `make opencl` brings."""
    _driver(request.param)
    if not made_versions():
        pytest.skip("LiteRT-LM's library is not in the cache; `make opencl` brings it")
    return f"gpu:{request.param}"
