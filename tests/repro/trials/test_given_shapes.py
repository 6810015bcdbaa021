"""A shape that a file leaves open is that of the array that is given, without another word."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from cases.builder import GraphBuilder
from cases.graph import Graph
from cases.tflite.extras import TensorExtras
from cases.tflite.write import write_tflite
from repro import api
from repro.trials.given_feeds import AnyInputs
from repro.trials.given_inputs import GivenInputs
from repro.trials.given_shapes import read_as_given
from repro.trials.load import load_subject
from repro.trials.part import Part
from runner.errors import BadInput

WIDE = np.ones((1, 7, 5, 3), np.float32)


def open_graph() -> Graph:
    """TANH of images whose height and width are left open, and of a vector that is not."""
    g = GraphBuilder()
    graph = g.build([g.unary("TANH", g.input("x", (1, 1, 1, 3))), g.unary("NEG", g.input("z", (4,)))])
    left_open = replace(graph.tensors["x"], raw=TensorExtras(shape_signature=(1, -1, -1, 3)))
    return replace(graph, tensors={**graph.tensors, "x": left_open})


MODEL = write_tflite(open_graph())


def shape_of(inputs: AnyInputs | None, part: Part | None = None) -> tuple[int, ...]:
    return read_as_given(part or Part(), MODEL, "model", inputs)[1].tensors["x"].shape


def saved(folder: Path, **arrays: np.ndarray) -> Path:
    path = folder / "given.npz"
    np.savez(path, **arrays)
    return path


FORMS: Mapping[str, Callable[[Path], AnyInputs]] = {
    "a file": lambda folder: saved(folder, x=WIDE, z=np.ones(4, np.float32)),
    "files": lambda folder: [str(saved(folder, x=WIDE, z=np.ones(4, np.float32)))],
    "by place": lambda folder: saved(folder, arr_0=WIDE, arr_1=np.ones(4, np.float32)),
    "arrays by name": lambda folder: {"x": WIDE},
    "arrays in order": lambda folder: [WIDE],
    "an option": lambda folder: GivenInputs((saved(folder, x=WIDE),)),
    "words": lambda folder: GivenInputs(words=(f"x={saved(folder, x=WIDE)}", "z=uniform:0,1")),
}


@pytest.mark.parametrize("form", FORMS)
def test_an_array_says_the_shape_in_every_form_in_which_it_is_given(form: str, tmp_path: Path):
    assert shape_of(FORMS[form](tmp_path)) == WIDE.shape


def test_what_is_not_given_or_chosen_otherwise_stays():
    assert shape_of(None) == (1, 1, 1, 3)
    assert shape_of({"x": "uniform:0,1"}) == (1, 1, 1, 3)
    assert shape_of({"x": WIDE}, Part(shapes={"x": (1, 2, 2, 3)})) == (1, 2, 2, 3)


def test_what_the_file_does_not_leave_open_is_refused_in_one_line(tmp_path: Path):
    model = tmp_path / "model.tflite"
    model.write_bytes(MODEL)
    wrong = saved(tmp_path, x=np.ones((1, 7, 5, 4), np.float32), z=np.ones(4, np.float32))
    with pytest.raises(BadInput, match=r"'x' has shape \(1, 7, 5, 4\), input 'x' wants"):
        load_subject(model, wrong)
    longer = saved(tmp_path, x=WIDE, z=np.ones(5, np.float32))
    with pytest.raises(BadInput, match=r"'z' has shape \(5,\), input 'z' wants \(4,\)"):
        load_subject(model, longer)


def test_a_check_runs_at_the_shape_of_its_inputs():
    report = Path(__file__).resolve().parents[2] / "reports" / "models" / "tf_62565_dynamic.tflite"
    checked = api.check(report, target="cpu", inputs=[WIDE])
    assert checked.passed
    assert checked.run.outputs[0][0].shape[1:3] != (1, 1)
