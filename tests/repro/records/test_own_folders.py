"""The nearest repro.toml upwards says where a project's own things lie, and nothing outside of its folder."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from repro.records import own_folders as module
from repro.records.own_folders import NAME, Folders, is_believed, own_folders
from runner.errors import BadInput


def project(folder: Path, text: str = "") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / NAME).write_text(text, encoding="utf-8")
    return folder


def test_the_nearest_document_upwards_is_the_projects(tmp_path: Path):
    project(tmp_path)
    inner = project(tmp_path / "a" / "b")
    deep = inner / "c" / "d"
    deep.mkdir(parents=True)
    for start, root in ((deep, inner), (inner, inner), (tmp_path / "a", tmp_path), (tmp_path, tmp_path)):
        own = own_folders(start)
        assert own is not None
        assert own.root == root


def test_outside_of_any_project_there_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    assert own_folders() is None


def test_a_current_folder_that_was_removed_is_in_no_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    assert own_folders() is None


@pytest.mark.parametrize("key", [field.name for field in dataclasses.fields(Folders)])
def test_each_folder_has_a_default_and_can_be_named(key: str, tmp_path: Path):
    plain = own_folders(project(tmp_path / "plain"))
    named = own_folders(project(tmp_path / "named", f'[folders]\n{key} = "else/where"\n'))
    assert getattr(plain, key) == tmp_path / "plain" / getattr(Folders(), key)
    assert getattr(named, key) == tmp_path / "named" / "else" / "where"


@pytest.mark.parametrize("place", ["..", ".", "../beside", "/tmp", "a/../../b", "link/x"])
def test_a_folder_outside_of_the_documents_own_is_refused(place: str, tmp_path: Path):
    root = project(tmp_path / "root", f'[folders]\nfindings = "{place}"\n')
    (root / "link").symlink_to(tmp_path)
    with pytest.raises(BadInput, match=r"\[folders\] findings: .* is no folder below it; name one that is"):
        own_folders(root)


@pytest.mark.parametrize("text", ["folders = 1", "[folders]\ncase = 'x'", "[folder]", "[folders]\ncases = ''", "["])
def test_a_document_that_does_not_fit_is_one_line_that_names_it(text: str, tmp_path: Path):
    with pytest.raises(BadInput) as refused:
        own_folders(project(tmp_path, text))
    assert str(tmp_path / NAME) in str(refused.value)
    assert "\n" not in str(refused.value)


def test_an_edited_document_is_read_again(tmp_path: Path):
    before = own_folders(project(tmp_path))
    project(tmp_path, '[folders]\nfuzz = "hunts"\n')
    after = own_folders(tmp_path)
    assert before is not None
    assert after is not None
    assert (before.fuzz.name, after.fuzz.name) == ("fuzz", "hunts")


@pytest.mark.parametrize(
    ("owner", "user", "owner_here", "believed"),
    [
        (7, 7, 7, True),
        (0, 7, 7, True),
        (8, 0, 8, True),  # the superuser in a checkout that another user made
        (8, 7, 7, False),  # /tmp/repro.toml of somebody else, above a folder of mine
        (8, 7, 0, False),  # in /tmp itself
        (8, 0, 0, False),
    ],
)
def test_a_document_of_another_user_is_believed_in_that_users_folder_only(owner, user, owner_here, believed):
    assert is_believed(owner, user, owner_here) is believed


def test_a_document_that_is_not_believed_is_passed_over_on_the_way_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    project(tmp_path)
    inner = project(tmp_path / "inner")
    answers = iter([False, True])
    monkeypatch.setattr(module, "is_believed", lambda *numbers: next(answers))
    own = own_folders(inner)
    assert own is not None
    assert own.root == tmp_path
