"""The importable face: complete, free to import, the commands' own functions, silent, and right."""

from __future__ import annotations

import dataclasses
import functools
import html
import importlib
import inspect
import re
import subprocess
import sys
import types
import typing
from pathlib import Path

import numpy as np
import pytest

import repro
from cases.findings.add_output_feeds_reduction import add_reduce
from cases.tflite.write import write_tflite
from repro import api
from repro.cli import COMMANDS
from runner.source_version import ROOT

LOST = write_tflite(add_reduce())
RIGHT = write_tflite(add_reduce(first="SUB"))

# Verbs of the command line that are no function, each with its reason.
COMMANDS_ONLY = {
    "range": "the function is `find_ranges`: `range` is Python's own",
    "doctor": "looks at this machine, for people",
    "init": "writes folders of a project, for people",
    "device": "sets up a phone",
    "bundle": "writes an archive for a device elsewhere",
    "ingest": "a campaign over what such a device sent back",
    "suite": "becomes pytest",
    "docs": "prints pages, for people",
    "prepare": "fills the cache",
    "list": "is cases.catalogue.catalogue()",
    "run": "a campaign over the catalogue, with journal and expectations",
    "expect": "rewrites files of this project",
    "matrix": "a campaign over runtimes, with a journal",
    "restart": "a campaign over caches on disk, with a journal",
    "fuzz": "a campaign of hours, with a corpus",
    "finding": "works on folders of this project",
    "report": "writes a folder for an upstream issue",
    "compare": "compares the files of two runs, for people",
    "scheduler": "serves the workers of other machines until it is stopped",
    "worker": "serves the commands of other machines until it is stopped",
    "merge": "puts the files of one run's shards together, for people",
    "history": "reads the files of many runs, for people",
    "detect": "draws a picture of the shipped detector",
}


def test_every_name_that_is_promised_is_there_and_no_other():
    assert sorted(repro.__all__) == repro.__all__ == dir(repro)
    for name in repro.__all__:
        assert getattr(repro, name) is getattr(importlib.import_module(repro._HOME_OF[name]), name)
    assert set(repro._HOME_OF) == set(repro.__all__)
    with pytest.raises(AttributeError, match="no attribute 'chekc'"):
        _ = repro.chekc  # type: ignore[attr-defined]


def test_the_names_that_a_type_checker_sees_are_the_names_that_are_there():
    block = Path(repro.__file__).read_text(encoding="utf-8").split("if TYPE_CHECKING:\n")[1].split("\n\n")[0]
    seen = {name.strip() for line in block.splitlines() for name in line.split(" import ")[1].split(",")}
    assert seen == set(repro.__all__)


@pytest.mark.parametrize("name", repro.__all__)
def test_what_is_exported_is_documented(name: str):
    """A class with all that is public in it, a function with each of its parameters."""
    exported = getattr(repro, name)
    assert exported.__doc__
    if inspect.isclass(exported):
        kinds = (property, functools.cached_property, types.FunctionType)
        public = {k: v for k, v in vars(exported).items() if not k.startswith("_") and isinstance(v, kinds)}
        assert [k for k, v in public.items() if not v.__doc__] == []
    else:
        words = set(re.findall(r"\w+", exported.__doc__))
        assert set(inspect.signature(exported).parameters) - words == set()


def test_every_verb_of_the_command_line_is_a_function_or_has_a_reason():
    verbs = {name for name in repro.__all__ if name in COMMANDS}
    assert verbs | set(COMMANDS_ONLY) == set(COMMANDS)
    assert not verbs & set(COMMANDS_ONLY)
    assert set(api.__all__) <= set(repro.__all__)


def test_every_type_that_a_function_gives_back_is_exported():
    for name in api.__all__:
        if name in ("assert_right", "open_target"):
            continue
        given = typing.get_type_hints(getattr(repro, name))["return"]
        named = {word for word in re.findall(r"\w+", str(given)) if word[0].isupper()}
        assert named <= set(repro.__all__), (name, named)


def test_importing_it_loads_nothing():
    code = "import sys, repro; print([m for m in ('numpy', 'click', 'rich', 'runner.run') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, encoding="utf-8", check=True)
    assert done.stdout.strip() == "[]"


def test_no_part_of_it_needs_torch():
    code = "import sys; sys.modules['torch'] = None; import repro; [getattr(repro, n) for n in repro.__all__]"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)


@pytest.mark.parametrize("model", [RIGHT, add_reduce(first="SUB")], ids=["bytes", "graph"])
def test_a_check_takes_bytes_and_graphs_and_says_what_the_command_says(model, capfd: pytest.CaptureFixture[str]):
    checked = repro.check(model, target="cpu", precision="fp32")
    assert checked.passed
    assert repr(checked).startswith("<Checked ")
    assert "\n" not in repr(checked)
    assert "output 0 'y' PASS an error of " in str(checked)
    assert capfd.readouterr() == ("", "")


