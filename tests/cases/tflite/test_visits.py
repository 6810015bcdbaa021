"""What is walked of a file is counted, and a file that is walked over and over is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from cases.tflite import visits
from cases.tflite.read import read_tflite
from cases.tflite.visits import SMALL_BYTES, WALKS, Visits
from runner import memory
from runner.memory import TooMuchMemory

ROOT = Path(__file__).parents[3]


def test_a_vector_that_the_file_cannot_hold_is_damage():
    for length in (-1, 26):
        with pytest.raises(ValueError, match=f"shape: {length} entries in 100 bytes"):
            Visits(bytes(100)).vector(length, "shape")
    assert Visits(bytes(100)).vector(25, "shape") == 25


def test_a_file_is_walked_several_times_and_not_for_ever():
    data = bytes(SMALL_BYTES)
    counted = Visits(data)
    for _ in range(WALKS + 1):
        counted.vector(len(data) // 4, "shape")
    with pytest.raises(ValueError, match="share so many vectors"):
        counted.vector(len(data) // 4, "shape")


def test_what_many_numbers_and_tables_take_is_held_to_the_limit():
    data = bytes(1 << 20)
    with memory.limited("4MiB"):
        with pytest.raises(TooMuchMemory, match="reading the model would take about"):
            Visits(data).vector(len(data) // 4, "shape")
        with pytest.raises(TooMuchMemory, match="reading the model would take about"):
            Visits(data).tables(tensors=10_000, ops=10_000)
        Visits(data).tables(tensors=100, ops=100)


def test_healthy_models_are_walked_less_than_once(monkeypatch: pytest.MonkeyPatch):
    """So `WALKS` has room: it would have to be below 1 to refuse one of them."""
    monkeypatch.setattr(visits, "WALKS", 1)
    monkeypatch.setattr(visits, "SMALL_BYTES", 0)
    paths = sorted(ROOT.glob("findings/*/models/*.tflite"))
    assert len(paths) > 50
    for path in paths:
        read_tflite(path.read_bytes(), path.name)
