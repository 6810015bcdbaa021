"""LiteRT runtimes: the installed one, and others by version, each unpacked in a cached folder of its own.

Key insight: a runtime is a folder with `libLiteRt.so` beside its accelerator. A wheel is a zip with
that folder inside, so no virtual environment is needed to hold five versions at once.
"""

from __future__ import annotations

import csv
import hashlib
import importlib.util
import io
import sys
import time
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from importlib import metadata
from pathlib import Path

from packaging.version import InvalidVersion, Version

from runner.cache import (
    cache_root,
    file_sha256,
    folder_in_place,
    read_json_entry,
    write_json_entry,
)
from runner.encoding import one_line
from runner.errors import BadInput, TargetUnavailable
from runner.installation import pip_install
from runner.known_downloads import hold_to_known
from runner.opencl import android_runtime
from runner.runtime_version import Numbering, numbering
from runner.scratch import ScratchFolder
from runner.web import litert_js
from runner.wheels import download_wheel

PACKAGE = "ai-edge-litert"
NIGHTLY_PACKAGE = "ai-edge-litert-nightly"
MODULE = "ai_edge_litert"
NIGHTLY = "nightly"
# 2.1.0 and older ship no accelerator library: nothing to reproduce with.
KNOWN = ("2.1.3", "2.1.6", "2.2.0", "2.3.0", NIGHTLY)
_NIGHTLY_LASTS_S = 24 * 3600
_LIBRARIES = ("libLiteRt.so", "libLiteRt*Accelerator.so", "libpywrap_litert_common.so")


@dataclass(frozen=True)
class Runtime:
    """One LiteRT version. `folder` is the package folder that holds libLiteRt.so."""

    version: str
    folder: Path

    @property
    def is_android(self) -> bool:
        """Whether this is Android's library with the OpenCL delegate, for the targets over OpenCL."""
        return android_runtime.is_android(self.version)

    @property
    def numbering(self) -> Numbering:
        """Whose release it is; a target runs on those of one."""
        return numbering(self.version)

    @cached_property
    def libraries(self) -> Mapping[str, str]:
        """File name -> sha256 of the shared libraries that decide results."""
        if self.is_android:
            return android_runtime.library_hashes(self.folder)
        if self.numbering is Numbering.LITERT_JS:
            return {name: file_sha256(file) for name, file in litert_js.deciding_files(self.folder).items()}
        files = sorted({f for pattern in _LIBRARIES for f in self.folder.glob(pattern)})
        return {file.name: file_sha256(file) for file in files}

    @property
    def loaded(self) -> Mapping[str, Path]:
        """File name -> the libraries that a program must find beside libLiteRt.so."""
        if self.is_android:
            return android_runtime.loaded(self.folder)
        # The Python binding's own library is of no use to another program.
        return {name: self.folder / name for name in self.libraries if name.startswith("libLiteRt")}

    @property
    def has_gpu(self) -> bool:
        """Whether a GPU delegate is in it."""
        return self.numbering is not Numbering.LITERT or self.accelerator is not None

    @property
    def accelerator(self) -> Path | None:
        """The GPU accelerator library beside libLiteRt.so, or None if there is none."""
        return next(iter(sorted(self.folder.glob("libLiteRt*Accelerator.so"))), None)


def installed() -> Runtime:
    """The runtime of this Python environment. Raises TargetUnavailable if there is none."""
    spec = importlib.util.find_spec(MODULE)
    places = list(spec.submodule_search_locations or ()) if spec else []
    for place in places:
        if (Path(place) / "libLiteRt.so").is_file():
            return Runtime(_installed_version(), Path(place).resolve())
    raise TargetUnavailable(f"no LiteRT runtime is installed here; run: {pip_install(PACKAGE)}")


def _installed_version() -> str:
    for name in (PACKAGE, NIGHTLY_PACKAGE):
        try:
            return metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return "unknown"


def runtime(version: str | None = None, say: Callable[[str], None] | None = None) -> Runtime:
    """The runtime of a version, fetched on first use; None is the installed one, `nightly` the newest nightly.

    say: told what is being fetched (default: standard error). Raises BadInput for what is no
    version, TargetUnavailable if it cannot be fetched.
    """
    tell = say or (lambda line: print(one_line(line), file=sys.stderr, flush=True))
    if version is None:
        return installed()
    if version == NIGHTLY:
        return _newest_nightly(tell)
    if android_runtime.is_android(version):
        return Runtime(version, android_runtime.runtime_folder(version, tell))
    if numbering(version) is Numbering.LITERT_JS:
        return Runtime(version, litert_js.runtime_folder(version, tell))
    try:
        wanted = str(Version(version))
    except InvalidVersion:
        raise BadInput(
            f"'{version}' is no LiteRT version; give one like {KNOWN[-2]}, or one of: {', '.join(KNOWN)}"
        ) from None
    if wanted == _installed_version():
        return installed()
    home = _home(wanted)
    if not _is_whole(home):
        package = NIGHTLY_PACKAGE if Version(wanted).is_devrelease else PACKAGE
        _fetch(f"{package}=={wanted}", tell)
    if not _is_whole(home):
        raise TargetUnavailable(f"LiteRT {wanted} was fetched but calls itself otherwise; see {home.parent}")
    return Runtime(wanted, home / MODULE)


