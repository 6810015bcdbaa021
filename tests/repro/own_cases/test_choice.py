"""Which cases a command takes in a project: built-in ones and own data, or with --mine the own ones alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from cases import catalogue
from repro.own_cases.choice import Mine, notice, select
from repro.records.own_folders import NAME, Folders
from runner.errors import BadInput, NothingRan
from tests.repro.own_cases.projects import IN_PYTHON, LOST, RIGHT, project

FILES: dict[str, str | bytes] = {
    "lost.tflite": LOST,
    "lost.toml": 'reason = "why"',
    "right.tflite": RIGHT,
    "right.toml": 'reason = "why"\ncontrol_of = "mine/lost"',
    "in_python.py": IN_PYTHON,
}
MINE = Mine(only=True)


def names(*arguments, **options) -> list[str]:
    return [case.name for case in select(*arguments, **options)]


def test_outside_of_a_project_there_are_the_built_in_cases(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    assert select(()) == catalogue.catalogue()
    assert notice() == ""
    with pytest.raises(BadInput, match=r"there is no repro\.toml here or above; `repro init` writes one"):
        select((), mine=MINE)


def test_own_data_comes_behind_the_built_in_cases_and_python_is_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    folder = project(tmp_path, FILES)
    monkeypatch.chdir(tmp_path)
    built_in = [case.name for case in catalogue.catalogue()]
    assert names(()) == [*built_in, "mine/lost", "mine/right"]
    assert names(["lost"]) == ["mine/lost"]
    assert names((), "mine") == ["mine/lost", "mine/right"]
    assert not (folder / "it-ran").exists()
    assert notice(Mine()) == (
        f"own catalogue: {tmp_path / NAME}; 1 Python file of cases not run, --mine runs Python of that folder"
    )
    assert notice() == notice(MINE) == f"own catalogue: {tmp_path / NAME}"


def test_mine_are_the_own_cases_alone_with_those_in_python(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    folder = project(tmp_path, FILES)
    monkeypatch.chdir(tmp_path)
    assert names((), mine=MINE) == ["mine/lost", "mine/right", "mine/doubled"]
    assert (folder / "it-ran").exists()
    with pytest.raises(BadInput, match="no case 'fanout/add-to-2'"):
        select(["fanout/add-to-2"], mine=MINE)


def test_without_python_own_cases_in_python_are_refused_unread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    folder = project(tmp_path, FILES)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(BadInput, match="is Python, and --no-python runs none"):
        select((), mine=Mine(only=True, no_python=True))
    assert not (folder / "it-ran").exists()
    (folder / "in_python.py").unlink()
    assert names((), mine=Mine(only=True, no_python=True)) == ["mine/lost", "mine/right"]


def test_a_project_without_a_case_is_no_pass(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    project(tmp_path)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(NothingRan, match="holds no case"):
        select((), mine=MINE)
    (tmp_path / Folders.cases).rmdir()
    assert names(["fanout/add-to-2"]) == ["fanout/add-to-2"]


PYTHON = """\
from cases.case import Case
from cases.findings.add_output_feeds_reduction import add_reduce


def cases():
    return [Case(name, family, "why", graph=add_reduce, control_of=control) for name, family, control in {}]
"""


@pytest.mark.parametrize(
    ("cases", "said"),
    [
        ([("fanout/mine", "fanout", "")], "the family 'fanout' is built in"),
        ([("mine/x", "mine", ""), ("mine/x", "mine", "")], "two own cases are called mine/x"),
        ([("mine/x", "mine", "mine/y")], "is the control of 'mine/y', which is no case"),
        ([("mine/x", "other", "")], "call it other/what-it-is"),
        ([("x", "x", "")], "call it x/what-it-is"),
        ([("mine/../x", "mine", "")], None),
        ([("../x", "..", "")], "call it"),
        ([("mine/a b", "mine", "")], "call it mine/what-it-is, of the letters a to z, digits"),
    ],
)
def test_names_and_controls_of_own_cases_are_checked(cases, said, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    project(tmp_path, {"a.py": PYTHON.format(cases)})
    monkeypatch.chdir(tmp_path)
    with pytest.raises(BadInput, match=said or "call it"):
        select((), mine=MINE)


def test_an_own_control_may_be_of_a_built_in_case(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    project(tmp_path, {"a.py": PYTHON.format([("mine/x", "mine", "fanout/add-to-2")])})
    monkeypatch.chdir(tmp_path)
    assert names((), mine=MINE) == ["mine/x"]
