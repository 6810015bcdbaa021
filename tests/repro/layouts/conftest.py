"""The worked example, to be broken, and a cpu target to gate it on."""

from __future__ import annotations

import pytest

from runner import targets
from tests.repro.layouts.gating import EXAMPLE


@pytest.fixture
def example(tmp_path):
    """A copy of the worked example that a test may break."""
    for file in EXAMPLE.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    return tmp_path


@pytest.fixture(scope="package")
def gpu():
    (name,) = targets.resolve(["gpu"])  # an error and no skip where there is none
    with targets.open_target(name) as target:
        yield target


@pytest.fixture(scope="package")
def cpu():
    with targets.open_target("cpu") as target:
        yield target
