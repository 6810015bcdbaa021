"""Whatever lies in the place of a cached file, the cache gives the same answer, makes it again once, and is mended."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from runner.cache import cache_root, write_json_entry
from tests.trust.cache_stores import OTHER_VERSIONS, RECORDS, STORES, Store
from tests.trust.damage import DAMAGES, Damage, a_file_in_the_place_of_the_folder

Opening = Callable[[pytest.MonkeyPatch, Path], Store]


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[Opening], Store]:
    """Open a store in an empty cache, and fill it."""
    monkeypatch.setenv("REPRO_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("VK_DRIVER_FILES", raising=False)
    scratch = tmp_path / "scratch"
    scratch.mkdir()

    def call(opening: Opening) -> Store:
        store = opening(monkeypatch, scratch)
        store.ask()
        store.made = 0
        return store

    return call


def same(one: Any, other: Any) -> bool:
    if isinstance(one, np.ndarray):
        return np.array_equal(one, other) and one.dtype == other.dtype
    if isinstance(one, tuple | list):
        return len(one) == len(other) and all(map(same, one, other))
    return bool(one == other)


def files_of(store: Store) -> list[Path]:
    return sorted(p for p in (cache_root() / store.folder).rglob("*") if p.is_file())


KEEPS_SIZE = ("one_byte_changed", "a_digit_changed", "zeros_after_a_power_cut")
"""What only a digest sees. The libraries of a runtime are held to their length: they are 100 MB."""
LISTS = ("RECORD", "hashes.json")
"""They say more than what is held to them, and that part may change."""


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.__name__)
@pytest.mark.parametrize("opening", STORES, ids=lambda opening: opening.__name__)
def test_a_damaged_file_is_made_again_and_then_kept(opened, opening: Opening, damage: Damage):
    store = opened(opening)
    first = store.ask()
    assert store.made == 0, "the cache serves"
    names = [path.relative_to(cache_root()) for path in files_of(store)]
    assert names
    for name in names:
        if store.folder == "runtimes" and name.suffix == ".so" and damage.__name__ in KEEPS_SIZE:
            continue
        store.made = 0
        damage(cache_root() / name)
        assert same(store.ask(), first), name
        assert store.made == 1 or (name.name in LISTS and store.made == 0), name
        store.made = 0
        assert same(store.ask(), first), name
        assert store.made == 0, f"{name} is mended"


@pytest.mark.parametrize("opening", STORES, ids=lambda opening: opening.__name__)
def test_a_file_in_the_place_of_a_stores_folder_gives_way(opened, opening: Opening):
    store = opened(opening)
    first = store.ask()
    a_file_in_the_place_of_the_folder(cache_root() / store.folder)
    assert same(store.ask(), first)
    made = store.made
    assert made >= 1
    assert same(store.ask(), first)
    assert store.made == made


@pytest.mark.parametrize("version", OTHER_VERSIONS)
@pytest.mark.parametrize("opening", RECORDS, ids=lambda opening: opening.__name__)
def test_a_whole_record_of_another_version_is_made_again(opened, opening: Opening, version: str):
    """Its digest is right: another version of this project wrote it."""
    store = opened(opening)
    first = store.ask()
    (kept,) = (path for path in files_of(store) if path.suffix == ".json")
    write_json_entry(kept, OTHER_VERSIONS[version](RECORDS[opening]))
    assert same(store.ask(), first)
    assert store.made == 1
