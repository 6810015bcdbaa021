"""Building the native runner: for this host (the loopback, tests), for Android with the NDK, or without it.

Built binaries are cached by source and compiler. The supported way to a phone's binary is the NDK;
the NDK-free link (zig, or clang with lld, against stub libraries) has not run on a phone, and says so.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from runner import children
from runner.cache import cache_root, folder_in_place, is_whole_folder
from runner.errors import BadInput, TargetUnavailable
from runner.installation import compiler_install
from runner.scratch import ScratchFolder

NATIVE = Path(__file__).resolve().parents[1] / "native"
SOURCE = NATIVE / "batch_runner.c"
FAULT_SOURCE = NATIVE / "fault_preload.c"
RUNNER = "batch_runner"
NOT_ON_A_PHONE = "linked without the Android NDK: not run on a phone"

# Android ABI -> (compiler triple, ELF machine number, 64-bit)
ABIS = {
    "arm64-v8a": ("aarch64-linux-android", 183, True),
    "armeabi-v7a": ("armv7a-linux-androideabi", 40, False),
    "x86_64": ("x86_64-linux-android", 62, True),
    "x86": ("i686-linux-android", 3, False),
}
API_LEVEL = 26
# What the runner takes from libc and libdl: the stub libraries of the NDK-free link define these names, empty.
_LIBC_NAMES = """
fwrite puts putchar fputs fputc memcmp strcpy stpcpy strncmp abort
__errno _exit access calloc clock_gettime close dlerror dlopen dlsym dup2 fflush flock fork
fprintf free fstat ftruncate getpid getppid kill malloc memchr memcpy memmove memset mkdir
open pipe poll prctl pread printf pwrite read realloc rename signal snprintf sscanf strchr
strcmp strdup strerror strlen strspn strstr strtol sysconf unlink vsnprintf waitpid write
exit __libc_init
"""
_WARNINGS = ("-std=c11", "-O2", "-Wall", "-Wextra", "-Werror")


def host_runner() -> Path:
    """The runner for this machine, built on first use. Raises TargetUnavailable without a C compiler."""
    return _built("host", SOURCE, RUNNER, [_host_compiler(), *_WARNINGS, "{source}", "-o", "{out}", "-ldl"])


def linux_runner(machine: str) -> Path:
    """The runner for a Linux machine with another processor (`aarch64`). Raises TargetUnavailable.

    glibc 2.27 is what LiteRT's wheels ask for.
    """
    zig = zig_compiler()
    if zig is None:
        raise TargetUnavailable(
            f"no compiler for Linux on {machine} is here; run: {compiler_install()}, or set ZIG to a zig"
        )
    command = [zig, "cc", "-target", f"{machine}-linux-gnu.2.27", *_WARNINGS, "-s", "{source}", "-o", "{out}", "-ldl"]
    return _built(f"linux-{machine}", SOURCE, RUNNER, command)


def fault_library() -> Path:
    """The library that makes the loopback's clock jump and its disk full."""
    command = [_host_compiler(), *_WARNINGS, "-shared", "-fPIC", "{source}", "-o", "{out}"]
    return _built("host", FAULT_SOURCE, "libfault_preload.so", command)


def android_runner(abi: str, say: object = None) -> tuple[Path, str]:
    """The runner for a phone's ABI, and a note (empty, or why it is not the supported build).

    $REPRO_ANDROID_RUNNER names a ready binary; then $ANDROID_NDK_HOME's CMake toolchain; then zig ($ZIG, or pip's).
    Raises TargetUnavailable saying what to install.
    """
    if abi not in ABIS:
        raise TargetUnavailable(
            f"the device's ABI '{abi}' is none of {', '.join(ABIS)}; this runner cannot be built for it"
        )
    given = os.environ.get("REPRO_ANDROID_RUNNER")
    if given:
        return checked_binary(Path(given), abi), ""
    ndk = ndk_folder()
    if ndk is not None:
        return _ndk_build(ndk, abi), ""
    zig = zig_compiler()
    if zig is not None:
        return _zig_build(zig, abi), NOT_ON_A_PHONE
    raise TargetUnavailable(
        "no runner for the phone: set ANDROID_NDK_HOME to an Android NDK (it is then built with CMake), "
        f"or REPRO_ANDROID_RUNNER to a built batch_runner; or run {compiler_install()}, "
        "whose build has not run on a phone"
    )


def zig_compiler() -> str | None:
    """$ZIG, or one on PATH, or the one in the package ziglang of this Python environment; None without any."""
    return os.environ.get("ZIG") or shutil.which("zig") or _zig_of_pip()


def _zig_of_pip() -> str | None:
    spec = importlib.util.find_spec("ziglang")
    places = list(spec.submodule_search_locations or ()) if spec else []
    return next((str(Path(place) / "zig") for place in places if (Path(place) / "zig").is_file()), None)


def runner_calls() -> list[str]:
    """The functions of LiteRT's C API without which the runner does not start, as its source lists them."""
    (block,) = re.findall(r"call_names\[CALLS\] = \{(.*?)\};", SOURCE.read_text(encoding="utf-8"), re.DOTALL)
    return re.findall(r'"(LiteRt\w+)"', block)


def ndk_folder() -> Path | None:
    """$ANDROID_NDK_HOME or $ANDROID_NDK_ROOT, or the newest NDK of the SDK; None without one."""
    for name in ("ANDROID_NDK_HOME", "ANDROID_NDK_ROOT"):
        folder = Path(os.environ.get(name) or "/nonexistent")
        if (folder / "build/cmake/android.toolchain.cmake").is_file():
            return folder
    sdk = Path(os.environ.get("ANDROID_HOME") or os.environ.get("ANDROID_SDK_ROOT") or "/nonexistent")
    found = sorted(sdk.glob("ndk/*/build/cmake/android.toolchain.cmake"))
    return found[-1].parents[2] if found else None


