"""Test models are taken from checkouts by content; what stays out is known with its reason."""

from __future__ import annotations

from pathlib import Path

import pytest

from models.public.checkouts import FOLDER, LARGEST, collect, kept_out, main
from runner.cache import cache_root
from runner.errors import BadInput

MODEL = b"\x1c\0\0\0TFL3" + b"a" * 40


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REPRO_CACHE", str(tmp_path / "cache"))


def checkout(folder: Path, files: dict[str, bytes]) -> Path:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return folder


def test_each_content_is_one_model_wherever_it_lies(tmp_path: Path):
    one = checkout(tmp_path / "one", {"a/add.tflite": MODEL, "b/add.tflite": MODEL + b"b", "README.md": b""})
    two = checkout(tmp_path / "two", {"add.tflite": MODEL})
    taken, left_out = collect([one, two])
    assert left_out == {}
    assert sorted(path.read_bytes() for path in taken) == [MODEL, MODEL + b"b"]
    assert {path.parent for path in taken} == {cache_root() / FOLDER}


def test_what_is_too_large_or_no_model_stays_out_and_says_why(tmp_path: Path):
    files = {
        "large.tflite": MODEL.ljust(LARGEST + 1),
        "elsewhere.tflite": b"version https://git-lfs.github.com/spec/v1\n",
        "empty.tflite": b"",
        "text.tflite": b"no model at all",
        "good.tflite": MODEL,
    }
    taken, left_out = collect([checkout(tmp_path / "one", files)])
    assert [path.name.partition("-")[0] for path in taken] == ["good"]
    assert left_out == {
        "one/elsewhere.tflite": "a pointer to a file that is stored elsewhere",
        "one/empty.tflite": "empty",
        "one/large.tflite": "4 MiB",
        "one/text.tflite": "no .tflite by its content",
    }
    assert dict(kept_out()) == left_out


def test_the_set_is_what_was_collected_last(tmp_path: Path):
    (before,), _ = collect([checkout(tmp_path / "one", {"a.tflite": MODEL})])
    (after,), _ = collect([checkout(tmp_path / "two", {"b.tflite": MODEL})])
    assert (before.exists(), after.exists()) == (False, True)


def test_a_folder_without_models_is_refused_by_name(tmp_path: Path):
    with pytest.raises(BadInput, match=r"no \.tflite below this folder"):
        collect([checkout(tmp_path / "one", {"README.md": b""})])


def test_the_command_says_how_many_there_are(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    folder = checkout(tmp_path / "one", {"a.tflite": MODEL, "b.tflite": b""})
    assert main([str(folder)]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "one/b.tflite  left out: empty",
        f"1 models in {cache_root() / FOLDER}, 1 files left out",
    ]
