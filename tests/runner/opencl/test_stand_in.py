"""The stand-in for Android's libc: its two lists follow from the source, and it does what Android's functions do."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
from pathlib import Path

import pytest

from runner.c_compiler import build_library
from runner.opencl import stand_in

SOURCE = stand_in.SOURCE.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The stand-in with three functions that are absent; a warning of the compiler is an error."""
    folder = tmp_path_factory.mktemp("stand-in")
    imports = ["glFlush", "eglGetError", "AHardwareBuffer_lock", "malloc"]
    (folder / "absent.c").write_text(stand_in.absent_functions(imports, SOURCE), encoding="utf-8")
    sources = [stand_in.SOURCE, folder / "absent.c"]
    build_library("the stand-in", sources, folder / stand_in.NAME, [*stand_in.FLAGS, "-Wextra", "-Werror"])
    return folder / stand_in.NAME


def test_what_differs_is_what_the_source_defines_under_the_prefix():
    assert {"sysconf", "sem_init", "sigaction", "dlopen", "fprintf", "__fread_chk"} <= stand_in.differing_imports(
        SOURCE
    )
    assert stand_in.differing_imports("int bionic_a(int b) {}\nlong *bionic_c(void) {}\nint d(void) {}\n") == {"a", "c"}
    assert stand_in.differing_imports("  return bionic_called(1);\n") == frozenset()


def test_only_graphics_functions_that_the_source_lacks_are_made_up():
    made = stand_in.absent_functions(["glFlush", "eglGetError", "AAsset_close", "malloc", "glass"], SOURCE)
    assert [name for name in ("glFlush", "AAsset_close", "eglGetError", "malloc", "glass") if f"({name})" in made] == [
        "glFlush",
        "AAsset_close",
    ]


def test_numbers_of_androids_sysconf_mean_what_they_mean_there(library: Path):
    loaded = ctypes.CDLL(str(library))
    loaded.bionic_sysconf.restype = ctypes.c_long
    assert loaded.bionic_sysconf(0x27) == os.sysconf("SC_PAGE_SIZE")
    assert loaded.bionic_sysconf(0x61) == os.sysconf("SC_NPROCESSORS_ONLN")
    assert loaded.bionic_sysconf(0x7777) == -1


def test_a_semaphore_fits_into_androids_sixteen_bytes(library: Path):
    loaded = ctypes.CDLL(str(library))
    place = (ctypes.c_ubyte * 16)(*[0xAA] * 16)
    assert loaded.bionic_sem_init(place, 0, 1) == 0
    assert loaded.bionic_sem_wait(place) == 0
    assert loaded.bionic_sem_post(place) == 0
    assert loaded.bionic_sem_wait(place) == 0
    assert loaded.bionic_sem_destroy(place) == 0
    assert bytes(place[8:]) == b"\xaa" * 8


def test_androids_standard_streams_are_this_process_own_and_an_absent_function_says_once_that_it_was_called(
    library: Path,
):
    script = (
        "import ctypes, sys; l = ctypes.CDLL(sys.argv[1])\n"
        "streams = ctypes.addressof(ctypes.c_char.in_dll(l, '__sF'))\n"
        "l.bionic_fprintf(ctypes.c_void_p(streams + 304), b'to %s %d\\n', b'stderr', 2)\n"
        "l.bionic_fprintf(ctypes.c_void_p(streams + 152), b'to stdout\\n'); l.bionic_fflush(None)\n"
        "l.glFlush(); l.glFlush()\n"
    )
    child = subprocess.run(
        [sys.executable, "-c", script, str(library)], capture_output=True, encoding="utf-8", check=True
    )
    assert child.stdout == "to stdout\n"
    assert child.stderr.splitlines() == ["to stderr 2", "glFlush was called, which is absent here"]
