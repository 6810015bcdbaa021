"""Options and fixtures that every test may use."""

from __future__ import annotations

import pytest

# Here and not in tests/device: options must be known before any test folder is entered.
pytest_plugins = ["tests.device_choice"]


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("mali-delegate-repro")
    group.addoption(
        "--target",
        action="append",
        default=None,
        help="Targets of the catalogue's tests (repeatable): cpu, gpu, gpu:lavapipe, ... Default: cpu and gpu.",
    )
