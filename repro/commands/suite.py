"""`repro suite`: the suite's own tests, the catalogue here and on phones, from a checkout or an installed package."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from importlib.util import find_spec

import click

from repro.records.folders import SUITE
from runner.errors import TargetUnavailable
from runner.installation import suite_install
from runner.python_child import child_command, child_environment

NEEDED = ("pytest", "pytest_timeout")
_TESTS = ("tests/test_catalogue.py", "tests/device")


@click.command(context_settings={"ignore_unknown_options": True})
@click.argument("words", nargs=-1, type=click.UNPROCESSED, metavar="[PYTEST OPTION]...")
def command(words: tuple[str, ...]) -> None:
    """Run the suite's own tests with pytest, which gets all that stands behind `suite`.

    A test per case, target and precision; known bugs are expected failures. By default here, with -m device on a phone,
    where D-FINE's layouts are gated too. The exit code is pytest's; 3 where there is no device.

    \b
    1. repro suite --target gpu:lavapipe -k fanout
    2. repro suite -m device
    3. repro suite -m device --device loopback
    """
    missing = [name for name in NEEDED if find_spec(name) is None]
    if missing:
        raise TargetUnavailable(f"this needs {missing[0]}, which is not installed; install it: {suite_install()}")
    line, environment = pytest_line(words, os.environ)
    os.execve(line[0], line, environment)  # pytest is this process from here on: signals and exit codes are its own


def pytest_line(words: Sequence[str], base: Mapping[str, str]) -> tuple[list[str], dict[str, str]]:
    """Command line and environment. No settings of a project that this is called in take part."""
    tests = [str(SUITE / name) for name in _TESTS]
    settings = ["--rootdir", str(SUITE), "-c", os.devnull, "-p", "tests.suite", "-p", "no:cacheprovider"]
    chosen = ["--strict-markers", "-m", "not slow and not device"]  # a later -m replaces this one
    environment = child_environment(base)
    environment["PYTHONPATH"] = os.pathsep.join((str(SUITE), environment["PYTHONPATH"]))
    environment.pop("PYTEST_ADDOPTS", None)
    return child_command("pytest", *settings, *chosen, *tests, *words), environment
