"""What a disk, a kill or another program leaves in the place of a file: the kinds of damage, one function each."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np

from runner.npz import packed

Damage = Callable[[Path], None]


def zero_length(path: Path) -> None:
    path.write_bytes(b"")


def half_a_file(path: Path) -> None:
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])


def one_byte_changed(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def a_digit_changed(path: Path) -> None:
    """JSON that is still JSON of the same kind, and npz of the same names."""
    data = path.read_bytes()
    digit = next((i for i in range(len(data) // 2, len(data)) if data[i : i + 1].isdigit()), len(data) // 2)
    path.write_bytes(data[:digit] + bytes([data[digit] ^ 1]) + data[digit + 1 :])


def zeros_after_a_power_cut(path: Path) -> None:
    path.write_bytes(bytes(path.stat().st_size))


def foreign_json(path: Path) -> None:
    path.write_text(json.dumps({"some": ["other", "program"]}), encoding="utf-8")


def json_of_another_type(path: Path) -> None:
    path.write_text("[[1, 2], null]", encoding="utf-8")


def json_nested_without_end(path: Path) -> None:
    path.write_text("[" * 100_000, encoding="utf-8")


def a_foreign_npz(path: Path) -> None:
    path.write_bytes(packed({"0_0": np.full((2, 2), 7.0), "0": np.full(3, 7.0), "floor": np.full(3, 7.0)}))


def a_folder_in_its_place(path: Path) -> None:
    path.unlink()
    path.mkdir()
    (path / "inside").write_text("x", encoding="utf-8")


def a_link_to_itself(path: Path) -> None:
    path.unlink()
    path.symlink_to(path.name)


def a_link_to_nowhere(path: Path) -> None:
    path.unlink()
    path.symlink_to("/nonexistent/place")


def gone(path: Path) -> None:
    path.unlink()


DAMAGES: tuple[Damage, ...] = (
    zero_length,
    half_a_file,
    one_byte_changed,
    a_digit_changed,
    zeros_after_a_power_cut,
    foreign_json,
    json_of_another_type,
    json_nested_without_end,
    a_foreign_npz,
    a_folder_in_its_place,
    a_link_to_itself,
    a_link_to_nowhere,
    gone,
)


def a_file_in_the_place_of_the_folder(folder: Path) -> None:
    shutil.rmtree(folder)
    folder.write_text("no folder", encoding="utf-8")
