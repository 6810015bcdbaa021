"""A library built for Android is rewritten so that glibc loads it: relocations, neighbours, renamed imports."""

from __future__ import annotations

import ctypes
import itertools
import re
import struct
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.c_compiler import compiler
from runner.opencl.android_library import (
    AndroidLibrary,
    NotRewritable,
    exported_names,
    for_glibc,
    imported_names,
    unpacked,
)

Relocation = tuple[int, int, int]  # offset, info, addend

SAME_INFO, SAME_DISTANCE, SAME_ADDEND, HAS_ADDEND = 1, 2, 4, 8


def signed(value: int) -> bytes:
    """A number as signed LEB128."""
    out = bytearray()
    while True:
        byte = value & 0x7F
        value >>= 7
        if (value == 0 and not byte & 0x40) or (value == -1 and byte & 0x40):
            return bytes([*out, byte])
        out.append(byte | 0x80)


def packed(groups: list[tuple[int, list[Relocation]]]) -> bytes:
    """Relocations as Android packs them, group by group. flags: what the members of a group really share."""
    out = bytearray(b"APS2" + signed(sum(len(members) for _, members in groups)) + signed(0))
    offset = addend = 0
    for flags, members in groups:
        out += signed(len(members)) + signed(flags)
        if flags & SAME_DISTANCE:
            out += signed(members[0][0] - offset)
        if flags & SAME_INFO:
            out += signed(members[0][1])
        if not flags & HAS_ADDEND:
            addend = 0
        elif flags & SAME_ADDEND:
            out += signed(members[0][2] - addend)
            addend = members[0][2]
        for place, info, wanted in members:
            if not flags & SAME_DISTANCE:
                out += signed(place - offset)
            offset = place
            if not flags & SAME_INFO:
                out += signed(info)
            if flags & HAS_ADDEND and not flags & SAME_ADDEND:
                out += signed(wanted - addend)
                addend = wanted
    return bytes(out)


@st.composite
def relocation_groups(draw: st.DrawFn) -> list[tuple[int, list[Relocation]]]:
    groups, offset = [], 0
    for _ in range(draw(st.integers(1, 5))):
        flags = draw(st.integers(0, 15))
        distance, info = draw(st.integers(-(2**20), 2**40)), draw(st.integers(0, 2**62))
        shared = draw(st.integers(-(2**40), 2**40))
        members = []
        for _ in range(draw(st.integers(1, 6))):
            offset = max(0, offset + (distance if flags & SAME_DISTANCE else draw(st.integers(-(2**20), 2**40))))
            addend = shared if flags & SAME_ADDEND else draw(st.integers(-(2**40), 2**40))
            members.append(
                (
                    offset,
                    info if flags & SAME_INFO else draw(st.integers(0, 2**62)),
                    addend if flags & HAS_ADDEND else 0,
                )
            )
        if flags & SAME_DISTANCE and any(b[0] - a[0] != distance for a, b in itertools.pairwise(members)):
            flags &= ~SAME_DISTANCE
        if flags & SAME_DISTANCE and groups and members[0][0] - groups[-1][1][-1][0] != distance:
            flags &= ~SAME_DISTANCE
        groups.append((flags, members))
    return groups


@given(relocation_groups())
def test_packed_relocations_come_out_as_they_went_in(groups: list[tuple[int, list[Relocation]]]):
    found = list(struct.iter_unpack("<QQq", unpacked(packed(groups))))
    assert found == [member for _, members in groups for member in members]


@given(relocation_groups(), st.data())
def test_packed_relocations_that_are_cut_are_refused(groups: list[tuple[int, list[Relocation]]], data: st.DataObject):
    whole = packed(groups)
    cut = whole[: data.draw(st.integers(0, len(whole) - 1))]
    with pytest.raises(NotRewritable, match="packed"):
        unpacked(cut)


# --- a library like Android's, made with this machine's compiler -----------------------------------------------------

LIKE_ANDROIDS = """
extern long sysconf(int);
extern int neighbour(void);
static int one = 11, two = 31;
int *table[] = {&one, &two, &one};
long asked(int name) { return sysconf(name); }
int summed(void) { return *table[0] + *table[1] + *table[2] + neighbour(); }
"""
STAND_IN = """
long bionic_sysconf(int name) { return 1000 + name; }
int neighbour(void) { return 100; }
"""


