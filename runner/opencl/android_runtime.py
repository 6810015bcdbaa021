"""LiteRT with its OpenCL delegate, from the Android wheel of LiteRT-LM, made loadable on this host.

Key insight: the PyPI package `litert-lm-api` has wheels for Android, and `liblitert-lm.so` in them exports LiteRT's C
API with the OpenCL delegate linked in: the code that a phone runs. Fetched by version and sha256, rewritten for glibc's
loader and linked with a stand-in for Android's libc, it is a runtime folder like any other. ai-edge-litert has no
OpenCL on any platform.
"""

from __future__ import annotations

import hashlib
import platform
import re
import sys
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

from runner import children
from runner.c_compiler import build_library
from runner.cache import cache_root, canonical_json, folder_in_place, is_whole_folder, read_json
from runner.errors import BadInput, TargetUnavailable
from runner.opencl import android_library, stand_in
from runner.opencl.android_library import NotRewritable, for_glibc, imported_names
from runner.runtime_version import LM_PREFIX
from runner.wheels import download_wheel

PACKAGE = "litert-lm-api"
WHEELS: Mapping[str, str] = {
    "0.14.0": "99816906f397c156bc56ed140101e99d53782e4e7fa4b26db680f40074d73577",
    "0.15.0": "dcd7684e0b3b9f5626269df8400dc385a86a0aa983cafe9cbdc0f1877261776d",
    "0.16.0": "18a64b67e3f5fc9f0f76bd3f50af1efb6e26a70c52f97c8d862edaa4201ed132",
    "0.16.1": "9cef448ec047d6b3c28ec7d52e2eab8835ed74041c0aed86676dd6cb8b21923f",
    "0.17.0": "31856b701c550174b588e181df9a803439345427489443fe1441e23b2ac48a4f",
    "0.17.1": "50ba5d81bcf0b4a5cface37f4f2a8209d2f745b2b25c3b3812e3211135ecb39b",
    "0.18.0": "db5268c5eb8e60f5a7cdecea310f8084426ae174fdbe8efe2991c47f54d74889",
    "0.18.1": "1c7940aedcad3ea1946016bf4c457cc438bd9ebe508f52705174568ab1cd0338",
}
"""sha256 of the wheel for Android on x86_64, by version. Each was loaded and run; a later one may lack the API."""
KNOWN = tuple(LM_PREFIX + version for version in WHEELS)
NEWEST = KNOWN[-1]
_LIBRARY = "liblitert-lm.so"
_LIBRARIES = "libraries.json"


def is_android(version: str | None) -> bool:
    """Whether a runtime's version is one of these: `lm-0.18.1`."""
    return version is not None and version.startswith(LM_PREFIX)


def runtime_folder(version: str, tell: Callable[[str], None]) -> Path:
    """The folder with `libLiteRt.so`, made at first use. version: `lm-0.18.1`.

    Raises BadInput for a version that is not pinned here, TargetUnavailable where a step fails.
    """
    if version not in KNOWN:
        raise BadInput(f"'{version}' is no LiteRT-LM runtime that is known here; known are {', '.join(KNOWN)}")
    folder = _home() / f"{version}-{_sources_sha256()[:16]}"
    if not is_whole_folder(folder):
        if platform.machine() != "x86_64":
            raise TargetUnavailable(
                f"LiteRT-LM's library is loaded on x86_64 hosts only, this one is {platform.machine()}"
            )
        wheel = _wheel(version.removeprefix(LM_PREFIX), tell)
        tell(f"making {version} loadable here")
        with folder_in_place(folder) as made:
            _make(wheel, version, made)
    return folder


def made_versions() -> list[str]:
    """The versions whose folders lie in the cache, made from the sources as they are now, oldest first."""
    stamp = _sources_sha256()[:16]
    return [version for version in KNOWN if (_home() / f"{version}-{stamp}").is_dir()]


