"""What only `make opencl` installs: a test that needs it is skipped without it, in one line."""

from __future__ import annotations

import pytest

from runner.opencl.android_runtime import made_versions
from runner.opencl.drivers import OpenClDriver, opencl_driver


def need_driver(key: str) -> OpenClDriver:
    """The OpenCL driver, wherever it is installed."""
    driver = opencl_driver(key)
    if driver is None:
        pytest.skip(f"the OpenCL driver {key} is not installed here; `make opencl` brings it")
    return driver


def need_runtime() -> None:
    """LiteRT-LM's library, made loadable."""
    if not made_versions():
        pytest.skip("LiteRT-LM's library is not in the cache; `make opencl` brings it")
