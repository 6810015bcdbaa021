"""A command never writes over what it reads, by whatever name, link or folder the file is called."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from cases.builder import GraphBuilder
from cases.tflite.write import write_tflite
from repro.cli import main
from repro.commands.outputs import keep_apart
from repro.records.folders import FINDINGS
from runner.errors import BadInput

EXAMPLE = FINDINGS.parent / "docs" / "examples" / "two_graphs"
SLUG = "add-output-feeds-reduction"


def same_name(path: Path) -> Path:
    return path


def by_a_detour(path: Path) -> Path:
    (path.parent / "folder").mkdir(exist_ok=True)
    return path.parent / "folder" / ".." / path.name


def symbolic_link(path: Path) -> Path:
    (path.parent / "symbolic").symlink_to(path)
    return path.parent / "symbolic"


def hard_link(path: Path) -> Path:
    os.link(path, path.parent / "hard")
    return path.parent / "hard"


NAMES: tuple[Callable[[Path], Path], ...] = (same_name, by_a_detour, symbolic_link, hard_link)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    g = GraphBuilder()
    y = g.add(g.input("x", (1, 16, 8)), g.input("z", (1, 16, 8)), "y")
    path = tmp_path / "model.tflite"
    path.write_bytes(write_tflite(g.build([y, g.mean(y, [2], "m")])))
    return path


def refused(*words: str) -> str:
    result = CliRunner().invoke(main, list(words))
    assert isinstance(result.exception, BadInput), result.output
    return str(result.exception)


@pytest.mark.parametrize("named", NAMES, ids=lambda named: named.__name__)
def test_fix_lint_matrix_and_gate_refuse_to_write_over_their_input(model: Path, tmp_path: Path, named):
    shutil.copytree(EXAMPLE, tmp_path / "split")
    layout, weights = tmp_path / "split" / "split.toml", tmp_path / "split" / "head.tflite"
    other = named(model)
    before = {path: path.read_bytes() for path in (model, layout, weights)}
    for words in (
        ("fix", str(model), "-o", str(other), "--target", "cpu"),
        ("lint", str(model), "--sarif", str(other)),
        ("matrix", str(model), "--out", str(other)),
        ("gate", str(layout), "--junit", str(layout), "--target", "cpu"),
        ("gate", str(layout), "--junit", str(weights), "--target", "cpu"),
        ("detect", str(model), "--out", str(other), "--target", "cpu"),
    ):
        said = refused(*words)
        assert "which is read; name another place" in said
        assert "\n" not in said
    assert {path: path.read_bytes() for path in before} == before


def test_fix_does_not_write_over_its_inputs_file_either(model: Path, tmp_path: Path):
    inputs = tmp_path / "x.npz"
    inputs.write_bytes(b"x")
    said = refused("fix", str(model), "--inputs", str(inputs), "-o", str(inputs), "--target", "cpu")
    assert f"--out '{inputs}' would write into '{inputs}'" in said


def test_reduce_does_not_write_into_the_folder_its_input_lies_in(model: Path, tmp_path: Path):
    """The result of a reduction, reduced once more, would be written over itself."""
    said = refused("reduce", str(model), "--out", str(tmp_path), "--target", "cpu")
    assert f"--out '{tmp_path}' would write into '{model}'" in said


@pytest.mark.parametrize("inside", [".", "models"])
def test_a_report_does_not_go_into_the_finding(inside: str):
    assert "which is read" in refused("report", SLUG, "--out", str(FINDINGS / SLUG / inside))


def test_two_reports_of_a_run_do_not_go_into_one_file(tmp_path: Path):
    same = tmp_path / "report"
    said = refused("run", "fanout/*", "--target", "cpu", "--junit", str(same), "--html", str(tmp_path / "." / "report"))
    assert "--junit and --html both write" in said


def test_what_is_apart_is_let_through(tmp_path: Path):
    (tmp_path / "in").touch()
    keep_apart({"--a": tmp_path / "a", "--b": tmp_path / "b", "--none": None}, [tmp_path / "in", None])
    keep_apart({"--a": Path("-")}, [tmp_path / "in"])


def test_a_place_that_cannot_be_is_told_before_anything_runs(tmp_path: Path):
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(BadInput, match=r"--junit '.*' cannot be written: '.*file' is a file; name another place"):
        keep_apart({"--junit": tmp_path / "file" / "below" / "run.xml"})
    keep_apart({"--junit": tmp_path / "not" / "there" / "yet.xml", "--html": Path("/dev/null")})


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may write everywhere")
def test_a_folder_that_may_not_be_written_is_told_before_anything_runs(tmp_path: Path):
    tmp_path.chmod(0o500)
    with pytest.raises(BadInput, match="nothing may be written in"):
        keep_apart({"--results": tmp_path / "1.results"})
    tmp_path.chmod(0o700)
