"""The graphs and inputs of a layout, read and held against the names that the layout gives them."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from cases.builder import GraphBuilder
from cases.tflite.write import write_tflite
from repro.layouts.layout import GraphPart, Inputs
from repro.layouts.models import PartModel, feed_of, load_inputs, load_model, sized
from runner.errors import BadInput
from runner.run import Precision
from tests.repro.layouts import two_graphs
from tests.repro.layouts.gating import EXAMPLE, layout_of, replace_in, run_gate


def test_a_swapped_tensor_of_another_shape_is_a_clear_error(example, cpu):
    replace_in(example, "split.toml", 'outputs = ["features_x2", "summary"]', 'outputs = ["summary", "features_x2"]')
    with pytest.raises(BadInput, match=r"reads \[1, 64, 24\].*file's order"):
        run_gate(example, cpu)


def part(**changes: object) -> GraphPart:
    whole = GraphPart(
        name="encoder", file=EXAMPLE / "encoder.tflite", inputs=("x",), outputs=("features_x2", "summary")
    )
    return dataclasses.replace(whole, **changes)  # type: ignore[arg-type]


def loaded(one: GraphPart) -> PartModel:
    return load_model(EXAMPLE / "split.toml", one, None, Precision.FP16, {"factor": 3})


def test_a_file_is_read_with_its_bytes_and_checksum():
    model = loaded(part())
    assert model.data == (EXAMPLE / "encoder.tflite").read_bytes()
    assert model.graph.outputs == ("features_x2", "summary")
    assert len(model.sha256) == 64


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"outputs": ("features_x2",)}, r"has 2 outputs \(features_x2, summary\), the layout names 1 \(features_x2\)"),
        ({"inputs": ()}, r"has 1 inputs \(x\), the layout names 0 \(none\)"),
    ],
)
def test_as_many_tensors_as_the_file_has_must_be_named(changes: dict[str, object], says: str):
    with pytest.raises(BadInput, match=says):
        loaded(part(**changes))


def built(precision: str, factor: float, size: int | None = None) -> Path:
    """A builder of a layout: says by its name what it was called with."""
    return EXAMPLE / ("encoder.tflite" if (precision, factor, size) == ("fp16", 3, None) else "nowhere.tflite")


def test_a_builder_gets_precision_and_parameters_and_the_size_only_where_there_is_one():
    model = loaded(part(file=None, builder="tests.repro.layouts.test_models:built"))
    assert model.data == (EXAMPLE / "encoder.tflite").read_bytes()
    assert (sized(None), sized(640)) == ({}, {"size": 640})


def test_drawn_inputs_depend_on_seed_and_number_alone():
    layout = layout_of()
    sets = load_inputs(layout, None, [])
    assert [values["x"].shape for values in sets] == [(1, 64, 24)] * 2
    assert not np.array_equal(sets[0]["x"], sets[1]["x"])
    more = dataclasses.replace(layout, inputs=dataclasses.replace(layout.inputs, count=3))
    np.testing.assert_array_equal(load_inputs(more, None, [])[1]["x"], sets[1]["x"])
    other = dataclasses.replace(layout, inputs=dataclasses.replace(layout.inputs, seed=1))
    assert not np.array_equal(load_inputs(other, None, [])[0]["x"], sets[0]["x"])


def test_files_are_read_in_their_order_and_must_give_what_nobody_else_does(tmp_path: Path):
    x = np.ones((1, 64, 24), np.float32)
    np.savez(tmp_path / "a.npz", x=x)
    np.savez(tmp_path / "b.npz", x=2 * x, more=x)
    layout = layout_of()
    both = dataclasses.replace(layout, inputs=Inputs((tmp_path / "b.npz", tmp_path / "a.npz")))
    assert [values["x"][0, 0, 0] for values in load_inputs(both, None, [])] == [2.0, 1.0]
    np.savez(tmp_path / "a.npz", z=x)
    with pytest.raises(BadInput, match=r"a\.npz' gives no 'x' \(it has z\)"):
        load_inputs(both, None, [])


@pytest.mark.parametrize("content", [b"", b"text", b"PK\x03\x04 cut"])
def test_a_file_that_is_no_archive_is_one_line(tmp_path: Path, content: bytes):
    (tmp_path / "a.npz").write_bytes(content)
    layout = dataclasses.replace(layout_of(), inputs=Inputs((tmp_path / "a.npz",)))
    with pytest.raises(BadInput, match=r"is no \.npz .*or name a loader") as error:
        load_inputs(layout, None, [])
    assert "\n" not in str(error.value)


def test_one_array_without_a_name_is_no_input_set(tmp_path: Path):
    np.save(tmp_path / "a.npy", np.ones(3))
    layout = dataclasses.replace(layout_of(), inputs=Inputs((tmp_path / "a.npy",)))
    with pytest.raises(BadInput, match="one array without a name"):
        load_inputs(layout, None, [])


def test_a_feed_is_in_the_files_order_and_dtype():
    g = GraphBuilder()
    count = g.input("count", (2,), "int32")
    graph = g.build([g.unary("NEG", g.input("x", (3,)), "y"), g.unary("ABS", count, "z")])
    part = GraphPart(name="p", builder="module:function", inputs=("mine", "other"), outputs=("y", "z"))
    model = PartModel(part, write_tflite(graph), graph)
    feed = feed_of(model, {"other": np.arange(3.0), "mine": np.array([1.0, 2.0])}, EXAMPLE / "split.toml")
    assert [array.dtype.name for array in feed] == ["int32", "float32"]
    np.testing.assert_array_equal(feed[1], [0, 1, 2])


def test_a_shape_that_does_not_fit_names_both_tensors():
    model = loaded(part())
    with pytest.raises(BadInput, match=r"'x' has shape \[3\], but graph encoder reads \[1, 64, 24\] there \('x'\)"):
        feed_of(model, {"x": np.zeros(3)}, EXAMPLE / "split.toml")


def test_the_example_is_what_the_functions_write():
    assert loaded(part()).data == two_graphs.files()["encoder.tflite"]
