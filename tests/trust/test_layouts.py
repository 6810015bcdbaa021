"""A malformed layout is refused by the gate in one line, exit 2, whatever is wrong with it and wherever."""

from __future__ import annotations

import io
import re
import shutil
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tomlkit

import repro
from repro.cli import entry
from runner.errors import BadInput
from tests.trust.malformed_layouts import KINDS, malformed

ROOT = Path(__file__).resolve().parents[2]
SOUND = {
    "shipped": ROOT / "models" / "dfine" / "shipped.toml",
    "two graphs": ROOT / "docs" / "examples" / "two_graphs" / "split.toml",
}
EACH = [pytest.param("shipped", marks=pytest.mark.slow), "two graphs"]
"""The first needs its graphs converted, which takes a minute where nothing is in the cache."""
SEEDS = 2


Gated = Callable[..., tuple[int, list[str]]]


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Gated:
    """Call `repro gate` on the cpu in this process: exit code, lines on stderr."""

    def call(path: Path, *words: str) -> tuple[int, list[str]]:
        monkeypatch.setattr("sys.argv", ["repro", "gate", str(path), "--target", "cpu", *words])
        capfd.readouterr()
        with pytest.raises(SystemExit) as ended:
            entry()
        return int(ended.value.code or 0), capfd.readouterr().err.splitlines()

    return call


@pytest.fixture
def gated(gate: Gated, tmp_path: Path) -> Gated:
    """Gate a document as layout.toml, beside the files of the worked example."""
    shutil.copytree(SOUND["two graphs"].parent, tmp_path, dirs_exist_ok=True)

    def call(document: dict[str, Any], *words: str) -> tuple[int, list[str]]:
        (tmp_path / "layout.toml").write_text(tomlkit.dumps(document), encoding="utf-8")
        return gate(tmp_path / "layout.toml", *words)

    return call


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("seed", range(SEEDS))
@pytest.mark.parametrize("sound", EACH)
def test_a_malformed_layout_is_one_line_and_exit_2(gate: Gated, tmp_path: Path, sound: str, seed: int, kind):
    shutil.copytree(SOUND[sound].parent, tmp_path, dirs_exist_ok=True)
    document = tomllib.loads(SOUND[sound].read_text(encoding="utf-8"))
    code, said = gate(malformed(document, kind, seed, tmp_path))
    assert code == 2, said
    assert [line for line in said if line.startswith("repro: ")] == said[-1:]
    assert said[-1].isprintable()
    assert len(said[-1]) < 1000


# --- what a layout names ---------------------------------------------------------------------------------


