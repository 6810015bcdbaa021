"""A loopback device is named by the GPU that it has."""

from __future__ import annotations

import pytest

from runner.adb.choice import resolve_serials
from runner.adb.loopback.name import is_loopback, loopback_gpu
from runner.errors import BadInput
from runner.opencl import android_runtime
from runner.runtimes import KNOWN
from runner.targets import known_runtimes, runs_over_opencl


@pytest.mark.parametrize(
    ("serial", "gpu"),
    [
        ("loopback", "gpu"),
        ("loopback:pocl", "gpu:pocl"),
        ("loopback:pocl+textures@Mali-G610", "gpu:pocl+textures@Mali-G610"),
        ("loopback:lavapipe@Mali-G715", "gpu:lavapipe@Mali-G715"),
    ],
)
def test_what_stands_behind_the_colon_is_a_gpu_of_this_host(serial: str, gpu: str):
    assert is_loopback(serial)
    assert str(loopback_gpu(serial)) == gpu
    assert resolve_serials(None, serial) == [serial]
    assert resolve_serials(serial) == [serial]


@pytest.mark.parametrize("serial", ["R5CT1234", "192.168.1.7:5555", "loopbacks", ""])
def test_a_serial_number_is_a_phones(serial: str):
    assert not is_loopback(serial)
    assert loopback_gpu(serial) is None


def test_a_setting_that_there_is_none_of_is_refused():
    with pytest.raises(BadInput, match=r"did you mean .buffers."):
        loopback_gpu("loopback:pocl+bufers")


def test_a_loopback_device_takes_the_runtimes_of_its_gpu():
    assert known_runtimes("adb:loopback:pocl") == android_runtime.KNOWN
    assert known_runtimes("adb:loopback") == known_runtimes("adb:SERIAL") == KNOWN
    assert [runs_over_opencl(t) for t in ("adb:loopback:oclgrind", "adb:loopback", "adb:SERIAL")] == [
        True,
        False,
        False,
    ]
