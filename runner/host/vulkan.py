"""Vulkan drivers of this host: which are installed, what adapters they show, and the environment that selects one.

Key insight: the loader reads `VK_DRIVER_FILES`, so a target is a manifest file: one driver visible,
no other. Enumeration loads driver code, which may crash, so it happens in a child process per
manifest (this module run as a script), and is remembered until the driver's files change.
"""

from __future__ import annotations

import ctypes
import functools
import hashlib
import json
import os
import re
import struct
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from runner import children
from runner.cache import cache_root, read_json, read_json_entry, shader_cache, write_json_entry
from runner.installation import swiftshader_folder
from runner.python_child import child_command, child_environment
from runner.residency import not_resident
from runner.run import Precision

LAVAPIPE = "lavapipe"
SWIFTSHADER = "swiftshader"

# VkPhysicalDeviceType -> name and rank: real hardware before software.
_DEVICE_TYPES = {2: "discrete", 1: "integrated", 3: "virtual", 4: "cpu", 0: "other"}
_DESCRIPTION = {"device", "kind", "driver", "api"}
_RANK = {"discrete": 0, "integrated": 1, "virtual": 2, "other": 3, "cpu": 4}


@dataclass(frozen=True)
class Adapter:
    """One physical device as one driver shows it.

    key: the name after `gpu:` in target names: `lavapipe`, `swiftshader`, or the device name in lower case.
    manifest: the driver's ICD json. siblings: how many devices the same manifest shows.
    driver: driver name and version, for example `llvmpipe Mesa 25.0.7 (LLVM 15.0.6)`.
    """

    key: str
    device: str
    kind: str
    driver: str
    api: str
    manifest: str
    siblings: int

    @property
    def rank(self) -> tuple[int, int, str]:
        """Sort key, best first: hardware, then lavapipe (fp32 and fp16), then the other software drivers."""
        return (_RANK[self.kind], 0 if self.key == LAVAPIPE else 1, self.key)

    precisions = tuple(Precision)
    patience = 1.0

    @property
    def stamp(self) -> str:
        """Changes when the driver, or which of its devices is meant, may have changed."""
        return "|".join((self.key, self.device, str(self.siblings), self.driver, stamp(Path(self.manifest))))

    @property
    def gpu_options(self) -> dict[str, str | int | bool]:
        """Of several devices of one driver the loader cannot hide the others; the delegate can choose."""
        return {"preferred_device_substr": self.device} if self.siblings > 1 else {}

    def environment(self, base: Mapping[str, str], threads: int | None = None) -> dict[str, str]:
        """`base` with this driver visible and no other."""
        return driver_environment(base, Path(self.manifest), threads)

    def quick_environment(self) -> dict[str, str]:
        """lavapipe told to compile shaders fast rather than well.

        Cold, 96 jobs of the catalogue took 65 s of processor time as they are, 37 s without LLVM's
        optimiser, 19 s with 128-bit vectors (`driver_environment`) as well; outputs were equal. Large models
        keep the optimiser: unoptimised kernels run about eight times slower.
        """
        return {"GALLIVM_PERF": "nopt"} if self.key == LAVAPIPE else {}

    def logged_adapter(self, log: str) -> str:
        """The adapter's name in Dawn's log."""
        return logged_adapter(log)

    def wrong_device(self, logged: str) -> bool:
        """Asked for one device of several, the delegate may silently take another."""
        return self.siblings > 1 and logged != without_width(self.device)

    def not_resident(self, log: str, fully_accelerated: bool | None) -> str:
        """Over WebGPU the runtime's own word is all there is."""
        return not_resident(log, fully_accelerated, loopback=True)


def manifests() -> list[Path]:
    """ICD manifests of this host: the loader's own search path, Chromium's SwiftShader, and our cache's."""
    named = os.environ.get("VK_DRIVER_FILES") or os.environ.get("VK_ICD_FILENAMES")
    if named:
        return [Path(name) for name in named.split(os.pathsep) if Path(name).is_file()]
    config = os.environ.get("XDG_CONFIG_DIRS") or "/etc/xdg"
    data = os.environ.get("XDG_DATA_DIRS") or "/usr/local/share:/usr/share"
    roots = [Path(part) for part in (*config.split(":"), "/etc", *data.split(":")) if part]
    files = [m for root in dict.fromkeys(roots) for m in sorted((root / "vulkan" / "icd.d").glob("*.json"))]
    files += [m for m in (swiftshader_manifest(), Path("/usr/lib/chromium/vk_swiftshader_icd.json")) if m.is_file()]
    return files


