"""Options and fixtures that every test may use, and what no test may depend on."""

from __future__ import annotations

import os
import signal

import pytest
from hypothesis import HealthCheck, settings

# Here and not in tests/device: options must be known before any test folder is entered.
pytest_plugins = ["tests.suite", "tests.console_script", "pytester"]

# Without a deadline and without a complaint about slow draws, because both judge the machine and not the code. What
# is drawn depends on the seed alone (pyproject.toml gives one), so no examples of earlier runs are kept either.
settings.register_profile(
    "suite", deadline=None, suppress_health_check=[HealthCheck.too_slow], database=None, print_blob=True
)
settings.load_profile("suite")

# How wide a terminal is and whether it has colours decides what commands print.
for _name in ("COLUMNS", "LINES", "FORCE_COLOR", "NO_COLOR", "CLICOLOR", "CLICOLOR_FORCE", "TTY_COMPATIBLE"):
    os.environ.pop(_name, None)

# What is ignored here (under nohup, in the background of a script) every process of a test would ignore as well. A
# handler is not inherited: they begin with the defaults, and this process still lives through the signal.
for _number in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM):
    if signal.getsignal(_number) is signal.SIG_IGN:
        signal.signal(_number, lambda *_: None)


def pytest_report_header(config: pytest.Config) -> str:
    return f"seed of what is drawn: {config.getoption('--hypothesis-seed')} (another: --hypothesis-seed N)"
