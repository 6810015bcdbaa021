"""The memory limit: where it comes from, how it is said, and that what is above it is refused before it is made."""

from __future__ import annotations

import os
import threading
from contextvars import copy_context
from pathlib import Path

import pytest

from runner import memory
from runner.errors import BadInput
from runner.memory import TooMuchMemory


@pytest.mark.parametrize(
    ("size", "wanted"),
    [("2GiB", 2 << 30), ("2 gib", 2 << 30), ("1.5G", 3 << 29), ("500MB", 500_000_000), ("1k", 1024), ("7", 7), (8, 8)],
)
def test_sizes_are_read_as_people_write_them(size: memory.Size, wanted: int):
    assert memory.parse_size(size) == wanted


@pytest.mark.parametrize("size", ["", "0", "-1", "GiB", "2 XB", "nan", "1e9", "9" * 400, "٣GiB", "2GiB\n3"])
def test_what_is_no_size_is_one_line(size: str):
    with pytest.raises(BadInput, match="is no size; give bytes or a number with a unit"):
        memory.parse_size(size)


def test_a_limit_holds_inside_its_block_and_none_leaves_the_one_around_it():
    with memory.limited("1MiB"):
        with memory.limited("3MiB"), memory.limited(None):
            assert memory.limit() == 3 << 20
        assert memory.limit() == 1 << 20
    assert memory.limit() == memory.default_limit()


def test_what_is_above_the_limit_is_refused_with_what_why_and_what_to_do():
    with memory.limited("2GiB"):
        memory.require(2 << 30, "reading it")
        with pytest.raises(TooMuchMemory) as error:
            memory.require((2 << 30) + 1, "x.tflite: reading it")
    said = "x.tflite: reading it would take about 2 GiB of memory, and the limit is 2 GiB; give a smaller one, or "
    assert str(error.value).startswith(f"{said}--memory SIZE")
    assert error.value.exit_code == 2


def test_a_thread_that_is_given_the_context_has_its_limit():
    found: list[int] = []
    with memory.limited(12345):
        thread = threading.Thread(target=copy_context().run, args=(lambda: found.append(memory.limit()),))
        thread.start()
        thread.join()
    assert found == [12345]


def test_sizes_that_no_number_of_the_machine_holds_can_be_said():
    assert memory.in_words(10**200) == "2^664 bytes"
    assert memory.in_words(288) == "288 bytes"


def test_a_control_group_that_allows_less_than_the_machine_is_asked(tmp_path: Path):
    root, own = tmp_path / "cgroup", tmp_path / "own"
    (root / "job" / "inner").mkdir(parents=True)
    own.write_text("0::/job/inner\n", encoding="utf-8")
    assert memory._of_group(root, own) == float("inf")
    for name, text in (("max", "1000"), ("current", "700"), ("stat", "anon 1\ninactive_file 200\n")):
        (root / "job" / f"memory.{name}").write_text(text, encoding="utf-8")
    (root / "job" / "inner" / "memory.max").write_text("max\n", encoding="utf-8")
    assert memory._of_group(root, own) == 1000 - 700 + 200


def test_a_control_group_of_the_first_version_is_asked_too(tmp_path: Path):
    own = tmp_path / "own"
    own.write_text("4:memory:/host/path\n3:cpu:/\n", encoding="utf-8")
    (tmp_path / "memory").mkdir()
    for name, text in (("limit_in_bytes", "1000"), ("usage_in_bytes", "900")):
        (tmp_path / "memory" / f"memory.{name}").write_text(text, encoding="utf-8")
    assert memory._of_group(tmp_path, own) == 100


def test_the_default_leaves_room_and_never_refuses_a_small_model():
    assert memory.default_limit() >= memory.LEAST_BYTES


def test_a_file_that_is_too_large_is_not_read(tmp_path: Path):
    path = tmp_path / "sparse.tflite"
    with path.open("wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(TooMuchMemory, match=r"sparse.tflite: reading it would take about 1 TiB"):
        memory.read_file(path)


def test_a_pipe_that_gives_too_much_is_left(tmp_path: Path):
    path = tmp_path / "pipe"
    os.mkfifo(path)

    def endless() -> None:
        with path.open("wb", buffering=0) as pipe:
            try:
                while True:
                    pipe.write(bytes(1 << 16))
            except BrokenPipeError:
                return

    writer = threading.Thread(target=endless, daemon=True)
    writer.start()
    with memory.limited("4MiB"), pytest.raises(TooMuchMemory):
        memory.read_file(path)
    writer.join(timeout=60)
    assert not writer.is_alive()


def test_json_is_held_to_what_it_takes_in_memory(tmp_path: Path):
    path = tmp_path / "large.json"
    path.write_text("[" + "[]," * 1000 + "[]]", encoding="utf-8")
    memory.require_json(tmp_path / "none.json")
    with memory.limited("1KiB"), pytest.raises(TooMuchMemory):
        memory.require_json(path)
