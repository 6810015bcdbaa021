"""LiteRT's libraries for a Linux machine with another processor than ours, out of the wheel for it."""

from __future__ import annotations

import hashlib
import sys
import zipfile
from pathlib import Path, PurePosixPath

from runner import runtimes
from runner.cache import cache_root, folder_in_place, is_whole_folder
from runner.encoding import one_line
from runner.errors import BadInput
from runner.known_downloads import hold_to_known
from runner.opencl.android_runtime import is_android
from runner.scratch import ScratchFolder
from runner.wheels import download_wheel

# The platforms that LiteRT's wheels for it were published under.
_PLATFORMS = tuple(f"manylinux_2_{minor}" for minor in (17, 27, 28, 31, 34))


def foreign_libraries(version: str | None, machine: str) -> tuple[str, dict[str, Path]]:
    """(version, name -> file), fetched at first use. version: default the one installed here.

    Raises BadInput for Android's versions, TargetUnavailable where there is no such wheel.
    """
    wanted = version or runtimes.installed().version
    if is_android(wanted):
        raise BadInput(f"{wanted} is a library for Android, not for Linux on {machine}; use LiteRT's own")
    home = cache_root() / "runtimes" / f"linux-{machine}" / wanted
    if not is_whole_folder(home):
        with ScratchFolder("runtime") as scratch:
            platforms = [f"--platform={platform}_{machine}" for platform in _PLATFORMS]
            wheel = download_wheel(f"{runtimes.PACKAGE}=={wanted}", Path(scratch), platforms)
            hold_to_known(wheel.name, hashlib.sha256(wheel.read_bytes()).hexdigest(), _say)
            with folder_in_place(home) as made, zipfile.ZipFile(wheel) as archive:
                for member in archive.namelist():
                    name = PurePosixPath(member).name
                    if name.startswith("libLiteRt") and name.endswith(".so"):
                        (made / name).write_bytes(archive.read(member))
    return wanted, {path.name: path for path in sorted(home.glob("libLiteRt*.so"))}


def _say(line: str) -> None:
    print(one_line(line), file=sys.stderr, flush=True)