def build(folder: Path, name: str, source: str, *flags: str) -> Path:
    (folder / f"{name}.c").write_text(source, encoding="utf-8")
    made = folder / name
    command = [str(compiler()), "-shared", "-fPIC", "-nostdlib", "-o", str(made), f"{made}.c", *flags]
    subprocess.run(command, check=True, capture_output=True)
    return made


@pytest.fixture(scope="module")
def android(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A library with notes, packed relocations and a dependency on Android's libc.so; without a table of versions."""
    folder = tmp_path_factory.mktemp("android")
    build(folder, "libc.so", "int nothing;", "-Wl,-soname,libc.so")
    flags = ["-Wl,--build-id", "-Wl,--hash-style=gnu", "-Wl,--no-as-needed", f"-L{folder}", "-l:libc.so"]
    data = bytearray(build(folder, "libmade.so", LIKE_ANDROIDS, *flags).read_bytes())
    library = AndroidLibrary(bytes(data))
    at, size = library.offset(library.value(7)), library.value(8)  # DT_RELA, DT_RELASZ
    plain = [struct.unpack_from("<QQq", data, place) for place in range(at, at + size, 24)]
    small = packed([(HAS_ADDEND, plain)])
    assert len(small) <= size
    data[at : at + size] = small.ljust(size, b"\0")
    dynamic = next(s for s in library.segments if s.kind == 2)
    renamed = {7: 0x60000011, 8: 0x60000012}
    for place in range(dynamic.offset, dynamic.offset + dynamic.in_file, 16):
        tag, value = struct.unpack_from("<QQ", data, place)
        if tag in renamed:
            struct.pack_into("<QQ", data, place, renamed[tag], len(small) if tag == 8 else value)
    return bytes(data)


def test_its_imports_are_named(android: bytes):
    assert {"sysconf", "neighbour"} <= set(imported_names(android))
    assert AndroidLibrary(android).needed == ["libc.so"]


def test_the_rewritten_library_loads_and_takes_what_differs_from_the_stand_in(android: bytes, tmp_path: Path):
    stand_in = build(tmp_path, "libstand_in.so", STAND_IN, "-Wl,-soname,libstand_in.so")
    (tmp_path / "librewritten.so").write_bytes(for_glibc(android, "libstand_in.so", {"sysconf"}))
    ctypes.CDLL(str(stand_in), mode=ctypes.RTLD_GLOBAL)
    loaded = ctypes.CDLL(str(tmp_path / "librewritten.so"))
    assert loaded.summed() == 11 + 31 + 11 + 100
    assert loaded.asked(7) == 1007
    assert AndroidLibrary((tmp_path / "librewritten.so").read_bytes()).needed == ["libstand_in.so"]


def test_rewriting_is_a_function_of_the_bytes(android: bytes):
    assert for_glibc(android, "x.so", {"sysconf"}) == for_glibc(android, "x.so", {"sysconf"})


@pytest.mark.parametrize(
    ("damage", "why"),
    [
        (lambda data: data[:3], "no 64-bit little-endian ELF"),
        (lambda data: b"not a library at all", "no 64-bit little-endian ELF"),
        (lambda data: data.replace(b"APS2", b"APS1"), "not packed as APS2"),
        (lambda data: data.replace(b"libc.so\0", b"libq.so\0"), "needs libq.so, which nothing stands in for"),
        (lambda data: for_glibc(data, "x.so", ()), "needs x.so"),
    ],
    ids=["cut", "foreign", "other packing", "other neighbour", "twice"],
)
def test_what_is_built_otherwise_is_refused_with_what_is_different(android: bytes, damage: object, why: str):
    assert callable(damage)
    with pytest.raises(NotRewritable, match=re.escape(why)):
        for_glibc(damage(android), "libstand_in.so", ())


@pytest.mark.parametrize("count", [1, 2, 40])
def test_all_that_a_library_exports_is_found_and_nothing_that_it_imports(count: int, tmp_path: Path):
    names = [f"exported_{n * n}" for n in range(count)]
    source = tmp_path / "some.c"
    hidden = "int elsewhere(void);\nstatic int own(void) { return elsewhere(); }\n"
    source.write_text(hidden + "".join(f"int {n}(void) {{ return own(); }}\n" for n in names), encoding="utf-8")
    built = tmp_path / "some.so"
    flags = ["-shared", "-fPIC", "-Wl,--hash-style=gnu", "-nostdlib"]
    subprocess.run([compiler(), *flags, str(source), "-o", str(built)], check=True, capture_output=True)
    data = built.read_bytes()
    assert exported_names(data) == set(names)
    assert "elsewhere" in imported_names(data)
