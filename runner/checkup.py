"""What `repro doctor` looks at: each thing that a run needs, whether it is here, and the command that brings it.

A check never raises for what is missing: that is its answer. It does not install anything, and leaves
no process behind (an adb server that it had to start is stopped again).
"""

from __future__ import annotations

import ctypes
import enum
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import adbutils

from runner import runtimes
from runner.adb import build, devices
from runner.adb.private_server import PrivateServer
from runner.adb.server import default_server, server_is_running
from runner.c_compiler import compiler
from runner.cache import cache_root
from runner.errors import BadInput, ReproError, TargetUnavailable
from runner.host.vulkan import LAVAPIPE, SWIFTSHADER
from runner.installation import (
    DISTRIBUTION,
    HIDES_DRIVERS,
    apt_install,
    compiler_install,
    converter_install,
    install_everything,
    mesa_install,
    opencl_install,
    own_version,
    pip_install,
    swiftshader_install,
    web_install,
)
from runner.opencl import android_runtime
from runner.opencl.drivers import opencl_drivers
from runner.runtime_version import spoken
from runner.targets import TargetInfo, available, available_opencl, available_web
from runner.web import litert_js
from runner.web.browser import WEB, missing

CONVERTER_PACKAGES = ("torch", "litert-torch", "transformers", "ai-edge-quantizer")


class RequirementState(enum.StrEnum):
    """Whether something that a run needs is here."""

    OK = "ok"
    MISSING = "missing"
    """It is not here, and nothing else stops working without it."""
    BROKEN = "broken"
    """It is not here or does not work, and a part of this project cannot work."""


@dataclass(frozen=True)
class Requirement:
    """One line of the doctor's page.

    remedy: the exact command, or the exact action, that mends it; empty if ok.
    """

    subject: str
    state: RequirementState
    detail: str
    remedy: str = ""


OK, MISSING, BROKEN = RequirementState

ROOM = 1 << 20
"""Bytes that have to fit into the cache and among the temporary files; one run of a small model keeps less."""


def requirements() -> tuple[list[Requirement], list[TargetInfo]]:
    """Every check in the order of the page, and the host targets as they were tried."""
    scratch = check_scratch()
    checks = [check_python(), *check_runtime(), check_loader()]
    infos, problem = _targets() if scratch.state is OK else ([], scratch)
    checks += [problem] if problem else check_targets(infos)
    if problem is None:
        over_opencl, found = check_opencl()
        in_browser, shown = check_web()
        checks += [*over_opencl, in_browser]
        infos += found + shown
    checks += [check_compiler(), check_phone_runner(), *check_adb(), *check_converter(), check_cache()]
    checks += [scratch] if scratch.state is OK else []
    return checks, infos


def _targets() -> tuple[list[TargetInfo], Requirement | None]:
    try:
        return available(), None
    except BadInput as error:
        return [], _broken("targets", error)
    except ReproError as error:
        return [], Requirement("targets", BROKEN, str(error), install_everything())


def check_python() -> Requirement:
    """The interpreter and this project's version."""
    version = f"{sys.version_info.major}.{sys.version_info.minor}.{sys.version_info.micro}"
    return Requirement("python", OK, f"{version} at {sys.executable}; {DISTRIBUTION} {own_version()}")


def check_runtime() -> Iterator[Requirement]:
    """The installed LiteRT runtime, its accelerator library, and other versions in the cache."""
    try:
        runtime = runtimes.installed()
    except ReproError as error:
        yield Requirement("runtime", BROKEN, str(error), pip_install(runtimes.PACKAGE))
        return
    yield Requirement("runtime", OK, f"LiteRT {runtime.version} in {runtime.folder}")
    accelerator = runtime.accelerator
    try:
        libraries = runtime.libraries
        others = ", ".join(other.version for other in runtimes.fetched()) or "none yet"
    except BadInput as error:
        yield _broken("accelerator", error)
        return
    if accelerator is None:
        detail = f"LiteRT {runtime.version} ships no GPU accelerator library"
        yield Requirement("accelerator", BROKEN, detail, pip_install(f"{runtimes.PACKAGE}>=2.1.3"))
    else:
        sha = libraries[accelerator.name]
        yield Requirement("accelerator", OK, f"{accelerator.name}, sha256 {sha[:16]}...")
    yield Requirement("other runtimes", OK, f"{others}; `repro matrix` and --runtime fetch {', '.join(runtimes.KNOWN)}")


