"""The command line as a user meets it: one clear line for bad input, the documented exit codes, JSON that is JSON."""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import click
import numpy as np
import pytest
from click.testing import CliRunner

from cases.builder import GraphBuilder
from cases.graph import Graph, Op, Tensor
from cases.tflite.extras import OpExtras
from cases.tflite.write import write_tflite
from repro import check
from repro.cli import COMMANDS, main
from runner.errors import BadInput
from runner.installation import WITH_CONVERTER, converter_install
from tests.repro.display.schemas import require_junit


def add_bug() -> bytes:
    """y = x + z is an output and feeds MEAN: the two-op model of the first bug."""
    g = GraphBuilder()
    y = g.add(g.input("x", (1, 16, 8)), g.input("z", (1, 16, 8)), "y")
    return write_tflite(g.build([y, g.mean(y, [2], "m")]))


def healthy() -> bytes:
    g = GraphBuilder()
    y = g.sub(g.input("x", (1, 16, 8)), g.input("z", (1, 16, 8)), "y")
    return write_tflite(g.build([y, g.mean(y, [2], "m")]))


def custom_op() -> bytes:
    tensors = {"x": Tensor("x", (1, 4)), "y": Tensor("y", (1, 4))}
    op = Op("CUSTOM", ("x",), ("y",), raw=OpExtras(custom_code="TheirOp"))
    return write_tflite(Graph(tensors, (op,), ("x",), ("y",)))


def one_line(text: str) -> str:
    lines = [line for line in text.splitlines() if line.strip()]
    assert len(lines) == 1, text
    assert lines[0].startswith("repro: ")
    return lines[0]


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (["check", "no-such.tflite"], 2, "no such file"),
        (["run", "no-such-case"], 2, "no case 'no-such-case'"),
        (["run", "--family", "nix"], 2, "no family 'nix'; there are"),
        (["run", "fanout/add-to-2", "--target", "toaster"], 2, "toaster"),
        (["run", "fanout/add-to-2", "--target", "gpu:voodoo"], 3, "voodoo"),
        (["run", "--precision", "fp8"], 2, "'fp8' is not one of"),
        (["frobnicate"], 2, "No such command"),
        (["expect", "update", "no-such.jsonl"], 2, "no such file"),
    ],
)
def test_wrong_words_end_in_one_line_and_the_documented_code(repro, words, code, says):
    exit_code, out, err = repro(*words)
    assert (exit_code, out) == (code, "")
    assert says in one_line(err)


@pytest.mark.parametrize(
    ("data", "says"),
    [(b"", "empty file"), (b"just text", "not a .tflite"), (add_bug()[:300], "truncated or damaged")],
)
def test_a_file_that_is_no_model_ends_in_one_line(repro, tmp_path: Path, data: bytes, says: str):
    path = tmp_path / "m.tflite"
    path.write_bytes(data)
    code, _, err = repro("check", str(path))
    assert code == 2
    assert says in one_line(err)


@pytest.mark.parametrize(
    ("arrays", "says"),
    [
        ({"x": np.zeros((2, 2), np.float32), "z": np.zeros((1, 16, 8), np.float32)}, "shape (2, 2)"),
        ({"x": np.zeros((1, 16, 8), np.float32)}, "no array for input 1 'z'"),
        ({"x": np.zeros((1, 16, 8), complex), "z": np.zeros((1, 16, 8), np.float32)}, "complex128"),
    ],
)
def test_inputs_that_do_not_fit_end_in_one_line(repro, tmp_path: Path, arrays, says: str):
    (tmp_path / "m.tflite").write_bytes(add_bug())
    np.savez(tmp_path / "x.npz", **arrays)
    code, _, err = repro("check", str(tmp_path / "m.tflite"), "--inputs", str(tmp_path / "x.npz"))
    assert code == 2
    assert says in one_line(err)


def test_a_model_with_a_custom_op_is_refused_by_its_name(repro, tmp_path: Path):
    (tmp_path / "m.tflite").write_bytes(custom_op())
    code, out, err = repro("check", str(tmp_path / "m.tflite"), "--precision", "fp32")
    assert code == 1
    assert "does not know CUSTOM TheirOp" in out
    assert "REFUSED: " in out
    assert "unresolved custom op: TheirOp" in out
    assert "Traceback" not in err


@pytest.mark.gpu
def test_check_names_the_wrong_output_and_what_it_holds(repro, tmp_path: Path):
    (tmp_path / "m.tflite").write_bytes(add_bug())
    code, out, _ = repro("check", str(tmp_path / "m.tflite"), "--precision", "fp32", "--json")
    assert code == 1
    lines = [json.loads(line) for line in out.splitlines()]
    fields = {"case", "target", "adapter", "runtime", "precision", "output", "verdict", "signature", "pearson"}
    assert all(fields | {"max_abs", "expected"} <= set(line) for line in lines)
    assert [(line["output"], line["verdict"]) for line in lines] == [(0, "FAIL"), (1, "PASS")]
    assert "'x'" in lines[0]["holds"]


@pytest.mark.gpu
def test_check_of_a_healthy_model_is_clean(repro, tmp_path: Path):
    (tmp_path / "m.tflite").write_bytes(healthy())
    code, out, _ = repro("check", str(tmp_path / "m.tflite"))
    assert code == 0
    assert "FAIL" not in out


