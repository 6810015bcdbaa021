"""The environments of a matrix: which runtimes go with which targets, and what evidence calls a phone."""

from __future__ import annotations

from pathlib import Path

import pytest

from repro.matrix import environments
from repro.matrix.environments import environments_for, public_target
from runner.adb.devices import serial_tag
from runner.errors import BadInput
from runner.runtimes import Runtime


def test_what_is_no_version_is_refused_in_one_line():
    with pytest.raises(BadInput, match="is no LiteRT version"):
        environments_for(["two-point-three"], ["gpu:lavapipe"])


def test_each_target_is_measured_with_the_runtimes_that_it_runs_on(monkeypatch):
    def named(name: str) -> Runtime:
        return Runtime(name, Path("unused"))

    monkeypatch.setattr(environments, "runtime_of", named)
    asked = environments_for(["2.3.0", "lm-0.18.1"], ["gpu:lavapipe", "gpu:pocl@Mali-G610", "cpu"])
    assert [(e.runtime, e.target) for e in asked] == [
        ("2.3.0", "gpu:lavapipe"),
        ("lm-0.18.1", "gpu:pocl@Mali-G610"),
        ("2.3.0", "cpu"),
    ]
    every = environments_for([], ["gpu:pocl"])
    assert [e.runtime for e in every] == list(environments.targets.known_runtimes("gpu:pocl"))
    with pytest.raises(BadInput, match=r"gpu:pocl does not run on 2\.3\.0; for it the runtimes are lm-"):
        environments_for(["2.3.0"], ["gpu:lavapipe", "gpu:pocl"])


@pytest.mark.parametrize(
    ("name", "public"),
    [
        ("gpu:lavapipe@Mali-G610", "gpu:lavapipe@Mali-G610"),
        ("adb", "adb"),
        ("adb:R5CT", f"adb:{serial_tag('R5CT')}"),
        ("adb:R5CT+buffers", f"adb:{serial_tag('R5CT')}+buffers"),
        ("adb:192.168.1.20:5555", f"adb:{serial_tag('192.168.1.20:5555')}"),
        ("adb:loopback", "adb:loopback"),
        ("adb:loopback:pocl@Mali-G610", "adb:loopback:pocl@Mali-G610"),
    ],
)
def test_a_serial_number_becomes_its_tag_and_nothing_else_changes(name: str, public: str):
    assert public_target(name) == public
