"""OpenCL drivers of this host: which are here, what device each shows, and the environment that selects one.

Key insight: the OpenCL loader reads its drivers from a folder of .icd files, so a driver of its own is a folder with
one file. Asking a driver loads its code, which may crash, so a child process does it (this module run as a script),
and the answer is remembered until the driver's library changes.

PoCL compiles for the processor and caches what it compiled. Oclgrind interprets each work item and checks every memory
access. Rusticl is Mesa's. These are software; NVIDIA's is of a real GPU. None is a phone's driver.
"""

from __future__ import annotations

import ctypes
import hashlib
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from runner import children
from runner.cache import cache_root, folder_in_place, is_whole_folder, read_json_entry, shader_cache, write_json_entry
from runner.opencl.android_runtime import OPENCL_ALONE
from runner.opencl.loader import LIBRARY_FOLDERS, distributions_loader
from runner.python_child import child_command, child_environment
from runner.residency import not_resident
from runner.run import Precision

POCL, OCLGRIND, RUSTICL = "pocl", "oclgrind", "rusticl"
NVIDIA = "opencl-nvidia"
_OF_HARDWARE = frozenset({NVIDIA})
_FP16 = "cl_khr_fp16"

# Where the libraries lie that .icd files name: with the distribution's, or where a container gets its host's driver.
_FOLDERS = (*LIBRARY_FOLDERS, Path("/usr/local/nvidia/lib64"))
_LIBRARIES: Mapping[str, tuple[str, ...]] = {
    POCL: ("libpocl.so.2",),
    OCLGRIND: ("oclgrind/liboclgrind-rt-icd.so",),
    RUSTICL: ("libRusticlOpenCL.so.1",),
    NVIDIA: ("libnvidia-opencl.so.1",),
}
# A word of what each platform says of itself (CL_PLATFORM_VERSION, CL_DEVICE_NAME): a loader that shows another driver
# than the one that it was given is not believed.
_SAYS: Mapping[str, str] = {POCL: "PoCL", OCLGRIND: "Oclgrind", RUSTICL: "", NVIDIA: "NVIDIA"}
_SELECTED: Mapping[str, Mapping[str, str]] = {
    # PoCL 3.1 drops a `return` behind a loop with a barrier when it optimises: a kernel of 64 work items then writes
    # 64 results where 4 were asked for (every FULLY_CONNECTED of a vector: seen as damage to this process's heap).
    POCL: {"REPRO_CL_BARRIER_OPTIONS": "-cl-opt-disable"},
    OCLGRIND: {},
    RUSTICL: {"RUSTICL_ENABLE": "llvmpipe", "RUSTICL_FEATURES": "fp16"},
    NVIDIA: {},
}

# cl.h
_DEVICE_TYPE_ALL = 0xFFFFFFFF
_PLATFORM_VERSION = 0x0901
_DEVICE_NAME, _DRIVER_VERSION, _DEVICE_EXTENSIONS = 0x102B, 0x102D, 0x1030


@dataclass(frozen=True)
class OpenClDriver:
    """One OpenCL driver and the device it shows.

    key: the name after `gpu:` in target names. device: what it calls itself, without the processor that it found.
    driver: name and version, for example `PoCL 3.1 (LLVM 15.0.6)`.
    """

    key: str
    device: str
    driver: str
    library: Path
    precisions: tuple[Precision, ...]

    @property
    def stamp(self) -> str:
        """Changes when the driver may have changed."""
        return _stamp(self.key, self.library)

    @property
    def gpu_options(self) -> dict[str, str | int | bool]:
        return dict(OPENCL_ALONE)

    def quick_environment(self) -> dict[str, str]:
        return {}

    def wrong_device(self, logged: str) -> bool:
        """One device is visible, so there is no other to take."""
        return False

    @property
    def patience(self) -> float:
        """How many times the usual time a job may take: Oclgrind interprets, PoCL compiles for seconds."""
        return 20.0 if self.key == OCLGRIND else 6.0

    def environment(self, base: Mapping[str, str], threads: int | None = None) -> dict[str, str]:
        """`base` with exactly this driver visible, and at most `threads` threads in it."""
        environment = {**base, **_SELECTED[self.key], "OCL_ICD_VENDORS": str(_icd_folder(self.key, self.library))}
        environment.pop("OCL_ICD_FILENAMES", None)
        environment.setdefault("POCL_CACHE_DIR", str(shader_cache() / "pocl"))
        if threads is not None:
            for variable in ("POCL_MAX_PTHREAD_COUNT", "OCLGRIND_NUM_THREADS", "LP_NUM_THREADS"):
                environment[variable] = str(threads)
        return environment

    def not_resident(self, log: str, fully_accelerated: bool | None) -> str:
        """Why a run does not count as one of the OpenCL delegate; empty where it does."""
        return not_resident(log, fully_accelerated)

    def logged_adapter(self, log: str) -> str:
        """The delegate logs no device: it is the driver's."""
        return self.device


def opencl_drivers() -> list[OpenClDriver]:
    """The drivers that are installed here and show a device, in the order PoCL, Oclgrind, Rusticl, NVIDIA."""
    found = ((key, _library(key)) for key in _LIBRARIES)
    drivers = (_driver(key, library) for key, library in found if library is not None)
    return [driver for driver in drivers if driver is not None]