def test_everything_that_is_handed_out_is_short_when_it_is_looked_at():
    with repro.open_target("cpu") as cpu:
        checked = repro.check(LOST, target=cpu, cpu=cpu)
    subject = checked.subject
    shown = [checked, subject, subject.graph, checked.run, subject.job(repro.Precision.FP32), repro.lint(LOST)]
    assert [repr(one) for one in shown] == [
        "<Checked model on cpu fp32: PASS, PASS>",
        f"<Subject model: {len(LOST)} bytes, inputs gaussian, seed 0>",
        "<Graph of 2 ops: x, z -> y, reduced>",
        "<Run model on cpu fp32: OK>",
        f"<Job model in fp32: {len(LOST)} bytes, 4 feeds>",
        "<Linted model: 1 hazard, 0 risks>",
    ]
    assert len(repr(repro.judge(checked.run, subject)[0])) < 400


def test_an_open_target_stays_open():
    with repro.open_target("cpu") as cpu:
        first = repro.check(RIGHT, target=cpu, cpu=cpu)
        again = repro.check(first.subject, target=cpu, cpu=cpu, precision="fp16")
    assert first.passed
    assert again.run.fingerprint.precision == "fp32", "a cpu target computes fp32 only"


def test_inputs_are_arrays_by_name_or_in_order_and_an_npz(tmp_path: Path):
    graph = add_reduce(first="SUB")
    arrays = [np.full(graph.tensors[n].shape, i, np.float32) for i, n in enumerate(graph.inputs)]
    np.savez(tmp_path / "inputs.npz", **dict(zip(graph.inputs, arrays, strict=True)))
    ways = (arrays, dict(zip(graph.inputs, arrays, strict=True)), tmp_path / "inputs.npz", str(tmp_path / "inputs.npz"))
    with repro.open_target("cpu") as cpu:
        fed = [repro.check(graph, target=cpu, cpu=cpu, inputs=way).subject.feeds for way in ways]
    for feeds in fed:
        np.testing.assert_array_equal(feeds[0], arrays)
        np.testing.assert_array_equal(feeds[1], fed[0][1])


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: repro.check("nowhere.tflite"), "no such file"),
        (lambda: repro.check(b"not a model", target="cpu"), "model"),
        (lambda: repro.check(RIGHT, target="gpq"), "did you mean"),
        (lambda: repro.check(RIGHT, target="cpu", precision="both"), "call once for each"),
        (lambda: repro.check(RIGHT, target="cpu", inputs=[np.zeros(3, np.float32)]), "wants"),
        (lambda: repro.lint(b""), "model"),
        (lambda: repro.gate("nowhere.toml", target="cpu"), "nowhere.toml"),
        (lambda: repro.reduce(RIGHT, target="cpu"), "no output fails"),
    ],
)
def test_what_goes_wrong_is_one_line(call, says: str, capfd: pytest.CaptureFixture[str]):
    with pytest.raises(repro.BadInput, match=says) as error:
        call()
    assert "\n" not in str(error.value)
    assert capfd.readouterr() == ("", "")


def test_a_notebook_shows_a_strangers_name_as_text():
    name = "<script>alert(1)</script>"
    checked = repro.check(add_reduce(first="SUB"), target="cpu")
    verdict = repro.Verdict(0, name, repro.Status.FAIL, "wrong", "why", "input 0 '<b>'")
    shown = dataclasses.replace(checked, verdicts=(verdict,))._repr_html_()
    assert "<script>" not in shown
    assert html.escape(name) in shown


def test_a_healthy_model_has_nothing_to_mend():
    fixed = repro.fix(RIGHT, target="cpu")
    assert fixed.proof is None
    assert fixed.model == RIGHT
    assert str(fixed) == "model: no known hazard; nothing to mend"


@pytest.mark.gpu
def test_the_verbs_on_a_model_that_is_lost(tmp_path: Path):
    with pytest.raises(AssertionError, match="FAIL alias"):
        repro.assert_right(LOST, target="gpu")
    repro.assert_right(RIGHT, target="gpu")
    fixed = repro.fix(LOST, target="gpu", precision="fp32")
    assert [hazard.rule for hazard, _ in fixed.mended.done] == ["add-reduce"]
    small = repro.reduce(LOST, target="gpu", out=tmp_path, max_runs=60)
    assert str(small).startswith(f"{len(small.graph.ops)} ops after ")
    assert (tmp_path / "reduced.tflite").read_bytes() == small.model
    with pytest.raises(repro.ReproError, match="not proven") as refused:
        repro.fix(LOST, target="cpu")
    assert isinstance(refused.value, repro.NotProven)
    assert "the original passes" in str(refused.value.fixed)
