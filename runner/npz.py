"""Arrays in an .npz, by name or in groups (one per feed, one array per output). Never a pickle.

Key insight: what an archive unpacks to has nothing to do with its size, but each member begins with a header of shape
and dtype, and the archive says how long the member is. So the headers are read first and held against each other and
against the memory limit, and only what is asked for is unpacked, piece by piece, into an array of just that size.

zipfile and zlib have errors of their own for damage. Here damage is one kind of error, so that each caller can say in
its own words what is lost.
"""

from __future__ import annotations

import ast
import io
import math
import re
import struct
import zipfile
import zlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np

from runner import memory

_DAMAGE = (
    OSError,
    ValueError,
    EOFError,
    RuntimeError,  # an entry that says it is encrypted, or (NotImplementedError) packed in an unknown way
    OverflowError,
    struct.error,
    zipfile.BadZipFile,
    zlib.error,
)
_MAGIC = b"\x93NUMPY"
_HEADER_BYTES = 10_000  # of the longest header read, as in numpy
_PIECE = 1 << 20  # bytes unpacked at a time
MAX_RANK = 32
"""Dimensions of an array that is read. numpy takes 64; a tensor has at most 8."""


class UnreadableArrays(ValueError):
    """A file that holds no arrays by name: missing, damaged, of another kind, or with Python objects in it."""


@dataclass(frozen=True)
class Header:
    """What an array in a file says of itself. in_columns: whether it is stored in Fortran's order."""

    shape: tuple[int, ...]
    dtype: np.dtype
    in_columns: bool

    @property
    def nbytes(self) -> int:
        """Bytes of its elements."""
        return math.prod(self.shape) * self.dtype.itemsize


def read_headers(path: Path) -> dict[str, Header]:
    """Shape and dtype of all arrays of an .npz by name, without unpacking any.

    Raises UnreadableArrays with what is wrong, without the path.
    """
    with _damage_as_one_kind(), path.open("rb") as file:
        return _headers(_archive(file))


def read_arrays(path: Path, alone: str | None = None, names: Collection[str] | None = None) -> dict[str, np.ndarray]:
    """The arrays of an .npz by name. alone: what to call the one array of an .npy, which is refused without.

    names: unpack only these of them. Raises UnreadableArrays with what is wrong, without the path, and TooMuchMemory
    before anything is unpacked.
    """
    with _damage_as_one_kind(), path.open("rb") as file:
        if file.read(len(_MAGIC)) == _MAGIC:
            return {_named(alone): _only_array(file, path)}
        archive = _archive(file)
        headers = {name: one for name, one in _headers(archive).items() if names is None or name in names}
        memory.require(sum(one.nbytes for one in headers.values()), f"{path}: unpacking its arrays")
        return {name: _unpacked(archive, name) for name in headers}


def _named(alone: str | None) -> str:
    if alone is None:
        raise UnreadableArrays("one array without a name")
    return alone


def _only_array(file: IO[bytes], path: Path) -> np.ndarray:
    file.seek(0)
    header = _header(file)
    held = path.stat().st_size - file.tell()
    if held != header.nbytes:
        raise UnreadableArrays(f"it has {held} bytes of elements, its header wants {header.nbytes}")
    memory.require(header.nbytes, f"{path}: reading its array")
    return _elements(file, header)


@contextmanager
def _damage_as_one_kind() -> Iterator[None]:
    try:
        yield
    except UnreadableArrays:
        raise
    except _DAMAGE as error:
        raise UnreadableArrays(" ".join(str(error).split()) or type(error).__name__) from error


def _archive(file: IO[bytes]) -> zipfile.ZipFile:
    file.seek(0)
    return zipfile.ZipFile(file)


def _member(name: str, archive: zipfile.ZipFile) -> zipfile.ZipInfo:
    """The member of that name; numpy writes `x.npy` for an array x."""
    return archive.NameToInfo.get(f"{name}.npy") or archive.getinfo(name)


def _headers(archive: zipfile.ZipFile) -> dict[str, Header]:
    found = {}
    for name in dict.fromkeys(member.removesuffix(".npy") for member in archive.namelist()):
        member = _member(name, archive)
        with archive.open(member) as file:
            found[name] = header = _header(file, f"'{name}'")
            length = file.tell() + header.nbytes
        if length != member.file_size:
            raise UnreadableArrays(f"'{name}' has {member.file_size} bytes, its header wants {length}")
    return found


