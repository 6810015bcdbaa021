"""LiteRT.js by version, `web-2.5.3`: the npm package, fetched with npm and unpacked in a cached folder of its own.

Key insight: the package is a folder of finished files, JavaScript and WebAssembly. Nothing is built or installed: a
page loads them as they lie there. It is numbered apart from ai-edge-litert.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import tarfile
from collections.abc import Callable, Mapping
from pathlib import Path

from runner import children
from runner.cache import cache_root, folder_in_place, is_whole_folder
from runner.errors import BadInput, TargetUnavailable
from runner.installation import web_install
from runner.known_downloads import hold_to_known
from runner.runtime_version import WEB_PREFIX

_SCOPE, _CORE, _UTILS = "@litertjs", "core", "wasm-utils"
_UTILS_OF: Mapping[str, str] = {"2.5.2": "2.5.3", "2.5.3": "2.5.3"}
"""The releases that were run here, oldest first, and the version of the package that loads their WebAssembly."""
KNOWN = tuple(WEB_PREFIX + number for number in _UTILS_OF)
NEWEST = KNOWN[-1]
_DECIDES = ("dist/index.js", "wasm/litert_wasm_internal.js", "wasm/litert_wasm_internal.wasm")
_LEFT_OUT = ("_compat_", "_jspi_", "_threaded_")
"""Other builds of the same WebAssembly: without SIMD, suspending, with threads. A page here loads the plain one."""
_PATIENCE_S = 600


def runtime_folder(version: str, tell: Callable[[str], None]) -> Path:
    """The folder with `core/` and `wasm-utils/`, made at first use. version: `web-2.5.3`.

    Raises BadInput for a version that is not pinned here, TargetUnavailable where it cannot be fetched.
    """
    if version not in KNOWN:
        raise BadInput(f"'{version}' is no LiteRT.js runtime that is known here; known are {', '.join(KNOWN)}")
    folder = _home() / version
    if not is_whole_folder(folder):
        number = version.removeprefix(WEB_PREFIX)
        tell(f"fetching {_SCOPE}/{_CORE} {number} (about 12 MB) into {folder.parent}")
        with folder_in_place(folder) as made:
            _fetch(_CORE, number, made, tell)
            _fetch(_UTILS, _UTILS_OF[number], made, tell)
    return folder


def fetched_versions() -> list[str]:
    """The versions whose folders lie in the cache, oldest first."""
    return [version for version in KNOWN if is_whole_folder(_home() / version)]


def deciding_files(folder: Path) -> Mapping[str, Path]:
    """File name -> the files of a runtime's folder that decide results."""
    return {Path(name).name: folder / _CORE / name for name in _DECIDES}


def _home() -> Path:
    return cache_root() / "web" / "runtimes"


def _fetch(name: str, number: str, made: Path, tell: Callable[[str], None]) -> None:
    """Download one package with npm, as npm is set up here, hold it to its known digest, unpack it in `made`."""
    package = f"{_SCOPE}/{name}@{number}"
    npm = shutil.which("npm")
    if npm is None:
        raise TargetUnavailable(f"{package} is fetched with npm, which is not here; run: {web_install()}")
    try:
        done = children.run([npm, "pack", package, "--pack-destination", str(made)], timeout_s=_PATIENCE_S)
    except subprocess.TimeoutExpired as error:
        raise TargetUnavailable(
            f"{package} did not arrive within {_PATIENCE_S // 60} minutes; run the same command again"
        ) from error
    archives = list(made.glob("*.tgz"))
    if done.returncode != 0 or not archives:
        said = [line for line in done.stderr.splitlines() if line.startswith(("npm error", "npm ERR!"))]
        why = said[0] if said else f"exit code {done.returncode}"
        raise TargetUnavailable(f"{package} cannot be fetched ({why}); check the network, then run the same again")
    (archive,) = archives
    hold_to_known(archive.name, hashlib.sha256(archive.read_bytes()).hexdigest(), tell)
    with tarfile.open(archive) as packed:
        wanted = [member for member in packed if not any(word in member.name for word in _LEFT_OUT)]
        packed.extractall(made / "packed", members=wanted, filter="data")
    (made / "packed" / "package").rename(made / name)
    (made / "packed").rmdir()
    archive.unlink()