def fetched() -> list[Runtime]:
    """The runtimes that lie in the cache, oldest version first."""
    homes = [home for home in _home("x").parent.glob("[0-9]*") if _is_whole(home)]
    return [Runtime(home.name, home / MODULE) for home in sorted(homes, key=lambda home: Version(home.name))]


def is_here(version: str) -> bool:
    """Whether a LiteRT runtime, by its exact version, need not be fetched."""
    return version == _installed_version() or _is_whole(_home(version))


def packed(runtime: Runtime) -> bytes:
    """A runtime of this machine as a zip, which `unpack` makes a fetched one of elsewhere.

    It holds what the wheel brought into the package and says of it; an installed one has more in its list of files.
    """
    root = runtime.folder.parent
    (listed,) = root.glob(f"ai_edge_litert*-{runtime.version}.dist-info/RECORD")
    homes = (f"{MODULE}/", f"{listed.parent.name}/")
    rows = list(csv.reader(listed.read_text(encoding="utf-8").splitlines()))
    kept = [row for row in rows if row[2] and row[0].startswith(homes)]
    record = "".join(f"{','.join(row)}\n" for row in kept) + f"{listed.parent.name}/RECORD,,\n"
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for name, *_ in kept:
            archive.write(root / name, name)
        archive.writestr(f"{listed.parent.name}/RECORD", record)
    return made.getvalue()


def unpack(version: str, data: bytes) -> None:
    """Keep what `packed` made elsewhere among the fetched runtimes. Raises BadInput where it is none."""
    with folder_in_place(_home(version), _is_whole) as made:
        try:
            with zipfile.ZipFile(io.BytesIO(data)) as archive:
                archive.extractall(made)
        except (zipfile.BadZipFile, OSError, EOFError) as error:
            raise BadInput(f"what was sent as LiteRT {version} is no runtime ({error})") from error
        if not _is_whole(made):
            raise BadInput(f"what was sent as LiteRT {version} is not whole; send it again")


def python_tag() -> str:
    """For which Python a runtime's own binding is."""
    return f"cp{sys.version_info.major}{sys.version_info.minor}"


def _home(version: str) -> Path:
    return cache_root() / "runtimes" / python_tag() / version


def _is_whole(home: Path) -> bool:
    """Whether every file of the wheel lies there in full length, as the wheel's own RECORD lists them."""
    try:
        (record,) = home.glob("*.dist-info/RECORD")
        rows = list(csv.reader(record.read_text(encoding="utf-8").splitlines()))
        return bool(rows) and all((home / name).stat().st_size == int(size) for name, _, size in rows if size)
    except (OSError, ValueError):
        return False


def _newest_nightly(tell: Callable[[str], None]) -> Runtime:
    memory = _home("nightly.json")
    known = read_json_entry(memory)
    if isinstance(known, dict) and known.keys() == {"asked", "version"}:
        home = _home(known["version"])
        if time.time() - known["asked"] < _NIGHTLY_LASTS_S and _is_whole(home):
            return Runtime(known["version"], home / MODULE)
    try:
        version = _fetch(NIGHTLY_PACKAGE, tell)
    except TargetUnavailable:
        nightlies = [r for r in fetched() if Version(r.version).is_devrelease]
        if not nightlies:
            raise
        tell(f"no newer nightly can be fetched now; using {nightlies[-1].version} from the cache")
        return nightlies[-1]
    write_json_entry(memory, {"asked": time.time(), "version": version})
    return Runtime(version, _home(version) / MODULE)


def _fetch(requirement: str, tell: Callable[[str], None]) -> str:
    """Download a wheel with pip, hold it to its known digest, unpack it in its cached folder; return its version."""
    tell(f"fetching {requirement} (about 30 MB) into {_home('x').parent}")
    with ScratchFolder("runtime") as scratch:
        wheel = download_wheel(requirement, Path(scratch))
        version = str(Version(wheel.name.split("-")[1]))
        hold_to_known(wheel.name, hashlib.sha256(wheel.read_bytes()).hexdigest(), tell)
        tell(f"unpacking LiteRT {version}")
        with folder_in_place(_home(version), _is_whole) as made, zipfile.ZipFile(wheel) as archive:
            archive.extractall(made)
    return version
