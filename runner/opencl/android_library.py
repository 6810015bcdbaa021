"""Rewrite a shared library that was built for Android, so that glibc's loader takes it. Pure: bytes in, bytes out.

Key insight: the machine code is the same; only what the dynamic loader reads differs. Four things do:

- Android packs relocations (DT_ANDROID_RELA, format APS2); glibc does not read that. They are unpacked.
- Imports carry the version LIBC, which glibc's libraries do not have. The version tables are taken out.
- The libraries it needs are Android's. One stands in for all of them (native/android_libc.c).
- Some imports have another binary interface in glibc. They get the prefix `bionic_` and so come from the stand-in.

Relocations and the string table grow, so both move into a new segment behind everything else, which takes the program
header of the notes. All else stays where it is. Layouts: the ELF-64 specification, and bionic's
linker/linker_reloc_iterators.h for APS2.
"""

from __future__ import annotations

import struct
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from functools import cached_property

PREFIX = "bionic_"
ANDROID_LIBRARIES = frozenset(
    f"lib{name}.so" for name in ("android", "c", "dl", "EGL", "GLESv2", "GLESv3", "log", "m", "z", "nativewindow")
)
_PAGE = 0x4000

_PT_LOAD, _PT_DYNAMIC, _PT_NOTE = 1, 2, 4
_DT_NULL, _DT_NEEDED, _DT_STRTAB, _DT_SYMTAB, _DT_RELA, _DT_RELASZ, _DT_STRSZ = 0, 1, 5, 6, 7, 8, 10
_DT_GNU_HASH, _DT_VERSYM, _DT_VERNEED, _DT_VERNEEDNUM = 0x6FFFFEF5, 0x6FFFFFF0, 0x6FFFFFFE, 0x6FFFFFFF
_DT_ANDROID_RELA, _DT_ANDROID_RELASZ = 0x60000011, 0x60000012

_SEGMENT = struct.Struct("<IIQQQQQQ")
_ENTRY = struct.Struct("<QQ")
_SYMBOL = struct.Struct("<IBBHQQ")
_RELOCATION = struct.Struct("<QQq")

# Flags of a group of packed relocations: what its members share.
_SAME_INFO, _SAME_DISTANCE, _SAME_ADDEND, _HAS_ADDEND = 1, 2, 4, 8


class NotRewritable(ValueError):
    """The library is not built as those that this rewriting was made for. The text says what is different."""


@dataclass
class _Segment:
    kind: int
    flags: int
    offset: int
    address: int
    physical: int
    in_file: int
    in_memory: int
    alignment: int

    def packed(self) -> bytes:
        return _SEGMENT.pack(
            self.kind,
            self.flags,
            self.offset,
            self.address,
            self.physical,
            self.in_file,
            self.in_memory,
            self.alignment,
        )


