"""Kinds of devices that a bundle is made for, and what each needs: runner, libraries, options.

Key insight: a phone that is not here is asked for by its ABI alone, so what `repro device setup` puts on an attached
phone can be put into an archive as well. The Linux kinds are for boards, and for trying a bundle without a phone.
"""

from __future__ import annotations

import platform
from dataclasses import dataclass

from runner import runtimes
from runner.adb import build
from runner.adb.session import Supplies
from runner.adb.target import android_supplies
from runner.bundle.foreign import foreign_libraries
from runner.delegate_settings import Settings
from runner.opencl.android_runtime import OPENCL_ALONE

GPU, CPU = "gpu", "cpu"
# The phone's own delegate on a Linux machine, whose OpenCL driver may have no images and compiles for seconds.
_OVER_OPENCL = {**OPENCL_ALONE, **Settings.parse(["buffers"]).gpu_options}
_PATIENCE = 6.0


@dataclass(frozen=True)
class Kind:
    """name: `android-arm64`. abi: Android's name of the processor, or empty for a Linux machine."""

    name: str
    abi: str = ""

    @property
    def is_android(self) -> bool:
        return bool(self.abi)

    @property
    def machine(self) -> str:
        """The processor as `uname -m` says it."""
        return self.name.partition("-")[2]


KINDS = {
    kind.name: kind
    for kind in (
        Kind("android-arm64", "arm64-v8a"),
        Kind("android-x86_64", "x86_64"),
        Kind("linux-aarch64"),
        Kind("linux-x86_64"),
    )
}


def supplies_for(kind: Kind, runtime: str | None) -> Supplies:
    """What a device of that kind needs. runtime: LiteRT version; the default is the newest set up, or installed here.

    Raises TargetUnavailable naming what to install or fetch, BadInput for a runtime that there is not for it.
    """
    if kind.is_android:
        return android_supplies(kind.abi, runtime)
    if kind.machine == platform.machine():
        chosen = runtimes.runtime(runtime)
        options, patience = (_OVER_OPENCL, _PATIENCE) if chosen.is_android else ({}, 1.0)
        runner = build.host_runner()
        return Supplies(runner, chosen.loaded, chosen.version, options=options, patience=patience)
    version, libraries = foreign_libraries(runtime, kind.machine)
    return Supplies(build.linux_runner(kind.machine), libraries, version)