def _unpacked(archive: zipfile.ZipFile, name: str) -> np.ndarray:
    with archive.open(_member(name, archive)) as file:
        array = _elements(file, _header(file, f"'{name}'"))
        file.read(1)  # at the end the check sum is compared
        return array


def _header(file: IO[bytes], what: str = "it") -> Header:
    """Source: numpy.lib.format, "Format Version 1.0" and the two after it."""
    start = file.read(8)
    if start[:6] != _MAGIC or start[6:7] not in (b"\1", b"\2", b"\3"):
        raise UnreadableArrays(f"{what} is no array of numpy's")
    size = int.from_bytes(file.read(2 if start[6] == 1 else 4), "little")
    if size > _HEADER_BYTES:
        raise UnreadableArrays(f"{what} has a header of {size} bytes, at most {_HEADER_BYTES} are read")
    text = file.read(size).decode("utf-8" if start[6] == 3 else "latin-1")
    try:
        record = ast.literal_eval(text)
        shape, descr, in_columns = record["shape"], record["descr"], record["fortran_order"]
        dtype = np.dtype(descr if isinstance(descr, str) else "O")
    except (ValueError, TypeError, SyntaxError, KeyError, MemoryError, RecursionError, OverflowError) as error:
        raise UnreadableArrays(f"{what} has a damaged header") from error
    if not (isinstance(shape, tuple) and all(type(extent) is int and extent >= 0 for extent in shape)):
        raise UnreadableArrays(f"{what} has a damaged shape")
    if len(shape) > MAX_RANK:
        raise UnreadableArrays(f"{what} has {len(shape)} dimensions, at most {MAX_RANK} are read")
    if dtype.hasobject or dtype.fields or dtype.subdtype:
        raise UnreadableArrays(f"{what} holds Python objects or records, and only plain numbers are read")
    return Header(shape, dtype, bool(in_columns))


def _elements(file: IO[bytes], header: Header) -> np.ndarray:
    array = np.empty(math.prod(header.shape), header.dtype)
    place = array.view(np.uint8).data if header.nbytes else memoryview(b"")
    while place:
        piece = file.read(min(len(place), _PIECE))
        if not piece:
            raise UnreadableArrays("it ends in the middle of an array")
        place[: len(piece)] = piece
        place = place[len(piece) :]
    return array.reshape(header.shape, order="F" if header.in_columns else "C")


def packed(arrays: Mapping[str, np.ndarray]) -> bytes:
    """An .npz with fixed time stamps, so that equal arrays give equal bytes (numpy does so and does not promise it)."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name in sorted(arrays):
            member = io.BytesIO()
            np.lib.format.write_array(member, np.asanyarray(arrays[name]), allow_pickle=False)
            archive.writestr(zipfile.ZipInfo(f"{name}.npy"), member.getvalue())
    return buffer.getvalue()


def packed_groups(groups: Sequence[Sequence[np.ndarray]]) -> bytes:
    """An .npz of arrays in groups: `0_0`, `0_1`, `1_0`, ... An empty group leaves nothing to read back."""
    return packed({f"{k}_{i}": np.asarray(array) for k, group in enumerate(groups) for i, array in enumerate(group)})


def read_groups(path: Path) -> tuple[tuple[np.ndarray, ...], ...]:
    """Read back what `packed_groups` wrote of groups that are not empty.

    Raises UnreadableArrays, also where one in between is missing.
    """
    groups: list[list[str]] = []
    for k, i, name in sorted(_numbered(name) for name in read_headers(path)):
        if k == len(groups):
            groups.append([])
        if k + 1 != len(groups) or i != len(groups[k]):
            raise UnreadableArrays(f"'{name}' follows no array before it")
        groups[-1].append(name)
    arrays = read_arrays(path)
    return tuple(tuple(arrays[name] for name in group) for group in groups)


def _numbered(name: str) -> tuple[int, int, str]:
    found = re.fullmatch(r"(\d{1,18})_(\d{1,18})", name, re.ASCII)
    if not found:
        raise UnreadableArrays(f"'{name}' is not numbered by group and place")
    return int(found[1]), int(found[2]), name
