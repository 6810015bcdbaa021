"""The loopback device's names: `loopback`, and `loopback:GPU` with what stands behind `gpu:` in a target's name."""

from __future__ import annotations

import re

from runner.host.gpu import GpuName

LOOPBACK = "loopback"


def is_loopback(serial: str) -> bool:
    """Whether it is no serial number: `loopback`, or `loopback:pocl+textures@Mali-G610`."""
    return re.match(rf"{LOOPBACK}($|[:+@])", serial) is not None


def loopback_gpu(serial: str) -> GpuName | None:
    """Which GPU of this host a loopback device has; a name without a key leaves the choice. None for a phone's serial.

    Raises BadInput for a GPU with a setting that there is none of.
    """
    if not is_loopback(serial):
        return None
    return GpuName.parse("gpu" + serial.removeprefix(LOOPBACK))


def loopback_name(gpu: GpuName) -> str:
    """The name of the loopback device that has this GPU."""
    return LOOPBACK + str(gpu).removeprefix("gpu")