def check_cache() -> Requirement:
    """The cache folder, and whether it can be written: nearly everything keeps something there."""
    try:
        root = cache_root()
    except BadInput as error:
        return _broken("cache", error)
    why = _no_room_in(root)
    remedy = "make room, or set REPRO_CACHE to another folder" if why else ""
    return Requirement("cache", BROKEN if why else OK, f"{root}{why}", remedy)


def _broken(subject: str, error: BadInput) -> Requirement:
    """What is wrong, and behind the line's semicolon what to do."""
    problem, _, remedy = str(error).rpartition("; ")
    return Requirement(subject, BROKEN, problem, remedy)


def check_scratch() -> Requirement:
    """The folder for temporary files, which every worker process needs."""
    remedy = "set TMPDIR to a folder that can be written"
    try:
        folder = Path(tempfile.gettempdir())
    except FileNotFoundError as error:
        return Requirement("temporary files", BROKEN, str(error.strerror), remedy)
    why = _no_room_in(folder)
    return Requirement("temporary files", BROKEN if why else OK, f"{folder}{why}", remedy if why else "")


def _no_room_in(folder: Path) -> str:
    """Why nothing can be written there, to stand behind its name; empty where something can."""
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(bytes(ROOM))
            file.flush()
    except OSError as error:
        return f" cannot be written ({error.strerror})"
    return ""


def check_loader() -> Requirement:
    """The Vulkan loader, which the delegate opens by name."""
    try:
        ctypes.CDLL("libvulkan.so.1")
    except OSError as error:
        return Requirement("vulkan loader", BROKEN, str(error), apt_install("libvulkan1"))
    return Requirement("vulkan loader", OK, "libvulkan.so.1")


def check_targets(infos: list[TargetInfo]) -> Iterator[Requirement]:
    """One line per target that was tried, and one for each software driver that is not here."""
    for info in infos:
        if info.usable:
            seen = (
                f"{info.device}, driver {info.driver}, accepted by Dawn as '{info.adapter}'" if info.driver else "works"
            )
            yield Requirement(info.name, OK, seen)
        else:
            what = f"{info.device}, driver {info.driver}: " if info.driver else ""
            yield Requirement(info.name, BROKEN, f"{what}{info.reason}", _target_remedy(info))
    names = {info.name for info in infos}
    for variable in HIDES_DRIVERS:
        if os.environ.get(variable) and not any(name.startswith("gpu") for name in names):
            detail = f"hides every Vulkan driver but {os.environ[variable]}"
            yield Requirement(variable, BROKEN, detail, f"unset {variable}")
    if f"gpu:{LAVAPIPE}" not in names:
        detail = "no Mesa software driver (lavapipe) is installed"
        yield Requirement(f"gpu:{LAVAPIPE}", MISSING, detail, mesa_install())
    if f"gpu:{SWIFTSHADER}" not in names:
        detail = "no SwiftShader: a second, independent driver, not needed for a run"
        yield Requirement(f"gpu:{SWIFTSHADER}", MISSING, detail, swiftshader_install())


def _target_remedy(info: TargetInfo) -> str:
    if info.name == f"gpu:{LAVAPIPE}":
        return mesa_install()
    if info.name == f"gpu:{SWIFTSHADER}":
        return swiftshader_install()
    return "install the vendor's newest Vulkan driver" if info.driver else install_everything()


def check_opencl() -> tuple[list[Requirement], list[TargetInfo]]:
    """The targets over OpenCL as they were tried: one line each, or the line that says why there is none."""
    if not opencl_drivers():
        detail = "no OpenCL driver is installed: the phone's own delegate (LITERT_CL), not needed for a run"
        return [Requirement("opencl", MISSING, detail, opencl_install())], []
    infos = available_opencl()
    if not infos:
        here = ", ".join(driver.driver for driver in opencl_drivers())
        detail = f"{here}, but LiteRT-LM's library is not in the cache yet"
        return [Requirement("opencl", MISSING, detail, opencl_install())], []
    version = android_runtime.made_versions()[-1]
    return [
        Requirement(info.name, OK, f"{info.driver}, with LiteRT-LM {version}")
        if info.usable
        else Requirement(info.name, BROKEN, f"{info.driver}: {info.reason}", opencl_install())
        for info in infos
    ], infos