def elf_machine(path: Path) -> tuple[int, bool]:
    """(e_machine, is 64-bit) of an ELF file. Raises BadInput for anything else."""
    try:
        head = path.open("rb").read(20)
    except OSError as error:
        raise BadInput(f"{path}: {error.strerror}; give a built batch_runner or an Android library") from error
    if len(head) < 20 or head[:4] != b"\x7fELF":
        raise BadInput(f"{path} is no ELF file; give a built batch_runner or an Android library")
    return int.from_bytes(head[18:20], "little"), head[4] == 2


def checked_binary(path: Path, abi: str) -> Path:
    """`path` if it is built for the ABI. Raises BadInput naming both."""
    machine, wide = elf_machine(path)
    if (machine, wide) != ABIS[abi][1:]:
        names = {value[1:]: name for name, value in ABIS.items()}
        built = names.get((machine, wide), f"ELF machine {machine}")
        raise BadInput(f"{path} is built for {built}, the device is {abi}; give the {abi} build")
    return path


def _host_compiler() -> str:
    compiler = os.environ.get("CC") or shutil.which("gcc") or shutil.which("cc") or shutil.which("clang")
    if not compiler:
        raise TargetUnavailable(
            "the runner has to be compiled and no C compiler is here; "
            "install one (apt-get install gcc libc6-dev) or set CC"
        )
    return compiler


def _ndk_build(ndk: Path, abi: str) -> Path:
    for tool in ("cmake",):
        if shutil.which(tool) is None:
            raise TargetUnavailable(f"building with the NDK needs {tool}; install it (apt-get install {tool})")
    with ScratchFolder("ndk") as scratch:
        toolchain = f"-DCMAKE_TOOLCHAIN_FILE={ndk}/build/cmake/android.toolchain.cmake"
        options = [toolchain, f"-DANDROID_ABI={abi}", f"-DANDROID_PLATFORM=android-{API_LEVEL}"]
        _run(["cmake", "-S", str(NATIVE), "-B", scratch, "-DCMAKE_BUILD_TYPE=Release", *options])
        _run(["cmake", "--build", scratch, "--target", RUNNER])
        made = Path(scratch) / RUNNER
        return checked_binary(_kept(made, abi), abi)


def _zig_build(zig: str, abi: str) -> Path:
    """A bionic executable without the NDK: no libc headers of Android are needed beyond musl's, the dynamic
    linker and the needed libraries are Android's. Stub libc and libdl stand in at link time only."""
    machine = ABIS[abi][0].split("-")[0]
    is_64_bit = ABIS[abi][2]
    linker = "/system/bin/linker64" if is_64_bit else "/system/bin/linker"
    with ScratchFolder("zig") as scratch:
        place = Path(scratch)
        target = f"{machine}-linux-musl"
        (place / "stubs.c").write_text(_stub_source(), encoding="utf-8")
        stub = [zig, "cc", "-target", target, "-shared", "-nostdlib", "-fno-sanitize=all", "-fno-builtin", "-w"]
        stub.append(str(place / "stubs.c"))
        _run([*stub, "-Wl,-soname,libc.so", "-o", str(place / "libc.so")])
        _run([*stub, "-Wl,-soname,libdl.so", "-o", str(place / "libdl.so")])
        # bionic keeps errno behind another name than the headers that zig brings; those come only with libc "linked".
        flags = ["-std=c11", "-O2", "-fPIE", "-fno-sanitize=all", "-fno-stack-protector", "-D__errno_location=__errno"]
        for source in (SOURCE, NATIVE / "bionic_start.c"):
            _run([zig, "cc", "-target", target, *flags, "-c", str(source), "-o", str(place / f"{source.stem}.o")])
        objects = [str(place / f"{name}.o") for name in (SOURCE.stem, "bionic_start")]
        stubs = [str(place / "libc.so"), str(place / "libdl.so")]
        binary = place / RUNNER
        link = [zig, "cc", "-target", target, "-nostdlib", "-pie", f"-Wl,--dynamic-linker={linker}", "-s"]
        _run([*link, *objects, *stubs, "-o", str(binary)])
        return checked_binary(_kept(binary, f"zig-{abi}"), abi)


def _kept(made: Path, kind: str) -> Path:
    """The built runner in the cache, under its content."""
    home = cache_root() / "native" / f"{kind}-{hashlib.sha256(made.read_bytes()).hexdigest()[:16]}"
    if not is_whole_folder(home):
        with folder_in_place(home) as folder:
            shutil.copy2(made, folder / RUNNER)
    return home / RUNNER


def _stub_source() -> str:
    """Empty definitions of every libc function the runner uses, for the link only."""
    return "".join(f"void {name}(void) {{}}\n" for name in _LIBC_NAMES.split()) + "void *stderr;\n"


def _built(kind: str, source: Path, name: str, command: Sequence[str]) -> Path:
    key = hashlib.sha256(source.read_bytes() + repr((kind, list(command))).encode()).hexdigest()[:16]
    home = cache_root() / "native" / f"{kind}-{key}"
    if not is_whole_folder(home):
        with folder_in_place(home) as folder:
            _run([part.format(source=source, out=folder / name) for part in command])
    return home / name


def _run(command: Sequence[str]) -> None:
    try:
        done = children.run(command, timeout_s=300)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise TargetUnavailable(f"the runner cannot be built: {command[0]}: {error}") from error
    if done.returncode != 0:
        lines = (done.stderr or done.stdout).strip().splitlines()
        first = next((line for line in lines if "error" in line.lower()), lines[0] if lines else "no message")
        raise TargetUnavailable(f"the runner cannot be built with {command[0]}: {first.strip()}")
