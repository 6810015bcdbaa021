"""Models that a repository holds for its own tests, taken out of a checkout of it.

Key insight: such models are small, many, and odd on purpose: they are what a tool that reads models has to survive. A
checkout is a folder that somebody else made; nothing is downloaded here. As with packages, a model is known by its
content: two repositories that hold the same one hold one model.

    python -m models.public.checkouts FOLDER...

What stays out is listed with its reason beside the models: what is larger than a test needs, and what is no model, as
the pointer that git keeps where a large file is stored elsewhere.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from runner.cache import cache_root, write_atomically
from runner.errors import BadInput

FOLDER = "test-models"
LEFT_OUT = "left-out.tsv"
LARGEST = 4 << 20
"""Bytes of a model."""
_IDENTIFIER = slice(4, 8)


def collect(checkouts: Sequence[Path]) -> tuple[tuple[Path, ...], dict[str, str]]:
    """Put the models below some folders into the cache folder, in the place of those that are there.

    Returns them, and what stays out with its reason, by its path from the checkout's parent. Raises BadInput where a
    folder holds no .tflite.
    """
    taken: dict[Path, bytes] = {}
    left_out: dict[str, str] = {}
    for checkout in checkouts:
        found = sorted(path for path in checkout.rglob("*.tflite") if path.is_file())
        if not found:
            raise BadInput(f"{checkout}: no .tflite below this folder; give a checkout that holds models")
        for path in found:
            content = path.read_bytes() if path.stat().st_size <= LARGEST else b""
            reason = _why_not(path, content)
            if reason:
                left_out[str(path.relative_to(checkout.parent))] = reason
            else:
                taken[_place(path.stem, content)] = content
    _keep(taken, left_out)
    return tuple(taken), left_out


def _why_not(path: Path, content: bytes) -> str:
    if not content:
        return f"{path.stat().st_size >> 20} MiB" if path.stat().st_size else "empty"
    if content.startswith(b"version https://git-lfs"):
        return "a pointer to a file that is stored elsewhere"
    return "" if content[_IDENTIFIER] == b"TFL3" else "no .tflite by its content"


def _place(stem: str, content: bytes) -> Path:
    return cache_root() / FOLDER / f"{stem}-{hashlib.sha256(content).hexdigest()[:8]}.tflite"


def _keep(taken: dict[Path, bytes], left_out: dict[str, str]) -> None:
    for path in (cache_root() / FOLDER).glob("*.tflite"):
        if path not in taken:
            path.unlink()
    for path, content in taken.items():
        write_atomically(path, content)
    lines = "".join(f"{name}\t{reason}\n" for name, reason in left_out.items())
    write_atomically(cache_root() / FOLDER / LEFT_OUT, lines.encode())


def kept_out() -> Iterator[tuple[str, str]]:
    """What stayed out when models were last collected, with its reason."""
    path = cache_root() / FOLDER / LEFT_OUT
    for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else []:
        name, _, reason = line.partition("\t")
        yield name, reason


def main(argv: Sequence[str] | None = None) -> int:
    """Collect the models of some checkouts, and say what stays out."""
    parser = argparse.ArgumentParser(prog="python -m models.public.checkouts", description="collect test models")
    parser.add_argument("checkouts", nargs="+", type=Path, metavar="FOLDER", help="a checkout of a repository")
    taken, left_out = collect([path.resolve() for path in parser.parse_args(argv).checkouts])
    for name, reason in left_out.items():
        print(f"{name}  left out: {reason}")
    print(f"{len(taken)} models in {cache_root() / FOLDER}, {len(left_out)} files left out")
    return 0


if __name__ == "__main__":
    sys.exit(main())
