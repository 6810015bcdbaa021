"""Arrays in an .npz, by name or in groups (one per feed, one array per output). Never a pickle.

Key insight: an archive is read by numpy, zipfile and zlib together, and each has errors of its own for damage. Here
damage is one kind of error, so that each caller can say in its own words what is lost.
"""

from __future__ import annotations

import io
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

_DAMAGE = (
    OSError,
    ValueError,
    EOFError,
    RuntimeError,  # an entry that says it is encrypted, or (NotImplementedError) packed in an unknown way
    MemoryError,  # a header that claims more elements than there is memory
    zipfile.BadZipFile,
    zlib.error,
)


class UnreadableArrays(ValueError):
    """A file that holds no arrays by name: missing, damaged, of another kind, or with Python objects in it."""


def read_arrays(path: Path, alone: str | None = None) -> dict[str, np.ndarray]:
    """All arrays of an .npz by name. alone: what to call the one array of an .npy, which is refused without.

    Raises UnreadableArrays with what is wrong, without the path.
    """
    try:
        with path.open("rb") as file:
            loaded = np.load(file, allow_pickle=False)
            if not isinstance(loaded, np.ndarray):
                return {name: loaded[name] for name in loaded.files}
    except _DAMAGE as error:
        raise UnreadableArrays(str(error) or type(error).__name__) from error
    if alone is None:
        raise UnreadableArrays("one array without a name")
    return {alone: loaded}


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
    arrays = read_arrays(path)
    groups: list[list[np.ndarray]] = []
    for k, i, name in sorted(_numbered(name) for name in arrays):
        if k == len(groups):
            groups.append([])
        if k + 1 != len(groups) or i != len(groups[k]):
            raise UnreadableArrays(f"'{name}' follows no array before it")
        groups[-1].append(arrays[name])
    return tuple(tuple(group) for group in groups)


def _numbered(name: str) -> tuple[int, int, str]:
    group, _, place = name.partition("_")
    if not (group.isdecimal() and place.isdecimal()):
        raise UnreadableArrays(f"'{name}' is not numbered by group and place")
    return int(group), int(place), name
