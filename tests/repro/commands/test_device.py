"""`repro device`: what a phone says of itself in whole lines, and what contradicts itself is refused."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from repro.commands.device import _lines, command
from runner.adb.devices import AttachedDevice
from runner.errors import BadInput

PHONE = AttachedDevice("SERIAL-OF-A-PHONE", "device")
FIELDS = {
    "model": "Pixel 8a",
    "soc": "Tensor G3",
    "gpu": "Mali-G715",
    "android": "15",
    "abi": "arm64-v8a",
    "thermal": "0",
}


def test_a_phone_that_is_set_up_says_with_which_version():
    first, facts, ready = _lines(PHONE, FIELDS, "2.3.0")
    assert first == f"SERIAL-OF-A-PHONE  device  (in results: adb:{PHONE.tag})"
    assert facts == "  Pixel 8a, Tensor G3, Mali-G715, Android 15, arm64-v8a, thermal status 0"
    assert ready == "  LiteRT 2.3.0 is set up for it"


def test_a_phone_that_is_not_set_up_says_what_to_do():
    assert _lines(PHONE, FIELDS, "")[-1] == "  LiteRT is not set up for it: `repro device setup`"


def test_a_loopback_device_needs_no_libraries_and_has_no_android():
    lines = _lines(PHONE, {**FIELDS, "android": "none", "loopback": "yes"}, "")
    assert lines[-1] == "  LiteRT is the host's own"
    assert "Android" not in lines[1]


def test_a_phone_that_says_nothing_is_one_line():
    assert len(_lines(AttachedDevice("X", "unauthorized"), {}, "")) == 1


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["setup", "--from", "here", "--url", "there"], "give one of them"),
        (["setup", "--from-pypi", "--url", "there"], "give one of them"),
        (["setup", "--from-pypi", "--runtime", "2.3.0"], "not LiteRT 2.3.0; they are lm-0.14.0, "),
        (["clean", "--device", "loopback"], "leaves nothing behind"),
        (["clean", "--device", "loopback:pocl"], "leaves nothing behind"),
    ],
)
def test_what_contradicts_itself_is_refused_before_a_device_is_looked_for(words: list[str], says: str):
    result = CliRunner().invoke(command, words)
    assert isinstance(result.exception, BadInput)
    assert says in str(result.exception)
