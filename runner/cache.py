"""The cache folder of this project, and writing into it so that a reader never sees half a file."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from runner.encoding import json_text
from runner.errors import BadInput


def cache_root() -> Path:
    """$REPRO_CACHE, or ~/.cache/mali-delegate-repro ($XDG_CACHE_HOME respected). Created on demand.

    Raises BadInput where it cannot be.
    """
    given = os.environ.get("REPRO_CACHE")
    root = Path(given) if given else _user_cache()
    if root is None:
        raise BadInput("this user has no home directory to keep a cache in; set REPRO_CACHE to a folder")
    try:
        root.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BadInput(
            f"the cache folder {root} cannot be made ({error.strerror}); set REPRO_CACHE to another"
        ) from error
    return root


def shader_cache() -> Path:
    """Where Mesa keeps the shaders that it compiled for us: one folder for all $REPRO_CACHE. Mesa creates it."""
    return (_user_cache() or cache_root()) / "shaders"


def _user_cache() -> Path | None:
    """The user's own; None for one without a home, as a number that no account has."""
    base = os.environ.get("XDG_CACHE_HOME")
    if base:
        return Path(base) / "mali-delegate-repro"
    home = os.path.expanduser("~")  # noqa: PTH111 - where there is none, Path.home raises and this stays as it is
    return Path(home) / ".cache" / "mali-delegate-repro" if home != "~" else None


def write_atomically(path: Path, data: bytes) -> None:
    """Write a file by renaming a finished one into place; concurrent writers leave one of them whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
        Path(name).chmod(0o644)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


@contextmanager
def folder_in_place(path: Path) -> Iterator[Path]:
    """A scratch folder that becomes `path` when the block ends well. If `path` came to be meanwhile, that one stays."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.name}.") as scratch:
        made = Path(scratch) / "made"
        made.mkdir()
        yield made
        if not path.exists():
            made.rename(path)


def canonical_json(value: Any) -> bytes:
    """JSON with sorted keys and fixed separators: equal values give equal bytes."""
    return (json_text(value, ascii_only=False, allow_nan=True, sort_keys=True, indent=1) + "\n").encode()


def read_json(path: Path) -> Any:
    """The file's value, or None where there is no readable JSON (a cache may always be missing)."""
    try:
        return json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None


def file_sha256(path: Path) -> str:
    """sha256 of a file, remembered by path, size and modification time: libraries are tens of MB."""
    status = path.stat()
    stamp = f"{path.resolve()} {status.st_size} {status.st_mtime_ns}"
    memory = cache_root() / "sha256" / hashlib.sha256(stamp.encode()).hexdigest()
    known = read_json(memory)
    if isinstance(known, str) and len(known) == 64:
        return known
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    write_atomically(memory, canonical_json(digest))
    return digest