def opencl_driver(key: str) -> OpenClDriver | None:
    """One driver by its name; None where it is not installed or shows no device."""
    library = _library(key)
    return _driver(key, library) if library is not None else None


def is_opencl(key: str) -> bool:
    """Whether a name after `gpu:` is that of an OpenCL driver."""
    return key in _LIBRARIES


def computes_on_cpu(key: str) -> bool:
    """Whether a name after `gpu:` is that of an OpenCL driver without a GPU."""
    return is_opencl(key) and key not in _OF_HARDWARE


def _library(key: str) -> Path | None:
    places = (folder / name for name in _LIBRARIES[key] for folder in _FOLDERS)
    return next((place for place in places if place.is_file()), None)


def _driver(key: str, library: Path) -> OpenClDriver | None:
    memory = cache_root() / "opencl" / "drivers" / f"{_stamp(key, library)}.json"
    known = read_json_entry(memory)
    if not isinstance(known, dict):
        known = _ask_in_child(key, library)
        if not known:
            return None
        write_json_entry(memory, known)
    has_fp16 = _FP16 in known["extensions"].split()
    return OpenClDriver(
        key=key,
        device=device_name(known["device"]),
        driver=driver_name(key, known["platform"], known["version"]),
        library=library,
        precisions=tuple(Precision) if has_fp16 else (Precision.FP32,),
    )


def device_name(device: str) -> str:
    """PoCL puts the processor behind a dash: `pthread-skylake-avx512-Intel(R) Xeon(R) Processor` -> `pthread`."""
    return re.sub(r"^(pthread|basic|cpu)-.*", r"\1", device)


def driver_name(key: str, platform: str, version: str) -> str:
    """Name and version from what the platform (CL_PLATFORM_VERSION) and the driver (CL_DRIVER_VERSION) say."""
    llvm = re.search(r"LLVM [\d.]+", platform)
    if key == POCL:
        number = re.search(r"PoCL ([\d.]+)", platform)
        return f"PoCL {number.group(1) if number else version}" + (f" ({llvm.group()})" if llvm else "")
    if key == OCLGRIND:
        return version
    if key == NVIDIA:
        return f"NVIDIA {version}"
    return f"Rusticl Mesa {version}"


def _stamp(key: str, library: Path) -> str:
    resolved = library.resolve()
    status = resolved.stat()
    parts = (key, str(resolved), str(status.st_size), str(status.st_mtime_ns))
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:32]


def _icd_folder(key: str, library: Path) -> Path:
    """A folder that holds one .icd file, which names `library`."""
    folder = cache_root() / "opencl" / "icd" / f"{key}-{hashlib.sha256(str(library).encode()).hexdigest()[:8]}"
    if not is_whole_folder(folder):
        with folder_in_place(folder) as made:
            (made / f"{key}.icd").write_text(f"{library}\n", encoding="utf-8")
    return folder


def _ask_in_child(key: str, library: Path) -> dict[str, str]:
    environment = OpenClDriver(key, "", "", library, ()).environment(os.environ)
    try:
        child = children.run(child_command("runner.opencl.drivers"), timeout_s=60, env=child_environment(environment))
        answer = json.loads(child.stdout) if child.returncode == 0 else {}
    except (subprocess.TimeoutExpired, ValueError):
        return {}
    return answer if isinstance(answer, dict) and is_of(key, answer) else {}


def is_of(key: str, answer: Mapping[str, str]) -> bool:
    """Whether what a driver says of itself is said by the one of that key."""
    return _SAYS[key] in f"{answer.get('platform')} {answer.get('device')}"


def ask_loader() -> dict[str, str]:
    """What the one visible driver says of itself. Raises OSError without a loader, RuntimeError without a device."""
    opencl = ctypes.CDLL(distributions_loader())
    platform = _first(lambda room, to, count: opencl.clGetPlatformIDs(room, to, count))
    device = _first(
        lambda room, to, count: opencl.clGetDeviceIDs(platform, ctypes.c_uint64(_DEVICE_TYPE_ALL), room, to, count)
    )
    return {
        "platform": _text(opencl.clGetPlatformInfo, platform, _PLATFORM_VERSION),
        "device": _text(opencl.clGetDeviceInfo, device, _DEVICE_NAME),
        "version": _text(opencl.clGetDeviceInfo, device, _DRIVER_VERSION),
        "extensions": _text(opencl.clGetDeviceInfo, device, _DEVICE_EXTENSIONS),
    }


def _first(listed: Callable[[ctypes.c_uint32, Any, Any], int]) -> ctypes.c_void_p:
    handle, count = ctypes.c_void_p(), ctypes.c_uint32()
    status = listed(ctypes.c_uint32(1), ctypes.byref(handle), ctypes.byref(count))
    if status != 0 or not handle:
        raise RuntimeError(f"the driver shows nothing: status {status}")
    return handle


def _text(ask: Any, handle: ctypes.c_void_p, name: int) -> str:
    size = ctypes.c_size_t()
    ask(handle, ctypes.c_uint32(name), ctypes.c_size_t(0), None, ctypes.byref(size))
    text = ctypes.create_string_buffer(max(size.value, 1))
    ask(handle, ctypes.c_uint32(name), size, text, None)
    return text.value.decode(errors="replace").strip()


if __name__ == "__main__":
    try:
        print(json.dumps(ask_loader()))
    except (OSError, RuntimeError) as problem:
        print(problem, file=sys.stderr)
        sys.exit(1)
