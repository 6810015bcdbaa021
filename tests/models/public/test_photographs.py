"""One photograph is many inputs: parts of it, the same for everybody, collected by content."""

from __future__ import annotations

import hashlib
import io
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from models.public import collect as models
from models.public.photographs import PARTS, Photograph, collect, listed, of_model, parts_of
from runner.errors import TargetUnavailable


def photograph() -> bytes:
    pixels = np.random.default_rng(0).integers(0, 256, (24, 36, 3), np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


PERSON = Photograph("ab12cd34" + "0" * 56, "x", "pypi:p==1", "p/person.png", hashlib.sha256(photograph()).hexdigest())


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REPRO_CACHE", str(tmp_path / "cache"))


def wheel(package: str, folder: Path) -> Path:
    path = folder / "p-1-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("p/person.png", photograph())
    return path


def opened(content: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(content)))


def test_parts_are_square_differ_and_are_the_same_for_everybody():
    first, second = parts_of(photograph()), parts_of(photograph())
    assert first == second
    assert len(set(first)) == PARTS
    assert all(part.shape[0] == part.shape[1] <= 24 for part in map(opened, first))
    assert np.array_equal(opened(first[0]), opened(photograph())[:, 6:30])
    assert parts_of(photograph(), seed=1)[1:] != first[1:]


def test_a_photograph_is_fetched_once_and_belongs_to_the_model_that_needs_it():
    asked = []
    for _ in range(2):
        assert collect([PERSON], lambda *given: asked.append(given) or wheel(*given)) == (PERSON,)
    assert len(asked) == 1
    assert of_model("pose-ab12cd34", [PERSON]) == {"x": PERSON.parts}
    assert all(part.exists() for part in PERSON.parts)
    assert of_model("pose-00000000", [PERSON]) == of_model("pose", [PERSON]) == {}


def test_what_cannot_be_had_is_said():
    def nowhere(package: str, folder: Path) -> Path:
        raise TargetUnavailable("no network")

    other = Photograph(PERSON.model, "x", PERSON.package, PERSON.path, "0" * 64)
    for wanted, fetch, why in ((PERSON, nowhere, "no network"), (other, wheel, "not in it with the sha256")):
        told: list[str] = []
        assert collect([wanted], fetch, told.append) == ()
        assert why in told[0]


def test_each_photograph_of_the_list_belongs_to_a_listed_model():
    known = {model.sha256 for model in models.listed()}
    assert listed()
    assert {one.model for one in listed()} <= known