def swiftshader_manifest() -> Path:
    """Of the SwiftShader that the set-up unpacked, whether it is there or not."""
    return swiftshader_folder() / "vk_swiftshader_icd.json"


def adapters() -> list[Adapter]:
    """Every adapter of every driver, best first; a driver that crashes or shows none is left out."""
    files = manifests()
    with ThreadPoolExecutor(max_workers=4) as pool:
        shown = list(pool.map(_adapters_of, files))
    unique: dict[str, Adapter] = {}
    for adapter in sorted((a for some in shown for a in some), key=lambda a: a.rank):
        unique.setdefault(adapter.key, adapter)
    return list(unique.values())


def _adapters_of(manifest: Path) -> list[Adapter]:
    memory = cache_root() / "adapters" / f"{stamp(manifest)}.json"
    known = read_json_entry(memory)
    if not _describes_adapters(known):
        known = _enumerate_in_child(manifest, stamp(manifest))
        if known:
            write_json_entry(memory, known)
    return [
        Adapter(
            key=adapter_key(entry["driver"], entry["device"]),
            device=entry["device"],
            kind=entry["kind"],
            driver=entry["driver"],
            api=entry["api"],
            manifest=str(manifest),
            siblings=len(known),
        )
        for entry in known
    ]


def _describes_adapters(known: Any) -> bool:
    """Whether it is what `enumerate_adapters` of this version gives."""
    return isinstance(known, list) and all(isinstance(e, dict) and e.keys() == _DESCRIPTION for e in known)


@functools.cache
def _enumerate_in_child(manifest: Path, version: str) -> list[dict[str, str]]:
    """What a driver shows. A driver without a device is asked once per process: its hardware may come, but not now."""
    try:
        child = children.run(
            child_command("runner.host.vulkan"),
            env=child_environment(driver_environment(os.environ, manifest)),
            timeout_s=30,
        )
        answer = json.loads(child.stdout) if child.returncode == 0 else []
    except (subprocess.TimeoutExpired, ValueError):
        return []
    return answer if _describes_adapters(answer) else []


def adapter_key(driver: str, device: str) -> str:
    """The short name of an adapter in target names."""
    if driver.startswith("llvmpipe"):
        return LAVAPIPE
    if driver.startswith("SwiftShader"):
        return SWIFTSHADER
    return name_key(device) or "unnamed"


def name_key(name: str) -> str:
    """The name of a device as target names spell it: `NVIDIA H100 80GB HBM3` -> `nvidia-h100-80gb-hbm3`."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")


def library_of(manifest: Path) -> Path | None:
    """The driver's library if the manifest gives a path; None where the system's search path decides."""
    content = read_json(manifest)
    name = str(content.get("ICD", {}).get("library_path", "")) if isinstance(content, dict) else ""
    if "/" not in name:
        return None
    return manifest.parent / name


def stamp(manifest: Path) -> str:
    """Changes when the driver may have changed: manifest, its library, and the loader's search results."""
    parts = [str(manifest), manifest.read_text(encoding="utf-8", errors="replace")]
    content = read_json(manifest)
    name = str(content.get("ICD", {}).get("library_path", "")) if isinstance(content, dict) else ""
    library = library_of(manifest)
    places = [library] if library else [p / name for p in _library_folders()]
    for place in places:
        if place.is_file():
            status = place.stat()
            parts.append(f"{place} {status.st_size} {status.st_mtime_ns}")
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:32]


def _library_folders() -> list[Path]:
    machine = f"{os.uname().machine}-linux-gnu"
    return [Path("/usr/lib") / machine, Path("/usr/lib64"), Path("/usr/lib"), Path("/usr/local/lib")]


def driver_environment(base: Mapping[str, str], manifest: Path, threads: int | None = None) -> dict[str, str]:
    """`base` with exactly one driver visible, a runtime folder, and at most `threads` threads in software drivers."""
    environment = dict(base)
    for name in ("VK_ICD_FILENAMES", "VK_ADD_DRIVER_FILES", "VK_INSTANCE_LAYERS", "VK_LOADER_LAYERS_ENABLE"):
        environment.pop(name, None)
    environment["VK_DRIVER_FILES"] = str(manifest)
    environment.setdefault("XDG_RUNTIME_DIR", tempfile.gettempdir())
    # lavapipe's shader cache (Mesa 25.0.7) does not ask for how many lanes a shader was compiled: processes with
    # other settings hand each other code that does not fit theirs, and one graph in 700 died of it, inside a
    # compiled shader. So: one width, and a cache of our own. 128 bits compile twice as fast and run as fast as 256.
    environment.setdefault("LP_NATIVE_VECTOR_WIDTH", "128")
    environment.setdefault("MESA_SHADER_CACHE_DIR", str(shader_cache() / environment["LP_NATIVE_VECTOR_WIDTH"]))
    if threads is not None:
        environment["LP_NUM_THREADS"] = str(threads)
    return environment


