"""A damaged saved run is judged or refused in one line, whatever is damaged in it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from repro import api
from repro.commands.judge import command
from repro.verdicts.saved_run import BESIDE, save_judgeable
from runner.errors import BadInput, NothingRan
from runner.npz import packed

MODEL = Path(__file__).parents[2] / "findings" / "add-output-feeds-reduction" / "models" / "control.tflite"
HUGE = 999_999_999

Edit = Callable[[Any], Any]


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("saved") / "run"
    checked = api.check(MODEL, target="cpu")
    save_judgeable(folder, checked.run, checked.subject)
    return folder


@pytest.fixture
def run(saved: Path, tmp_path: Path) -> Path:
    """A copy to damage."""
    return Path(shutil.copytree(saved, tmp_path / "run"))


def put(*place: str | int, value: object) -> Edit:
    """A document with another value at one place."""

    def edit(document: Any) -> Any:
        inner = document
        for key in place[:-1]:
            inner = inner[key]
        inner[place[-1]] = value
        return document

    return edit


def refused(folder: Path) -> str:
    """What `repro judge` says of a folder that it must refuse."""
    said = judged(folder)
    assert said
    return said


def judged(folder: Path) -> str:
    """What `repro judge` refuses a folder with, which must be one of our errors; empty where it judges it."""
    result = CliRunner().invoke(command, [str(folder)])
    if isinstance(result.exception, BadInput | NothingRan):
        return str(result.exception)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    assert result.exit_code in (0, 1)
    return ""


@pytest.mark.parametrize(
    ("edit", "says"),
    [
        (put("name", value=7), "meta.json: name"),
        (put("outcome", value="FINE"), "meta.json: outcome"),
        (put("outputs", value=[HUGE]), "not as many as meta.json says"),
        (put("outputs", value=[-1, 1]), "meta.json: outputs"),
        (put("outputs", value=[[1]]), "meta.json: outputs"),
        (put("outputs", value={"0": 1}), "meta.json: outputs"),
        (put("outputs", value=[10**400]), "not as many as meta.json says"),
        (put("output_names", value=[None]), "meta.json: output_names"),
        (put("fully_accelerated", value="yes"), "meta.json: fully_accelerated"),
        (put("stages", value=[1]), "meta.json: stages"),
        (put("log", value={"utf-16": "zz"}), "damaged run"),
        (put("log", value={"utf-8": "00"}), "meta.json: log"),
        (put("fingerprint", value=[]), "meta.json: fingerprint"),
        (put("fingerprint", "precision", value="fp64"), "'fp64' is not a valid Precision"),
        (put("fingerprint", "libraries", value={"a": 1}), "meta.json: fingerprint.libraries"),
        (put("fingerprint", "more", value="x"), "meta.json: fingerprint"),
        (put("format", value=2), "of another format"),
        (lambda document: [document], "of another format"),
    ],
)
def test_another_meta_file_is_refused_by_what_is_wrong_in_it(run: Path, edit: Edit, says: str):
    path = run / "meta.json"
    path.write_text(json.dumps(edit(json.loads(path.read_text(encoding="utf-8")))), encoding="utf-8")
    assert says in refused(run)


@pytest.mark.parametrize(
    ("edit", "says"),
    [
        (put(0, "rmse", value=None), "floor: rmse"),
        (put(0, "rmse", value=-1.0), "at least 0"),
        (put(0, "rmse", value=float("inf")), "finite"),
        (put(0, "gain", value="x"), "floor: gain"),
        (put(0, "depth", value=1.5), "floor: depth"),
        (put(0, "levels", value=[[1.0]]), "floor: levels"),
        (put(0, "by_feed", value=["a"]), "floor: by_feed"),
        (put(0, "by_feed", value=[float("nan")]), "finite"),
        (put(0, "more", value=1), "floor: more"),
        (put(0, value="floor"), "floor: "),
        (lambda document: {"format": 1}, "floors.json holds no list"),
        (lambda document: document[:1], "do not belong together"),
    ],
)
def test_other_floors_are_refused_by_what_is_wrong_in_them(run: Path, edit: Edit, says: str):
    path = run / "floors.json"
    path.write_text(json.dumps(edit(json.loads(path.read_text(encoding="utf-8")))), encoding="utf-8")
    assert says in refused(run)


def arrays(held: dict[str, np.ndarray]) -> Iterator[dict[str, np.ndarray]]:
    """Archives of other arrays than a run's: one too many, all others, one missing, each of another kind."""
    for name in ("0_999999999", "999999999_0", "9" * 5000 + "_0", "x", "-1_0", "٠_٠"):
        yield {**held, name: np.ones(3)}
        yield {name: np.ones(3)}
    for name in held:
        yield {other: array for other, array in held.items() if other != name}
        for array in (np.zeros(0), np.float32(3), np.array("x"), np.ones((2, 2), complex), np.zeros(3, "M8[s]")):
            yield {**held, name: np.asarray(array)}


@pytest.mark.parametrize("file", ["arrays.npz", "feeds.npz", "reference.npz"])
def test_archives_with_other_numbers_are_judged_or_refused(run: Path, file: str):
    """What was fed only helps to explain, so one array more in a feed is no reason to refuse."""
    whole = (run / file).read_bytes()
    said = []
    for found in arrays(dict(np.load(run / file))):
        (run / file).write_bytes(packed(found))
        said.append(judged(run))
    assert sum(map(bool, said)) >= 10
    (run / file).write_bytes(whole)
    assert judged(run) == ""


@pytest.mark.parametrize("file", ["meta.json", "arrays.npz", *BESIDE])
def test_a_file_that_is_cut_empty_or_a_folder_is_refused(run: Path, file: str):
    path = run / file
    whole = path.read_bytes()
    for damaged in (b"", whole[: len(whole) // 2], b"[" * 100_000, b"9" * 5000, b"\xff\xfe"):
        path.write_bytes(damaged)
        assert refused(run)
    path.unlink()
    path.mkdir()
    assert refused(run)