class AndroidLibrary:
    """A shared library in memory: its segments, dynamic entries and imports. Raises NotRewritable for anything else."""

    def __init__(self, data: bytes) -> None:
        if data[:6] != b"\x7fELF\x02\x01":
            raise NotRewritable("it is no 64-bit little-endian ELF file")
        self.data = data
        (self._segments_at,) = struct.unpack_from("<Q", data, 32)
        (count,) = struct.unpack_from("<H", data, 56)
        places = range(self._segments_at, self._segments_at + count * _SEGMENT.size, _SEGMENT.size)
        self.segments = [_Segment(*_SEGMENT.unpack_from(data, place)) for place in places]
        dynamic = [s for s in self.segments if s.kind == _PT_DYNAMIC]
        if not dynamic:
            raise NotRewritable("it has no dynamic section")
        self._dynamic = dynamic[0]
        entries = data[self._dynamic.offset : self._dynamic.offset + self._dynamic.in_file]
        self.entries = [(tag, value) for tag, value in _ENTRY.iter_unpack(entries) if tag != _DT_NULL]

    def value(self, tag: int) -> int:
        for have, value in self.entries:
            if have == tag:
                return value
        raise NotRewritable(f"it has no dynamic entry {tag:#x}")

    def offset(self, address: int) -> int:
        """Where in the file an address lies."""
        for s in self.segments:
            if s.kind == _PT_LOAD and s.address <= address < s.address + s.in_file:
                return address - s.address + s.offset
        raise NotRewritable(f"address {address:#x} is in no segment")

    @cached_property
    def strings(self) -> bytes:
        at = self.offset(self.value(_DT_STRTAB))
        return self.data[at : at + self.value(_DT_STRSZ)]

    @property
    def needed(self) -> list[str]:
        return [_text(self.strings, value) for tag, value in self.entries if tag == _DT_NEEDED]

    def imports(self) -> Iterator[tuple[int, str]]:
        """(offset of the symbol in the file, name) of each symbol that others define, weak ones too."""
        # The hash table holds defined symbols only, and says at which index they begin.
        (_, first_defined) = struct.unpack_from("<II", self.data, self.offset(self.value(_DT_GNU_HASH)))
        at, strings = self.offset(self.value(_DT_SYMTAB)), self.strings
        for place in range(at + _SYMBOL.size, at + first_defined * _SYMBOL.size, _SYMBOL.size):
            name, _, _, section, _, _ = _SYMBOL.unpack_from(self.data, place)
            if section == 0:
                yield place, _text(strings, name)

    def exports(self) -> Iterator[str]:
        """The names that the library defines for others."""
        buckets_at = self.offset(self.value(_DT_GNU_HASH))
        count, first, words, _ = struct.unpack_from("<IIII", self.data, buckets_at)
        chains_at = buckets_at + 16 + 8 * words + 4 * count
        buckets = struct.unpack_from(f"<{count}I", self.data, chains_at - 4 * count)
        last = max(buckets, default=0)
        # Each bucket's symbols follow one another; the last one's hash is odd.
        while last >= first and not self.data[chains_at + 4 * (last - first)] & 1:
            last += 1
        at, strings = self.offset(self.value(_DT_SYMTAB)), self.strings
        for index in range(first, last + 1):
            (name,) = struct.unpack_from("<I", self.data, at + index * _SYMBOL.size)
            yield _text(strings, name)


def exported_names(data: bytes) -> frozenset[str]:
    """The symbols that others may take from the library. Raises NotRewritable for what is no library."""
    return frozenset(AndroidLibrary(data).exports())


def imported_names(data: bytes) -> list[str]:
    """The symbols that the library takes from elsewhere, in its own order."""
    return [name for _, name in AndroidLibrary(data).imports()]


def for_glibc(data: bytes, stand_in: str, differing: Collection[str]) -> bytes:
    """The library for glibc's loader.

    stand_in: file name of the library that takes the place of Android's. differing: imports that it defines under the
    prefix `bionic_`. Raises NotRewritable.
    """
    library = AndroidLibrary(data)
    foreign = set(library.needed) - ANDROID_LIBRARIES
    if foreign:
        raise NotRewritable(f"it needs {', '.join(sorted(foreign))}, which nothing stands in for")
    relocations = unpacked(_packed_relocations(library))
    out = bytearray(data)
    strings = bytearray(library.strings)
    stand_in_at = _add(strings, stand_in)
    for place, name in library.imports():
        if name in differing:
            struct.pack_into("<I", out, place, _add(strings, PREFIX + name))

    address = _up(max(s.address + s.in_memory for s in library.segments if s.kind == _PT_LOAD))
    strings_at = address + len(relocations) + -len(relocations) % 16
    behind = relocations + bytes(strings_at - address - len(relocations)) + strings
    out += bytes(_up(len(out)) - len(out))
    new = _Segment(_PT_LOAD, 4, len(out), address, address, len(behind), len(behind), _PAGE)
    out += behind

    for index, segment in enumerate(_with_new(library.segments, new)):
        place = library._segments_at + index * _SEGMENT.size
        out[place : place + _SEGMENT.size] = segment.packed()
    replaced = {
        _DT_ANDROID_RELA: (_DT_RELA, address),
        _DT_ANDROID_RELASZ: (_DT_RELASZ, len(relocations)),
        _DT_STRTAB: (_DT_STRTAB, strings_at),
        _DT_STRSZ: (_DT_STRSZ, len(strings)),
    }
    dropped = (_DT_NEEDED, _DT_VERSYM, _DT_VERNEED, _DT_VERNEEDNUM)
    entries = [(_DT_NEEDED, stand_in_at)]
    entries += [replaced.get(tag, (tag, value)) for tag, value in library.entries if tag not in dropped]
    table = b"".join(_ENTRY.pack(*entry) for entry in entries)
    at = library._dynamic.offset
    out[at : at + library._dynamic.in_file] = table.ljust(library._dynamic.in_file, b"\0")
    # The section headers describe the old places; no loader reads them.
    struct.pack_into("<Q", out, 40, 0)
    struct.pack_into("<HHH", out, 58, 0, 0, 0)
    return bytes(out)


