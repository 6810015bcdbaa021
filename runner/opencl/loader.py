"""What stands between the delegate and the driver: a loader library of ours, and the settings it takes.

Key insight: an OpenCL driver is asked through one library, so whatever is to be shown, recorded or changed between
delegate and driver has one place (native/opencl_loader.c), and one type that says what is asked of it.
"""

from __future__ import annotations

import hashlib
import os
import re
from dataclasses import dataclass
from pathlib import Path

from runner.c_compiler import NATIVE, build_library
from runner.cache import cache_root, folder_in_place, is_whole_folder
from runner.errors import BadInput
from runner.opencl.trace import CHECKS, EQUAL_WRITES
from runner.presented import check_presented, naming_note

SOURCES = (NATIVE / "opencl_loader.c", NATIVE / "opencl_trace.c")
_HEADER = NATIVE / "opencl_types.h"
LOADER = "libOpenCL.so.1"
LIBRARY_FOLDERS = (
    Path("/usr/lib") / f"{os.uname().machine}-linux-gnu",
    Path("/usr/lib"),
    Path("/usr/lib64"),
    Path("/usr/local/lib"),
)
"""Where distributions put libraries."""
# The distribution's loader goes before the one that CUDA puts into the dynamic linker's list: that one takes the
# drivers of the whole machine instead of the folder that it is given, and so shows another driver than was asked for.
_LINKED = (
    "-Wl,--no-as-needed",
    f"-Wl,--disable-new-dtags,-rpath,{':'.join(map(str, LIBRARY_FOLDERS))}",
    f"-l:{LOADER}",
    "-ldl",
)
LOADER_VARIABLES = (
    "REPRO_OPENCL_LIBRARY",
    "REPRO_CL_NAME",
    "REPRO_CL_VENDOR",
    "REPRO_CL_VERSION",
    "REPRO_CL_COMPUTE_UNITS",
    "REPRO_CL_BUILD_OPTIONS",
    "REPRO_CL_FILL",
    "REPRO_CL_KERNELS",
    "REPRO_CL_TRACE",
)
"""What the stand-in for Android's libc and the loader library read from the environment."""
FOLDER_VARIABLES = ("REPRO_CL_KERNELS", "REPRO_CL_TRACE")
"""Those of them that name a folder, and change no result."""


@dataclass(frozen=True)
class PresentedDevice:
    """What the device says it is, instead of what it is.

    vendor: CL_DEVICE_VENDOR; the delegate looks for vendors in it as it does in the name. version: CL_DEVICE_VERSION,
    from which it takes the OpenCL version and, of a Mali, the driver's release. compute_units: it chooses kernels and
    work groups by their number.
    """

    name: str
    vendor: str
    version: str
    compute_units: int

    @property
    def words(self) -> tuple[str, str, str, str]:
        """Name, vendor, version and compute units, as the loader library takes them."""
        return self.name, self.vendor, self.version, str(self.compute_units)


NEUTRAL = PresentedDevice("software OpenCL", "software", "OpenCL 3.0 software", 8)
"""A device of no vendor. A driver's own words will not do: PoCL's vendor is that of the processor (GenuineIntel, and
the delegate takes Intel's paths), and its compute units are as many as the worker has threads."""

# By a word in the name: what drivers of that vendor say of themselves, and how many cores a recent phone's has.
_VENDORS = {
    "adreno": ("QUALCOMM", "OpenCL 3.0 Adreno(TM) {model}", 6),
    "mali": ("ARM", "OpenCL 3.0 v1.r38p1-01eac0.b1d76e1cdcc", 7),
    "powervr": ("Imagination Technologies", "OpenCL 3.0 ", 4),
    "xclipse": ("Samsung Electronics Co., Ltd.", "OpenCL 3.0 ", 6),
    "maleoon": ("HUAWEI", "OpenCL 3.0 ", 6),
}


def can_be_presented(name: str) -> bool:
    """Whether an OpenCL device can be presented under a name: one of a vendor whose devices have OpenCL on phones."""
    return any(word in name.lower() for word in _VENDORS)


def presented_device(name: str) -> PresentedDevice:
    """A device by its name, `Mali-G715`, with what its vendor's drivers say of themselves.

    Raises BadInput for a name of no vendor that is known here: what it says of itself would be made up.
    """
    check_presented(name)
    model = re.search(r"\d+", name)
    for word, (vendor, version, units) in _VENDORS.items():
        if word in name.lower():
            return PresentedDevice(name, vendor, version.format(model=model.group() if model else ""), units)
    known = ", ".join(_VENDORS)
    raise BadInput(f"'{name}' is no name of an OpenCL device that can be presented; it must hold one of: {known}")


@dataclass(frozen=True)
class LoaderSettings:
    """What is changed between delegate and driver.

    device: presented instead of a neutral one; None leaves the driver's own words, those of a real GPU. build_options:
    replace those that the delegate builds its programs with (`""`: none). fill: the 32-bit word that each new buffer
    and image is filled with (0x7FC00000 is a NaN). kernels: an existing folder that gets the source of each program
    and the options that it is built with. trace: an existing folder that gets what Oclgrind reports, and of which
    kernel and memory it is (see runner.opencl.trace).
    equal_writes: with a trace, also report write-write races in which equal bytes are written.
    """

    device: PresentedDevice | None = NEUTRAL
    build_options: str | None = None
    fill: int | None = None
    kernels: Path | None = None
    trace: Path | None = None
    equal_writes: bool = False

    @property
    def note(self) -> str:
        """What every result under these settings must say; empty without any. Folders change no result."""
        said = [naming_note(self.device.name)] if self.device and self.device is not NEUTRAL else []
        said += [f"built with '{self.build_options}'"] if self.build_options is not None else []
        said += [f"new memory filled with {self.fill:08X}"] if self.fill is not None else []
        return ", ".join(said)

    def environment(self) -> dict[str, str]:
        """The environment variables that the loader library reads; and the one that names it."""
        values = (
            str(loader_library()),
            *(self.device.words if self.device else (None,) * 4),
            self.build_options,
            None if self.fill is None else f"{self.fill:08X}",
            str(self.kernels) if self.kernels else None,
            str(self.trace) if self.trace else None,
        )
        checks = {**CHECKS, **(EQUAL_WRITES if self.equal_writes else {})} if self.trace else {}
        said = {name: value for name, value in zip(LOADER_VARIABLES, values, strict=True) if value is not None}
        return {**said, **checks}


def loader_version() -> str:
    """Changes with the source of the loader library, and with what it is linked to."""
    sources = b"".join(source.read_bytes() for source in (*SOURCES, _HEADER))
    return hashlib.sha256(sources + " ".join(_LINKED).encode()).hexdigest()[:16]


def distributions_loader() -> str:
    """The loader that this library is linked to, for who opens it by name."""
    return next((str(path) for folder in LIBRARY_FOLDERS if (path := folder / LOADER).exists()), LOADER)


def loader_library() -> Path:
    """The built library; compiles it unless that was done for this source. Raises TargetUnavailable."""
    folder = cache_root() / "opencl" / "loader" / loader_version()
    library = "libopencl_loader.so"
    if not is_whole_folder(folder):
        with folder_in_place(folder) as made:
            build_library("the OpenCL loader library", SOURCES, made / library, _LINKED)
    return folder / library
