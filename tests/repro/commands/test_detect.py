"""`repro detect`: torch and the target must see the same, and seeing nothing shows nothing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

import models.dfine
from runner.errors import BadInput, NothingRan

pytest.importorskip("PIL", reason="pictures need pillow")

from models.dfine import detect
from models.dfine.postprocess import Detection
from repro.commands.detect import command

pytestmark = pytest.mark.convert
PHOTO = Path(models.dfine.__file__).parent / "images" / "coffee.jpg"
CUP = Detection((0.1, 0.2, 0.5, 0.9), 41, 0.9)
SPOON = Detection((0.6, 0.2, 0.9, 0.9), 44, 0.8)


def detected(monkeypatch: pytest.MonkeyPatch, out: Path, expected: list[Detection], found: list[Detection]) -> Result:
    """The command, where torch and the graphs see what is said: converting them takes minutes."""
    monkeypatch.setattr(detect, "by_torch", lambda *_: tuple(expected))
    monkeypatch.setattr(detect, "by_graphs", lambda *_: tuple(found))
    monkeypatch.setattr(detect, "by_naive_graphs", lambda *_: ())
    return CliRunner().invoke(command, [str(PHOTO), "--target", "cpu", "--out", str(out), "--json"])


def test_a_picture_in_which_nobody_sees_anything_shows_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    result = detected(monkeypatch, tmp_path / "out.png", [], [])
    assert isinstance(result.exception, NothingRan)
    assert "nothing was compared; give a lower --threshold" in str(result.exception)


@pytest.mark.parametrize(
    ("found", "code", "says"),
    [
        ([CUP, SPOON], 0, "2 of 2 matched, 2 with the same class, 0 extra; IoU min 1.0000"),
        ([SPOON, CUP], 0, "2 of 2 matched"),
        ([CUP], 1, "1 of 2 matched, 1 with the same class, 0 extra"),
        ([CUP, SPOON, Detection((0.0, 0.0, 0.05, 0.05), 1, 0.7)], 1, "1 extra"),
        ([CUP, Detection(SPOON.box, 43, 0.8)], 1, "2 of 2 matched, 1 with the same class"),
    ],
)
def test_the_two_must_agree_in_number_and_class(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, found: list[Detection], code: int, says: str
):
    result = detected(monkeypatch, tmp_path / "out.png", [CUP, SPOON], found)
    assert result.exit_code == code, result.output
    assert says in result.stderr
    records = [json.loads(line) for line in result.stdout.splitlines()]
    assert [r["source"] for r in records] == ["torch"] * 2 + ["cpu"] * len(found)
    lost = "naive split on cpu fp32: 0 of 2 found, 2 lost, 0 that are not"
    assert lost in result.stderr
    assert (records[0]["name"], records[0]["label"], records[0]["score"]) == ("cup", 41, 0.9)
    assert (tmp_path / "out.png").stat().st_size > 0


def test_a_picture_that_cannot_be_written_is_one_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    result = detected(monkeypatch, tmp_path / "out.nothing", [CUP], [CUP])
    assert isinstance(result.exception, BadInput)
    assert "cannot be written as a picture" in str(result.exception)
