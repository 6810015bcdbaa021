"""The archive that comes back, opened as a stranger's file: nothing in it is believed, and nothing is unpacked by name.

Key insight: only names of known forms are looked at, each once, and each has a limit of its own before a byte of it is
read. Every byte is then held to SHA256SUMS, which shows damage; what shows tampering is that outputs must have the
hashes, and the sizes, of what the models here give.
"""

from __future__ import annotations

import hashlib
import re
import zipfile
import zlib
from pathlib import Path
from types import TracebackType

from runner.encoding import shown_name
from runner.errors import BadInput

MOST_BYTES = 4 << 30
"""Of everything in it, unpacked. The runner's archives have 32-bit sizes."""
MOST_OUTPUT, MOST_OUTPUTS = 1 << 30, 7 << 29
"""Bytes of the outputs of one run, and of all: an eighth is left for lines and logs."""
_MOST_DIRECTORY = 8 << 20
_SUMS = "SHA256SUMS"
LIMITS = {
    r"SHA256SUMS": 8 << 20,
    r"bundle\.json": 64 << 20,
    r"device": 64 << 10,
    r"batches/\d{4}/thermal": 64,
    r"batches/\d{4}/results": 64 << 20,
    r"batches/\d{4}/out/\d{1,8}": MOST_OUTPUT,
}
"""Forms of names, and the most bytes that such a file may have."""
_DAMAGE = (OSError, EOFError, RuntimeError, ValueError, zipfile.BadZipFile, zlib.error)


class ResultsArchive:
    """`results.zip`, a context manager. Raises BadInput for what the runner does not write, naming the file in it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            _require_plain_directory(path)
            self._archive = zipfile.ZipFile(path)
        except _DAMAGE as error:
            raise BadInput(f"{path} is no results.zip of a bundle ({error}); fetch it again") from error
        try:
            self._members = self._looked_at()
            self._sums = self._listed()
            for name in self._members:
                self._require_hash(name)
        except BaseException:
            self._archive.close()
            raise

    def __contains__(self, name: str) -> bool:
        return name in self._members

    def size(self, name: str) -> int:
        return self._members[name].file_size

    @property
    def digest(self) -> str:
        """sha256 of its list of hashes: of all that is in it."""
        return hashlib.sha256(self.read(_SUMS)).hexdigest()

    def read(self, name: str) -> bytes:
        """One whole file, with the hash that it is listed with. Raises BadInput naming it."""
        if name not in self._members:
            raise self.refused(name, "it is missing")
        try:
            with self._archive.open(self._members[name]) as file:
                data = file.read(self.size(name))
        except _DAMAGE as error:
            raise self.refused(name, f"it is damaged: {error}") from error
        if len(data) != self.size(name) or (name != _SUMS and hashlib.sha256(data).hexdigest() != self._sums[name]):
            raise self.refused(name, "it is not what it was")
        return data

    def refused(self, name: str, why: str) -> BadInput:
        return BadInput(f"{self.path}: refused for {shown_name(name)}: {why}")

    def _looked_at(self) -> dict[str, zipfile.ZipInfo]:
        members: dict[str, zipfile.ZipInfo] = {}
        for member in self._archive.infolist():
            name = member.filename
            limit = next((limit for form, limit in LIMITS.items() if re.fullmatch(form, name, re.ASCII)), None)
            if limit is None:
                raise self.refused(name[:200], "no bundle writes such a file")
            if name in members:
                raise self.refused(name, "it is there twice")
            if member.file_size > limit:
                raise self.refused(name, f"it has {member.file_size} bytes, at most {limit} are read")
            if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED) or member.flag_bits & 1:
                raise self.refused(name, "it is packed in a way that no bundle uses")
            members[name] = member
        total = sum(member.file_size for member in members.values())
        if total > MOST_BYTES:
            raise BadInput(f"{self.path}: refused: it unpacks to {total} bytes, at most {MOST_BYTES} are read")
        return members

    def _listed(self) -> dict[str, str]:
        sums = {}
        for line in self.read(_SUMS).decode("ascii", "replace").splitlines():
            sha, _, name = line.partition("  ")
            if not re.fullmatch("[0-9a-f]{64}", sha) or name in sums:
                raise self.refused(_SUMS, f"no list of hashes: {line[:80]!r}")
            sums[name] = sha
        unlisted = [name for name in self._members if name != _SUMS and name not in sums]
        missing = [name for name in sums if name not in self._members]
        if unlisted or missing:
            raise self.refused((unlisted or missing)[0], f"{_SUMS} {'lists' if missing else 'does not list'} it")
        return sums

    def _require_hash(self, name: str) -> None:
        digest = hashlib.sha256()
        try:
            with self._archive.open(self._members[name]) as file:
                while piece := file.read(1 << 20):
                    digest.update(piece)
        except _DAMAGE as error:
            raise self.refused(name, f"it is damaged: {error}") from error
        if name != _SUMS and digest.hexdigest() != self._sums[name]:
            raise self.refused(name, f"its sha256 is {digest.hexdigest()[:16]}, {_SUMS} says {self._sums[name][:16]}")

    def close(self) -> None:
        self._archive.close()

    def __enter__(self) -> ResultsArchive:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _require_plain_directory(path: Path) -> None:
    """Raise ValueError for a list of members that is longer than ours are: zipfile reads it whole before we can ask.

    Source: APPNOTE.TXT 4.3.15 and 4.3.16: the 22 bytes at the end, and a locator before them in a zip64.
    """
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - 42))
        tail = file.read()
    end = tail[-22:]
    if len(end) < 22 or end[:4] != b"PK\5\6":
        raise ValueError("it does not end as a zip without a comment")
    if tail[:4] == b"PK\6\7" or end[8:10] != end[10:12]:
        raise ValueError("it is a zip64, or one of several")
    if int.from_bytes(end[12:16], "little") > _MOST_DIRECTORY:
        raise ValueError(f"its list of files has more than {_MOST_DIRECTORY} bytes")
