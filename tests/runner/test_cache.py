"""The cache: one file or the other, never half of one; hashes follow the file."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runner import cache
from runner.errors import BadInput


@pytest.fixture(autouse=True)
def own_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("REPRO_CACHE", str(tmp_path / "cache"))


def test_the_root_follows_the_variables(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    assert cache.cache_root() == tmp_path / "cache"
    assert cache.cache_root().is_dir()
    monkeypatch.delenv("REPRO_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache.cache_root() == tmp_path / "xdg" / "mali-delegate-repro"


def test_without_a_home_it_says_what_to_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """A container may run under a number that no account has."""
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(os.path, "expanduser", lambda path: path)
    assert cache.shader_cache() == tmp_path / "cache" / "shaders"
    monkeypatch.delenv("REPRO_CACHE")
    with pytest.raises(BadInput, match=r"no home directory .* set REPRO_CACHE"):
        cache.cache_root()


def test_a_root_that_cannot_be_made_is_one_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    (tmp_path / "file").touch()
    monkeypatch.setenv("REPRO_CACHE", str(tmp_path / "file" / "cache"))
    with pytest.raises(BadInput, match=r"cannot be made .* set REPRO_CACHE to another"):
        cache.cache_root()


def test_a_failed_write_leaves_the_old_file_and_no_litter(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    path = tmp_path / "deep" / "file"
    cache.write_atomically(path, b"old")
    with pytest.raises(TypeError):
        cache.write_atomically(path, "text, not bytes")  # type: ignore[arg-type]
    assert path.read_bytes() == b"old"
    assert list(path.parent.iterdir()) == [path]


def test_a_written_file_is_forced_to_disk_before_its_name_is_and_its_folder_after(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    """Without it, a power cut may leave the new name with nothing in it."""
    steps: list[str] = []
    fsync, replace = os.fsync, Path.replace
    kinds = {True: "folder", False: "file"}

    def note_fsync(descriptor: int) -> None:
        steps.append(kinds[stat.S_ISDIR(os.fstat(descriptor).st_mode)])
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", note_fsync)
    monkeypatch.setattr(Path, "replace", lambda self, to: (steps.append("name"), replace(self, to))[1])
    cache.write_atomically(tmp_path / "out.json", b"{}")
    assert steps == ["file", "name", "folder"]


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EROFS])
@pytest.mark.parametrize("write", [cache.write_atomically, cache.write_entry])
def test_a_disk_that_fails_is_one_line_and_leaves_the_old_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, write: Callable[[Path, bytes], None], number: int
):
    path = tmp_path / "deep" / "out"
    write(path, b"old")
    before = sorted(path.parent.iterdir())

    def fail(self: Path, to: Path) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(Path, "replace", fail)
    with pytest.raises(cache.Unwritable, match=rf"^'{path}' cannot be written \({os.strerror(number)}\); make room"):
        write(path, b"new")
    assert path.read_bytes() == b"old"
    assert sorted(path.parent.iterdir()) == before


def test_a_link_is_followed_and_a_device_or_a_pipe_keeps_its_place(tmp_path: Path):
    (tmp_path / "link").symlink_to("target")
    cache.write_atomically(tmp_path / "link", b"through")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "target").read_bytes() == b"through"
    os.mkfifo(tmp_path / "pipe")
    reader = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    cache.write_atomically(tmp_path / "pipe", b"into the pipe")
    assert os.read(reader, 99) == b"into the pipe"
    os.close(reader)
    cache.write_atomically(Path("/dev/null"), b"nowhere")
    assert Path("/dev/null").is_char_device()
    with pytest.raises(cache.Unwritable, match="'/dev/full' cannot be written"):
        cache.write_atomically(Path("/dev/full"), b"x")


def test_a_place_in_the_cache_names_the_variable_and_another_does_not(tmp_path: Path):
    (tmp_path / "file").touch()
    cache.cache_root()
    with pytest.raises(cache.Unwritable, match="set REPRO_CACHE to another folder"):
        cache.write_atomically(tmp_path / "cache" / ("x" * 300), b"")
    with pytest.raises(cache.Unwritable, match="name another place"):
        cache.write_atomically(tmp_path / "file" / "out", b"")


def test_outside_the_cache_nothing_gives_way(tmp_path: Path):
    (tmp_path / "file").write_bytes(b"a user's")
    with pytest.raises(cache.Unwritable, match="cannot be written"):
        cache.make_folder(tmp_path / "file" / "folder")
    assert (tmp_path / "file").read_bytes() == b"a user's"


def test_an_entry_is_whole_until_a_byte_changes(tmp_path: Path):
    path = tmp_path / "cache" / "entry.bin"
    assert not cache.is_whole_entry(path)
    cache.write_entry(path, b"data")
    assert cache.is_whole_entry(path)
    done = subprocess.run(["sha256sum", "-c", "entry.bin.sha256"], cwd=path.parent, capture_output=True, check=False)
    assert done.returncode == 0
    path.write_bytes(b"dato")
    assert not cache.is_whole_entry(path)


@settings(max_examples=40)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    )
)
def test_any_json_value_is_kept_exactly(value: object):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "entry.json"
        cache.write_json_entry(path, value)
        assert cache.read_json_entry(path) == value


def test_a_folder_appears_whole_or_not_at_all(tmp_path: Path):
    place = tmp_path / "made"

    def fail_half_way() -> None:
        with cache.folder_in_place(place) as scratch:
            (scratch / "part").write_text("x", encoding="utf-8")
            raise RuntimeError("half way")

    with pytest.raises(RuntimeError, match="half way"):
        fail_half_way()
    assert not place.exists()
    with cache.folder_in_place(place) as scratch:
        (scratch / "part").write_text("first", encoding="utf-8")
    with cache.folder_in_place(place) as scratch:
        (scratch / "part").write_text("second", encoding="utf-8")
    assert (place / "part").read_text(encoding="utf-8") == "first"
    assert cache.is_whole_folder(place)
    (place / "part").write_text("fir", encoding="utf-8")
    assert not cache.is_whole_folder(place)
    with cache.folder_in_place(place) as scratch:
        (scratch / "part").write_text("third", encoding="utf-8")
    assert (place / "part").read_text(encoding="utf-8") == "third"
    assert list(tmp_path.glob(".made*")) == []


def test_hashes_are_right_remembered_and_follow_the_file(tmp_path: Path):
    path = tmp_path / "library"
    path.write_bytes(b"one")
    assert cache.file_sha256(path) == cache.file_sha256(path) == hashlib.sha256(b"one").hexdigest()
    path.write_bytes(b"three")
    assert cache.file_sha256(path) == hashlib.sha256(b"three").hexdigest()
    assert len(list((cache.cache_root() / "sha256").iterdir())) == 2


def test_equal_values_give_equal_bytes():
    assert cache.canonical_json({"b": 1, "a": [2]}) == cache.canonical_json({"a": [2], "b": 1})
    assert cache.read_json(Path("/nonexistent")) is None
