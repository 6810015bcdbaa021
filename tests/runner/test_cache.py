"""The cache: one file or the other, never half of one; hashes follow the file."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

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