def library_hashes(folder: Path) -> Mapping[str, str]:
    """File name -> sha256 of what decides results: the library as it was published, and the source of the stand-in."""
    found = read_json(folder / _LIBRARIES)
    return found if isinstance(found, dict) else {}


def _home() -> Path:
    return cache_root() / "opencl" / "runtimes"


def _sources_sha256() -> str:
    """Changes when the same wheel would be made into something else."""
    sources = (stand_in.SOURCE, Path(stand_in.__file__), Path(android_library.__file__))
    return hashlib.sha256(b"".join(source.read_bytes() for source in sources)).hexdigest()


def _wheel(number: str, tell: Callable[[str], None]) -> Path:
    """The wheel of a version in the cache, fetched at first use and held against its pin."""
    folder = cache_root() / "opencl" / "wheels" / WHEELS[number]
    if not is_whole_folder(folder):
        requirement = f"{PACKAGE}=={number}"
        tell(f"fetching {requirement} for Android (about 15 MB) into {folder.parent}")
        options = ["--platform", "android_23_x86_64", "--implementation", "py", "--abi", "none"]
        options += ["--python-version", f"{sys.version_info.major}.{sys.version_info.minor}"]
        with folder_in_place(folder) as made:
            wheel = download_wheel(requirement, made, options)
            _check_pin(wheel, number)
    return next(folder.glob("*.whl"))


def _check_pin(wheel: Path, number: str) -> None:
    got = hashlib.sha256(wheel.read_bytes()).hexdigest()
    if got != WHEELS[number]:
        raise TargetUnavailable(
            f"{wheel.name} came with sha256 {got[:16]}..., pinned is {WHEELS[number][:16]}...; "
            f"it is not used: look at where pip gets its packages from (`pip config list`)"
        )


def _make(wheel: Path, version: str, made: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        name = next((n for n in archive.namelist() if n.endswith(f"/{_LIBRARY}")), None)
        if name is None:
            raise TargetUnavailable(f"{wheel.name} holds no {_LIBRARY}; use {NEWEST}")
        original = archive.read(name)
    source = stand_in.SOURCE.read_text(encoding="utf-8")
    absent = made / "absent.c"
    try:
        (made / "libLiteRt.so").write_bytes(for_glibc(original, stand_in.NAME, stand_in.differing_imports(source)))
        absent.write_text(stand_in.absent_functions(imported_names(original), source), encoding="utf-8")
    except NotRewritable as error:
        raise TargetUnavailable(f"{version} cannot be made loadable here: {error}; use {NEWEST}") from error
    what = "the stand-in for Android's libc"
    build_library(what, [stand_in.SOURCE, absent], made / stand_in.NAME, stand_in.FLAGS)
    hashes = {_LIBRARY: original, stand_in.SOURCE.name: source.encode()}
    (made / _LIBRARIES).write_bytes(canonical_json({n: hashlib.sha256(d).hexdigest() for n, d in hashes.items()}))
    check_loads(version, made)


def check_loads(version: str, folder: Path) -> None:
    """Load the finished library in a process of its own; what its loader misses is named."""
    load = "import ctypes, sys; ctypes.CDLL(sys.argv[1]).LiteRtCreateEnvironment"
    child = children.run([sys.executable, "-c", load, str(folder / "libLiteRt.so")], timeout_s=120)
    if child.returncode == 0:
        return
    said = (child.stderr.strip().splitlines() or [f"exit code {child.returncode}"])[-1]
    missing = re.search(r"undefined symbol: (\w+)", said)
    if missing and missing.group(1).startswith("LiteRt"):
        raise TargetUnavailable(f"{version} does not export LiteRT's C API ({missing.group(1)}); use {NEWEST}")
    if missing:
        raise TargetUnavailable(
            f"{version} needs {missing.group(1)}, which is neither in this machine's C library nor in "
            f"{stand_in.SOURCE.name}; use {NEWEST}, or add it there"
        )
    raise TargetUnavailable(f"{version} cannot be loaded here: {said}; use {NEWEST}")