@pytest.mark.gpu
def test_run_is_as_expected_then_cached_and_writes_its_reports(repro, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("REPRO_CACHE", str(tmp_path / "cache"))
    cases = ["litert-8599-add-output-consumed", "litert-8599-add-output-consumed-x2"]
    junit, page = tmp_path / "r.xml", tmp_path / "r.html"
    code, out, err = repro("run", *cases, "--json", "--junit", str(junit), "--html", str(page))
    assert code == 0, err
    first = [json.loads(line) for line in out.splitlines()]
    assert {line["outcome"] for line in first if not line["case"].endswith("x2")} == {"passed", "known"}
    assert {line["outcome"] for line in first if line["case"].endswith("x2")} == {"passed"}
    require_junit(junit)
    root = ElementTree.parse(junit).getroot()
    assert sum(int(suite.get("tests")) for suite in root) == len(first)
    assert all(suite.get("failures") == "0" for suite in root)
    assert "litert-8599-add-output-consumed" in page.read_text(encoding="utf-8")
    code, out, _ = repro("run", *cases, "--json")
    assert code == 0
    second = [json.loads(line) for line in out.splitlines()]
    assert all(line["cached"] for line in second)
    assert [{**line, "cached": 0} for line in second] == [{**line, "cached": 0} for line in first]


def no_output() -> bytes:
    tensors = {"x": Tensor("x", (1, 4)), "y": Tensor("y", (1, 4))}
    return write_tflite(Graph(tensors, (Op("NEG", ("x",), ("y",)),), ("x",), ()))


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["lint"], "no model was given"),
        (["judge"], "no run was given"),
        (["judge", "empty"], "is empty, so nothing was judged"),
        (["expect", "update", "empty.jsonl"], "holds no results"),
        (["fuzz", "--seconds", "0"], "no graph is drawn in no time"),
        (["fuzz", "--graphs", "0"], "no graph is drawn in no time"),
        (["check", "no-output.tflite", "--target", "cpu"], "has no output"),
        (["check", "custom-op.tflite", "--target", "cpu"], "the cpu would be compared with itself"),
        (["matrix", "custom-op.tflite", "--target", "cpu"], "the cpu would be compared with itself"),
    ],
)
def test_what_had_nothing_to_check_does_not_pass(repro, tmp_path: Path, monkeypatch, words: list[str], says: str):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty.jsonl").touch()
    (tmp_path / "no-output.tflite").write_bytes(no_output())
    (tmp_path / "custom-op.tflite").write_bytes(custom_op())
    code, out, err = repro(*words)
    assert (code, out) == (3, "")
    assert says in one_line(err)


def groups(command: click.Command, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], click.Group]]:
    """Every group of the command line with the words that call it, the outermost first."""
    if isinstance(command, click.Group):
        yield path, command
        context = click.Context(command)
        for name in command.list_commands(context):
            yield from groups(command.get_command(context, name), (*path, name))


def test_every_group_without_a_subcommand_prints_its_whole_help(repro):
    found = dict(groups(main))
    assert len(found) > 3
    for path, group in found.items():
        _, help_text, _ = repro(*path, "--help")
        code, out, err = repro(*path)
        assert (code, out, err) == (2, "", help_text)
        lines = [line.split() for line in err.splitlines()]
        assert lines[0][0] == "Usage:"
        for name in group.list_commands(click.Context(group)):
            assert any(line[:1] == [name] for line in lines), (path, name)


def test_every_command_has_help(repro):
    for name in COMMANDS:
        code, out, _ = repro(name, "--help")
        assert code == 0
        assert "Usage:" in out


@pytest.mark.parametrize(
    "words",
    [
        ("check", "m.tflite", "--deadline", "nan"),
        ("check", "m.tflite", "--deadline=-1"),
        ("check", "m.tflite", "--deadline", "0"),
        ("fuzz", "--seconds", "nan"),
        ("detect", "p.jpg", "--threshold", "nan"),
    ],
    ids=" ".join,
)
def test_a_number_that_is_in_no_range_is_wrong_usage(repro, words):
    code, out, err = repro(*words)
    assert (code, out) == (2, "")
    assert "Invalid value for" in one_line(err)


def test_from_python_a_deadline_that_no_run_can_keep_is_bad_input():
    for deadline in (float("nan"), 0.0, -1.0):
        with pytest.raises(BadInput, match="give seconds above 0"):
            check(add_bug(), target="cpu", deadline=deadline)


@pytest.mark.parametrize("name", WITH_CONVERTER)
def test_a_command_that_needs_what_converts_says_so_in_one_line(repro, monkeypatch, name):
    @click.command()
    def needs_it() -> None:
        importlib.import_module(name)

    monkeypatch.setitem(sys.modules, name, None)  # as if it were not installed
    monkeypatch.setattr(main, "get_command", lambda ctx, word: needs_it)
    code, _, err = repro("detect")
    assert code == 3
    assert one_line(err) == f"repro: this needs {name}, which is not installed; install it: {converter_install()}"


def test_another_module_that_is_missing_is_a_fault_of_this_project(repro, monkeypatch):
    @click.command()
    def broken() -> None:
        importlib.import_module("runner.no_such_module")

    monkeypatch.setattr(main, "get_command", lambda ctx, word: broken)
    with pytest.raises(ModuleNotFoundError):
        repro("detect")


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        (["chek"], "Did you mean 'check'"),
        (["finding", "shwo"], "Did you mean 'show'"),
        (["finding", "show", "add-before-mx"], "did you mean 'add-before-max'"),
        (["check", "x.tflite", "--tapps"], "Did you mean '--taps'"),
    ],
)
def test_a_word_that_is_nearly_right_is_answered_with_the_right_one(words: list[str], meant: str):
    result = CliRunner().invoke(main, words)
    said = str(result.exception) + result.output
    assert meant in said