def check_web() -> tuple[Requirement, list[TargetInfo]]:
    """The target in a browser as it was tried, or the line that says what it lacks."""
    name = f"gpu:{WEB}"
    lacks = missing() or ("" if litert_js.fetched_versions() else "LiteRT.js is not in the cache yet")
    if lacks:
        return Requirement(name, MISSING, f"{lacks}: a browser's own delegate, not needed for a run", web_install()), []
    try:
        infos = available_web()
    except TargetUnavailable as error:
        return Requirement(name, BROKEN, str(error), web_install()), []
    (info,) = infos
    if not info.usable:
        return Requirement(name, BROKEN, f"{info.driver}: {info.reason}", web_install()), infos
    version = litert_js.fetched_versions()[-1]
    return Requirement(name, OK, f"{info.device}, {info.driver}, with {spoken(version)}"), infos


def check_compiler() -> Requirement:
    """A C compiler, for targets with another adapter name, those over OpenCL, and the runner for phones."""
    found = compiler()
    if found is None:
        detail = "no C compiler: gpu:<adapter>@<name> and OpenCL targets and the native runner cannot be built"
        return Requirement("C compiler", MISSING, detail, apt_install("gcc libc6-dev"))
    return Requirement("C compiler", OK, found)


def check_phone_runner() -> Requirement:
    """What gives the native runner for a phone: a file that is named, the NDK, or zig."""
    given = os.environ.get("REPRO_ANDROID_RUNNER")
    if given:
        try:
            build.elf_machine(Path(given))
        except BadInput as error:
            remedy = "set REPRO_ANDROID_RUNNER to a built batch_runner, or unset it"
            return Requirement("phone's runner", BROKEN, f"REPRO_ANDROID_RUNNER: {error}", remedy)
        return Requirement("phone's runner", OK, f"REPRO_ANDROID_RUNNER names {given}")
    ndk, zig = build.ndk_folder(), build.zig_compiler()
    if ndk is not None:
        return Requirement("phone's runner", OK, f"built with the Android NDK in {ndk}")
    if zig is not None:
        return Requirement("phone's runner", OK, f"built with {zig}; {build.NOT_ON_A_PHONE}")
    detail = "neither an Android NDK (ANDROID_NDK_HOME) nor zig: needed for phones and bundles only"
    return Requirement("phone's runner", MISSING, detail, compiler_install())


def check_adb() -> Iterator[Requirement]:
    """adb and the phones it sees. Where the user's server is not running, one of ours looks, and leaves nothing."""
    try:
        with ExitStack() as stack:
            if server_is_running():
                server = default_server()
                where = f"the server at {server}"
            else:
                server = stack.enter_context(PrivateServer(own_keys=False)).address
                where = "no server is running, adb starts one when it is asked for phones"
            version = server.client().server_version()
            phones = devices.attached(server)
    except (ReproError, adbutils.AdbError, OSError) as error:
        yield Requirement("adb", BROKEN, " ".join(str(error).split()), apt_install("adb"))
        return
    binary = shutil.which("adb") or "the one that adbutils brings"
    yield Requirement("adb", OK, f"version {version}; {where}; adb: {binary}")
    if not phones:
        yield Requirement("adb devices", MISSING, "no phone attached", devices.NONE_HERE.partition(": ")[2])
    for phone in phones:
        state = OK if phone.ready else BROKEN
        remedy = phone.problem.partition(": ")[2]
        yield Requirement(f"adb:{phone.serial}", state, f"{phone.state} {phone.detail}".strip(), remedy)


def check_converter() -> Iterator[Requirement]:
    """torch and the converter, by their installed versions: importing them takes seconds."""
    for name in CONVERTER_PACKAGES:
        version = _version(name)
        if version:
            yield Requirement(name, OK, version)
        else:
            detail = "not installed: cases that are torch modules, and repro gate's conversions, need it"
            yield Requirement(name, MISSING, detail, converter_install())


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return ""
