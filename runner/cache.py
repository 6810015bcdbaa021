"""The cache folder of this project: what is kept in it, and writing so that a reader never sees half a file.

Key insight: what a cache holds decides verdicts later, and disks lose things. So an entry is believed only with the
digest of what was written: anything else in its place (half of it, another file, a folder) counts as not there, is
replaced, and costs only the time to make it again.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from runner.encoding import json_text
from runner.errors import BadInput
from runner.scratch import ScratchFolder

CONTENTS = "contents.json"
"""In a folder that was made whole: the sha256 of each of its files."""


class Unwritable(BadInput):
    """A place that nothing can be written to: no room, no permission, not there."""


def cache_root() -> Path:
    """$REPRO_CACHE, or ~/.cache/mali-delegate-repro ($XDG_CACHE_HOME respected). Created on demand.

    Raises BadInput where it cannot be.
    """
    root = _place()
    if root is None:
        raise BadInput("this user has no home directory to keep a cache in; set REPRO_CACHE to a folder")
    try:
        root.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BadInput(
            f"the cache folder {root} cannot be made ({error.strerror}); set REPRO_CACHE to another"
        ) from error
    return root


def _place() -> Path | None:
    given = os.environ.get("REPRO_CACHE")
    return Path(given) if given else _user_cache()


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
    """Write a file by renaming a finished one into place: the old one or the new one is there, after a power cut too.

    Concurrent writers leave one of them whole. A link is followed, and a device or a pipe is written as it is. Raises
    Unwritable and leaves what was there.
    """
    with _one_line(path):
        place = Path(os.path.realpath(path))
        if place.exists() and not place.is_file() and not place.is_dir():
            place.write_bytes(data)  # /dev/stdout: a file must not take its place
            return
        place.parent.mkdir(parents=True, exist_ok=True)
        _replace(place, data, is_durable=True)
        _force_to_disk(place.parent)


def _replace(path: Path, data: bytes, is_durable: bool) -> None:
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name[:40]}.")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            if is_durable:
                file.flush()
                os.fsync(file.fileno())
        Path(name).chmod(0o644)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _force_to_disk(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        with suppress(OSError):  # a file system that has no such thing for folders
            os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def _one_line(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        root = _place()
        in_cache = root is not None and path.is_relative_to(root)
        remedy = "make room, or set REPRO_CACHE to another folder" if in_cache else "make room, or name another place"
        raise Unwritable(f"'{path}' cannot be written ({error.strerror or error}); {remedy}") from error


# --- entries of the cache ---------------------------------------------------------------------------------


def write_entry(path: Path, data: bytes) -> None:
    """Keep a file of the cache, with its digest beside it. Whatever else stands in its place goes. Raises Unwritable.

    Not forced to disk: the digest tells what a power cut left unfinished.
    """
    with _one_line(path):
        _make_way(path)
        _make_way(_digest_file(path))
        _replace(path, data, is_durable=False)
        _replace(_digest_file(path), _digest_line(path, data), is_durable=False)


def is_whole_entry(path: Path) -> bool:
    """Whether a file of the cache is what `write_entry` wrote. Only then may it be read."""
    try:
        return _digest_file(path).read_bytes() == _digest_line(path, path.read_bytes())
    except OSError:
        return False


def _digest_file(path: Path) -> Path:
    return path.with_name(f"{path.name}.sha256")


def _digest_line(path: Path, data: bytes) -> bytes:
    """As `sha256sum -c` reads it."""
    return f"{hashlib.sha256(data).hexdigest()}  {path.name}\n".encode()


def write_json_entry(path: Path, value: Any) -> None:
    """Keep a value of the cache as JSON, in one file with its digest. Otherwise as `write_entry`."""
    with _one_line(path):
        _make_way(path)
        _replace(path, canonical_json({"sha256": _value_sha256(value), "value": value}), is_durable=False)


def read_json_entry(path: Path) -> Any:
    """The value that `write_json_entry` kept, or None. The caller sees to it that it is of the kind it wants."""
    kept = read_json(path)
    if not isinstance(kept, dict) or kept.keys() != {"sha256", "value"}:
        return None
    return kept["value"] if kept["sha256"] == _value_sha256(kept["value"]) else None


def _value_sha256(value: Any) -> str:
    return hashlib.sha256(canonical_json(value)).hexdigest()


def _make_way(path: Path) -> None:
    """Remove what stands in the place of a file, and make its folder."""
    if path.is_dir():
        shutil.rmtree(path)
    make_folder(path.parent)


def make_folder(folder: Path) -> None:
    """Make a folder of the cache; a file in its place, or in that of a folder above it, goes. Raises Unwritable."""
    root = _place()
    with _one_line(folder):
        for place in (folder, *folder.parents) if root is not None and folder.is_relative_to(root) else ():
            if place != root and place.is_file():
                place.unlink()
                break
        folder.mkdir(parents=True, exist_ok=True)


@contextmanager
def folder_in_place(path: Path, is_whole: Callable[[Path], bool] | None = None) -> Iterator[Path]:
    """A scratch folder that becomes `path` when the block ends well. If a whole one came to be meanwhile, that stays.

    is_whole: tells so, from what is in the folder; by default a list of contents is added, for `is_whole_folder`.
    Raises Unwritable, also for what the block could not write.
    """
    with _one_line(path):
        make_folder(path.parent)
        with ScratchFolder(path.name, path.parent) as scratch:
            made = Path(scratch) / "made"
            made.mkdir()
            yield made
            if is_whole is None:
                is_whole = is_whole_folder
                (made / CONTENTS).write_bytes(canonical_json(_sha256s(made)))
            if is_whole(path):
                return
            if path.exists():
                path.rename(Path(scratch) / "damaged")
            try:
                made.rename(path)
            except OSError:
                if not is_whole(path):  # else another process was faster
                    raise


def is_whole_folder(path: Path) -> bool:
    """Whether a folder holds what it was made of. All of it is read, so this is for small ones."""
    try:
        return read_json(path / CONTENTS) == _sha256s(path)
    except OSError:
        return False


def _sha256s(folder: Path) -> dict[str, str]:
    files = [p for p in folder.rglob("*") if p.is_file() and p.name != CONTENTS]
    return {str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}


def canonical_json(value: Any) -> bytes:
    """JSON with sorted keys and fixed separators: equal values give equal bytes."""
    return (json_text(value, ascii_only=False, allow_nan=True, sort_keys=True, indent=1) + "\n").encode()


def read_json(path: Path) -> Any:
    """The file's value, or None where there is no readable JSON (a cache may always be missing)."""
    try:
        return json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return None


def file_sha256(path: Path) -> str:
    """sha256 of a file, remembered by path, size and modification time: libraries are tens of MB."""
    status = path.stat()
    stamp = f"{path.resolve()} {status.st_size} {status.st_mtime_ns}"
    memory = cache_root() / "sha256" / hashlib.sha256(stamp.encode()).hexdigest()
    known = read_json_entry(memory)
    if isinstance(known, str) and len(known) == 64:
        return known
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    write_json_entry(memory, digest)
    return digest