def unpacked(packed: bytes) -> bytes:
    """Plain relocations (offset, info, addend: 24 bytes each) from Android's packed ones. Raises NotRewritable."""
    if packed[:4] != b"APS2":
        raise NotRewritable("its relocations are not packed as APS2")
    numbers = _signed_numbers(packed[4:])
    try:
        count, offset = next(numbers), next(numbers)
        out = bytearray()
        addend = 0
        while len(out) < count * _RELOCATION.size:
            size, flags = next(numbers), next(numbers)
            distance = next(numbers) if flags & _SAME_DISTANCE else 0
            info = next(numbers) if flags & _SAME_INFO else 0
            if not flags & _HAS_ADDEND:
                addend = 0
            elif flags & _SAME_ADDEND:
                addend += next(numbers)
            for _ in range(size):
                offset += distance if flags & _SAME_DISTANCE else next(numbers)
                info = info if flags & _SAME_INFO else next(numbers)
                if flags & _HAS_ADDEND and not flags & _SAME_ADDEND:
                    addend += next(numbers)
                out += _RELOCATION.pack(offset, info & 0xFFFF_FFFF_FFFF_FFFF, addend)
    except (StopIteration, struct.error) as error:
        raise NotRewritable("its packed relocations are damaged") from error
    return bytes(out)


def _signed_numbers(data: bytes) -> Iterator[int]:
    """The signed LEB128 numbers of a byte string."""
    value = shift = 0
    for byte in data:
        value |= (byte & 0x7F) << shift
        shift += 7
        if not byte & 0x80:
            yield value - (1 << shift) if byte & 0x40 else value
            value = shift = 0


def _packed_relocations(library: AndroidLibrary) -> bytes:
    at = library.offset(library.value(_DT_ANDROID_RELA))
    return library.data[at : at + library.value(_DT_ANDROID_RELASZ)]


def _with_new(segments: list[_Segment], new: _Segment) -> list[_Segment]:
    """`new` in the place of the notes; segments to load must stand in the order of their addresses."""
    kept = [s for s in segments if s.kind != _PT_NOTE]
    if len(kept) == len(segments):
        raise NotRewritable("it has no notes whose program header could be used")
    last = max(i for i, s in enumerate(kept) if s.kind == _PT_LOAD)
    spare = [s for s in segments if s.kind == _PT_NOTE][1:]
    return [*kept[: last + 1], new, *kept[last + 1 :], *spare]


def _add(strings: bytearray, text: str) -> int:
    at = len(strings)
    strings += text.encode() + b"\0"
    return at


def _text(strings: bytes, at: int) -> str:
    return strings[at : strings.index(b"\0", at)].decode()


def _up(value: int) -> int:
    return value + -value % _PAGE