def enumerate_adapters() -> list[dict[str, str]]:
    """Ask the loader in this process. Raises OSError without a loader, RuntimeError if no instance can be made."""
    vulkan = ctypes.CDLL("libvulkan.so.1")
    # VkApplicationInfo and VkInstanceCreateInfo (vulkan_core.h); everything unused is zero.
    api_1_1 = (1 << 22) | (1 << 12)
    application = ctypes.create_string_buffer(48)
    struct.pack_into("=I", application, 44, api_1_1)
    create = ctypes.create_string_buffer(64)
    struct.pack_into("=i4xQiiQ", create, 0, 1, 0, 0, 0, ctypes.addressof(application))
    instance = ctypes.c_void_p()
    status = vulkan.vkCreateInstance(create, None, ctypes.byref(instance))
    if status != 0:
        raise RuntimeError(f"vkCreateInstance returned {status}")
    count = ctypes.c_uint32()
    vulkan.vkEnumeratePhysicalDevices(instance, ctypes.byref(count), None)
    devices = (ctypes.c_void_p * max(count.value, 1))()
    vulkan.vkEnumeratePhysicalDevices(instance, ctypes.byref(count), devices)
    return [_describe(vulkan, ctypes.c_void_p(devices[i])) for i in range(count.value)]


def _describe(vulkan: ctypes.CDLL, device: ctypes.c_void_p) -> dict[str, str]:
    # VkPhysicalDeviceDriverProperties: sType, pNext, driverID, driverName[256], driverInfo[256], version.
    driver = ctypes.create_string_buffer(16 + 4 + 256 + 256 + 4 + 16)
    struct.pack_into("=i4xQ", driver, 0, 1000196000, 0)
    # VkPhysicalDeviceProperties2: sType, pNext, then VkPhysicalDeviceProperties (824 bytes).
    properties = ctypes.create_string_buffer(16 + 1024)
    struct.pack_into("=i4xQ", properties, 0, 1000059001, ctypes.addressof(driver))
    vulkan.vkGetPhysicalDeviceProperties2(device, properties)
    api, version, _vendor, _device, kind = struct.unpack_from("=IIIIi", properties, 16)
    name = properties.raw[16 + 20 : 16 + 20 + 256].split(b"\0")[0].decode(errors="replace")
    driver_name = driver.raw[20 : 20 + 256].split(b"\0")[0].decode(errors="replace")
    driver_info = driver.raw[276 : 276 + 256].split(b"\0")[0].decode(errors="replace")
    detail = driver_info or f"{version >> 22}.{(version >> 12) & 0x3FF}.{version & 0xFFF}"
    return {
        "device": name,
        "kind": _DEVICE_TYPES.get(kind, "other"),
        "driver": f"{driver_name or 'unnamed driver'} {detail}",
        "api": f"{(api >> 22) & 0x7F}.{(api >> 12) & 0x3FF}.{api & 0xFFF}",
    }


def logged_adapter(log: str) -> str:
    """The adapter's name in Dawn's `Selected adapter:` line; empty where there is none.

    llvmpipe's name ends in the vector width of the processor it runs on (`, 256 bits`): that is cut
    off, because it says nothing about the driver and makes equal results from two machines look different.
    """
    found = re.search(r"Selected adapter: (.*?)(?:, arch=|$)", log, re.MULTILINE)
    return without_width(found.group(1).strip()) if found else ""


def without_width(device: str) -> str:
    """`llvmpipe (LLVM 15.0.6, 256 bits)` -> `llvmpipe (LLVM 15.0.6)`."""
    return re.sub(r", \d+ bits\)$", ")", device)


if __name__ == "__main__":
    try:
        print(json.dumps(enumerate_adapters()))
    except (OSError, RuntimeError) as problem:
        print(problem, file=sys.stderr)
        sys.exit(1)