class Hostile:
    """Unpickling it would write a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (self.path,)


def pickled(path: Path) -> bytes:
    written = io.BytesIO()
    np.save(written, np.array([Hostile(path)], dtype=object), allow_pickle=True)
    return written.getvalue()


def as_npy(array: np.ndarray) -> bytes:
    written = io.BytesIO()
    np.save(written, array)
    return written.getvalue()


WRONG_CONSTANTS = {
    "a pickle": pickled,
    "nothing": lambda path: b"",
    "half of it": lambda path: as_npy(np.zeros((1, 64, 24), np.float32))[:900],
    "another shape": lambda path: as_npy(np.zeros((7, 5), np.float32)),
    "a rank more": lambda path: as_npy(np.zeros((1, 1, 64, 24), np.float32)),
    "text": lambda path: as_npy(np.array(["a"])),
    "JSON": lambda path: b"{}",
}


@pytest.mark.parametrize("wrong", WRONG_CONSTANTS)
def test_a_constant_that_does_not_fit_is_one_line_and_no_pickle_is_opened(gated, tmp_path: Path, wrong: str):
    (tmp_path / "constant.npy").write_bytes(WRONG_CONSTANTS[wrong](tmp_path / "opened"))
    document = tomllib.loads(SOUND["two graphs"].read_text(encoding="utf-8"))
    document["residual"] = [{"tensor": "features_x2", "subtract": "constant.npy", "reason": "a test"}]
    code, said = gated(document)
    assert code == 2, said
    assert "[[residual]] 'features_x2' subtract = " in said[-1]
    assert not (tmp_path / "opened").exists()


@pytest.mark.parametrize("model", ["encoder.tflite", "whole.tflite"])
@pytest.mark.parametrize("damage", [lambda data: b"", lambda data: data[: len(data) // 2], lambda data: b"{}" * 99])
def test_a_damaged_model_of_a_layout_is_one_line(gated, tmp_path: Path, model: str, damage):
    (tmp_path / model).write_bytes(damage((tmp_path / model).read_bytes()))
    code, said = gated(tomllib.loads(SOUND["two graphs"].read_text(encoding="utf-8")))
    assert code == 2, said
    assert model in said[-1]


# --- without Python --------------------------------------------------------------------------------------

FUNCTIONS = {
    "[[graph]] 'encoder' builder": {"graph": 0, "builder": "author:run"},
    "[inputs] loader": {"inputs": {"files": ["whole.tflite"], "loader": "author:run"}},
    "[reference] graphs": {"reference": {"graphs": "author:run"}},
    "[reference] chain": {"reference": {"chain": "author:run"}},
    "[reference] key": {"reference": {"key": "author:run"}},
    "[[residual]] 'y' subtract": {"residual": [{"tensor": "y", "subtract": "author:run", "reason": "a test"}]},
    "[[host]] 'step' function": {
        "host": [{"name": "step", "function": "author:run", "inputs": ["summary"], "outputs": ["z"]}]
    },
    "[detections] decode": {"detections": {"boxes": "y", "logits": "y", "decode": "author:run"}},
}


def with_function(place: str) -> dict:
    document = tomllib.loads(SOUND["two graphs"].read_text(encoding="utf-8"))
    change = dict(FUNCTIONS[place])
    if "graph" in change:
        del document["graph"][0]["file"]
        document["graph"][0]["builder"] = change["builder"]
        return document
    if "detections" in change:
        limits = ("detection_iou", "class_agreement", "lost", "extra")
        document["thresholds"] = {"fp32": {key: {"value": 1, "reason": "a test"} for key in limits}}
        document["layout"]["precisions"] = ["fp32"]
    return document | change


@pytest.fixture
def author(tmp_path: Path) -> Path:
    """The layout's author leaves a module that says when it was imported."""
    (tmp_path / "author.py").write_text(
        "from pathlib import Path\nPath(__file__).with_name('imported').touch()\n", encoding="utf-8"
    )
    return tmp_path / "imported"


@pytest.mark.parametrize("place", FUNCTIONS)
def test_without_python_a_layout_that_names_a_function_is_refused_and_nothing_is_imported(gated, author, place: str):
    code, said = gated(with_function(place), "--no-python")
    assert (code, len(said)) == (2, 1), said
    assert f"{place} = 'author:run' is Python of its author" in said[0]
    assert "leave --no-python out" in said[0]
    assert not author.exists()


def test_every_place_where_a_layout_may_name_a_function_is_known_to_the_refusal():
    """A place that comes to be needs an entry in FUNCTIONS, and so in the refusal."""
    source = (ROOT / "repro" / "layouts" / "layout.py").read_text(encoding="utf-8")
    typed = [
        line for line in source.splitlines() if re.match(r"    \w+: .*(Function|_reference|_file_or_function)", line)
    ]
    assert len(typed) == len(FUNCTIONS), typed


def test_without_python_the_control_may_name_no_function_either(gated, author, tmp_path: Path):
    control = tomllib.loads((tmp_path / "naive.toml").read_text(encoding="utf-8"))
    control["reference"] = {"key": "author:run"}
    (tmp_path / "naive.toml").write_text(tomlkit.dumps(control), encoding="utf-8")
    code, said = gated(tomllib.loads(SOUND["two graphs"].read_text(encoding="utf-8")), "--no-python")
    assert (code, len(said)) == (2, 1), said
    assert "naive.toml': [reference] key" in said[0]
    assert not author.exists()


def test_without_python_a_layout_of_models_and_data_is_gated(gated):
    code, said = gated(tomllib.loads(SOUND["two graphs"].read_text(encoding="utf-8")), "--no-python")
    assert code == 0, said


def test_from_python_no_python_is_refused_too(author, tmp_path: Path):
    shutil.copytree(SOUND["two graphs"].parent, tmp_path, dirs_exist_ok=True)
    path = tmp_path / "layout.toml"
    path.write_text(tomlkit.dumps(with_function("[inputs] loader")), encoding="utf-8")
    with pytest.raises(BadInput, match="--no-python runs none"):
        repro.gate(path, target="cpu", no_python=True)
    assert not author.exists()
