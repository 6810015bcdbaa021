"""What an installed package holds is read and never written to."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

from repro.commands import expect, finding, gate, lint
from repro.records import folders
from repro.records.own_folders import NAME
from runner.errors import BadInput


@pytest.fixture
def _installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folders, "SHIPPED", folders.FINDINGS.parent)


@pytest.mark.usefixtures("_installed")
@pytest.mark.parametrize(
    ("command", "words"),
    [
        (finding.command, ["new", "mine", "--model", "m.tflite", "--control", "c.tflite"]),
        (finding.command, ["measure", "add-output-feeds-reduction"]),
        (finding.command, ["render", "--all"]),
        (expect.command, ["update", "results.jsonl"]),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_what_would_write_into_an_installed_package_is_refused_in_one_line(command, words: list[str], tmp_path: Path):
    with CliRunner().isolated_filesystem(tmp_path):
        Path("results.jsonl").write_text("{}", encoding="utf-8")
        refused = CliRunner().invoke(command, words).exception
    assert isinstance(refused, BadInput)
    assert "would be written into the installed package; do it with what is your own, in a project of yours" in str(
        refused
    )


@pytest.mark.usefixtures("_installed")
@pytest.mark.parametrize("layout", ["docs/examples/two_graphs/split.toml", "models/dfine/shipped.toml"])
@pytest.mark.parametrize("is_there", [False, True])
def test_no_baseline_is_written_into_an_installed_package(
    monkeypatch: pytest.MonkeyPatch, layout: str, is_there: bool, tmp_path: Path
):
    monkeypatch.chdir(folders.MODELS.parent if is_there else tmp_path)
    refused = CliRunner().invoke(gate.command, [layout, "--target", "cpu", "--update-baseline"]).exception
    assert isinstance(refused, BadInput)
    assert "would be written into the installed package; copy the layout's folder" in str(refused)


@pytest.mark.parametrize(
    "name",
    [
        "findings/concat-of-one/models/minimal.tflite",
        "docs/examples/two_graphs/split.toml",
        "models/rt_detr/naive.toml",
    ],
)
def test_a_file_of_this_tool_is_found_by_its_name_in_any_folder_unless_one_is_there(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str
):
    monkeypatch.chdir(tmp_path)
    found = folders.built_in(Path(name))
    assert found is not None
    assert found.is_file()
    assert found.as_posix().endswith(name)
    Path(name).parent.mkdir(parents=True)
    assert folders.built_in(Path(name)) == found
    Path(name).touch()
    assert folders.built_in(Path(name)) is None


@pytest.mark.parametrize(
    "name", ["findings/none/x.tflite", "docs/examples/../../README.md", "other/x.toml", "/findings/concat-of-one", ""]
)
def test_no_other_path_is_taken_for_one_of_this_tool(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str):
    monkeypatch.chdir(tmp_path)
    assert folders.built_in(Path(name)) is None


def test_a_command_says_whose_file_it_took(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.chdir(tmp_path)
    name = "findings/concat-of-one/models/minimal.tflite"
    said = CliRunner().invoke(lint.command, [name])
    assert said.exit_code == 1
    assert said.stderr == f"{name} is not here; taken is the one of this tool: {folders.built_in(Path(name))}\n"


@pytest.mark.usefixtures("_installed")
def test_all_findings_that_can_be_written_are_the_project_s_own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.chdir(tmp_path)
    (tmp_path / NAME).write_text('[folders]\nfindings = "f"\n', encoding="utf-8")
    shutil.copytree(folders.FINDINGS / "concat-of-one", tmp_path / "f" / "mine")
    done = CliRunner().invoke(finding.command, ["render", "--all"])
    assert done.exit_code == 0, done.exception
    assert "mine" in done.stdout
    assert "concat-of-one" not in done.stdout


def test_a_checkout_is_written_to():
    folders.require_own_folders("anything", folders.FINDINGS)
    assert not folders.SHIPPED.exists()


def test_a_project_comes_after_what_is_built_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    assert folders.finding_folders() == (folders.FINDINGS,)
    assert folders.expectation_folders() == (folders.EXPECTATIONS,)
    (tmp_path / NAME).write_text('[folders]\nfindings = "f"\nexpectations = "e"\n', encoding="utf-8")
    assert folders.finding_folders() == (folders.FINDINGS, tmp_path / "f")
    assert folders.expectation_folders() == (folders.EXPECTATIONS, tmp_path / "e")
