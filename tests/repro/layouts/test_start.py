"""A layout to start from: what passes between the graphs is guessed by name, then by shape, and every guess is said."""

from __future__ import annotations

import math
import random
import re
from pathlib import Path

import numpy as np
import pytest

from cases.builder import GraphBuilder
from cases.graph import Graph
from cases.tflite.write import write_tflite
from repro.layouts.layout import Layout
from repro.layouts.reader import read_layout
from repro.layouts.result import GateAnswer
from repro.layouts.start import Model, Start, plain_name, start
from tests.repro.layouts import two_graphs
from tests.repro.layouts.gating import run_gate


def one_op_each(inputs: dict[str, tuple[int, ...]], outputs: dict[str, str]) -> Graph:
    """A graph with one TANH per output. outputs: name -> the input that it is made of."""
    g = GraphBuilder()
    for name, shape in inputs.items():
        g.input(name, shape)
    return g.build([g.unary("TANH", of, name) for name, of in outputs.items()])


def written(folder: Path, graphs: dict[str, Graph], whole: Graph | None = None) -> Start:
    """The start of a layout and all files that it names."""
    made = start("split", [Model(n, f"{n}.tflite", g) for n, g in graphs.items()], "whole.tflite" * bool(whole))
    files = {f"{name}.tflite": write_tflite(graph) for name, graph in graphs.items()} | made.control_models
    if whole is not None:
        files["whole.tflite"] = write_tflite(whole)
    files |= {"split.toml": made.layout.encode(), "split_naive.toml": made.control.encode()}
    for name, data in files.items():
        (folder / name).write_bytes(data)
    return made


def started(folder: Path, graphs: dict[str, Graph]) -> Layout:
    written(folder, graphs)
    return read_layout(folder / "split.toml")


def test_the_start_of_the_worked_example_is_its_layout_and_passes_the_gate(tmp_path: Path, cpu):
    made = written(tmp_path, {"encoder": two_graphs.encoder(), "head": two_graphs.head()}, two_graphs.whole())
    report = run_gate(tmp_path, cpu)
    assert report.passed, report.refusals
    assert "# guess: 'features_x2' passes to 'features_x2', by name and shape [1, 64, 24]" in made.layout
    assert "# 'x' is an input: no graph before gives a float32 [1, 64, 24]" in made.layout


def test_the_control_is_the_graph_without_the_op_that_avoids_the_hazard(tmp_path: Path):
    layout = started(tmp_path, {"encoder": two_graphs.encoder(), "head": two_graphs.head()})
    assert layout.control.layout == tmp_path / "split_naive.toml"
    assert layout.control.fails == ("features",)
    naive = read_layout(tmp_path / "split_naive.toml")
    assert [part.outputs for part in naive.graphs] == [("features", "summary")]
    assert naive.control.control_of == tmp_path / "split.toml"


@pytest.mark.slow
@pytest.mark.gpu
def test_the_control_that_was_made_fails_on_the_delegate(tmp_path: Path, gpu):
    written(tmp_path, {"encoder": two_graphs.encoder(), "head": two_graphs.head()}, two_graphs.whole())
    report = run_gate(tmp_path, gpu)
    assert report.passed, report.refusals
    assert ("control", GateAnswer.PASS) in [(check.kind, check.answer) for check in report.checks]


def test_without_any_hazard_there_is_no_control_and_with_one_it_is_to_be_mended(tmp_path: Path):
    clean = one_op_each({"x": (1, 8)}, {"y": "x"})
    made = written(tmp_path, {"clean": clean})
    assert made.control == ""
    assert 'none = "the lint finds no hazard in any of the graphs"' in made.layout
    made = written(tmp_path, {"encoder": two_graphs.naive_encoder(), "head": two_graphs.naive_head()})
    assert "# The lint finds the hazard add-reduce at 'features' of encoder." in made.layout
    assert "repro fix encoder.tflite" in made.layout


def test_a_converter_calls_every_graphs_first_input_the_same_and_the_shape_decides(tmp_path: Path):
    first = one_op_each({"serving_default_args_0:0": (1, 8)}, {"StatefulPartitionedCall:0": "serving_default_args_0:0"})
    layout = started(tmp_path, {"first": first, "second": first})
    assert [(part.inputs, part.outputs) for part in layout.graphs] == [
        (("serving_default_args_0",), ("StatefulPartitionedCall",)),
        (("StatefulPartitionedCall",), ("second_StatefulPartitionedCall",)),
    ]
    assert list(layout.inputs.shapes) == ["serving_default_args_0"]


def test_of_two_tensors_of_one_shape_the_more_alike_name_is_guessed_and_the_other_is_said(tmp_path: Path):
    first = one_op_each({"x": (1, 8)}, {"keys": "x", "values": "x"})
    second = one_op_each({"value": (1, 8), "key": (1, 8)}, {"out": "value", "more": "key"})
    layout = started(tmp_path, {"first": first, "second": second})
    assert layout.graphs[1].inputs == ("values", "keys")
    text = (tmp_path / "split.toml").read_text(encoding="utf-8")
    assert "# guess: 'values' passes to 'value', by shape [1, 8]; of that shape too: 'keys'" in text


@pytest.mark.parametrize("readers", [("args_0", "args_1"), ("in1", "in2"), ("q", "r")])
def test_where_no_name_hints_tensors_of_one_shape_pass_in_the_order_of_the_files(tmp_path: Path, readers):
    first = one_op_each({"x": (1, 8)}, {"keys": "x", "values": "x"})
    one, other = readers
    second = one_op_each({one: (1, 8), other: (1, 8)}, {"out": one, "more": other})
    third = one_op_each({"args_0": (1, 8), "args_1": (1, 8)}, {"end": "args_0", "rest": "args_1"})
    layout = started(tmp_path, {"first": first, "second": second, "third": third})
    assert [part.inputs for part in layout.graphs[1:]] == [("keys", "values"), ("out", "more")]


def test_a_graph_that_reads_nothing_of_the_others_is_named(tmp_path: Path):
    first, other = one_op_each({"x": (1, 8)}, {"y": "x"}), one_op_each({"z": (1, 5)}, {"end": "z"})
    assert written(tmp_path, {"first": first, "other": other, "last": first}).apart == ("other",)
    assert written(tmp_path, {"first": first, "last": first}).apart == ()


def test_an_input_that_two_graphs_read_is_drawn_once(tmp_path: Path):
    g = GraphBuilder()
    image = g.input("image", (1, 4, 4, 3))
    pooled = g.build([g.mean(image, axes=[1, 2], name="pooled")])
    both = one_op_each({"image": (1, 4, 4, 3), "mask": (1, 7)}, {"y": "image", "z": "mask"})
    layout = started(tmp_path, {"first": pooled, "second": both})
    assert layout.graphs[1].inputs == ("image", "mask")
    assert set(layout.inputs.shapes) == {"image", "mask"}


def test_a_tensor_of_the_shape_is_guessed_before_an_input_of_the_name_and_both_are_said(tmp_path: Path):
    first = one_op_each({"image": (1, 4, 4, 3)}, {"features": "image"})
    second = one_op_each({"image": (1, 4, 4, 3)}, {"y": "image"})
    assert started(tmp_path, {"first": first, "second": second}).graphs[1].inputs == ("features",)
    text = (tmp_path / "split.toml").read_text(encoding="utf-8")
    assert "# guess: 'features' passes to 'image', by shape [1, 4, 4, 3]; of that shape too: 'image'" in text


@pytest.mark.parametrize("seed", range(12))
def test_any_chain_of_graphs_becomes_a_layout_that_is_read_with_every_tensor_in_its_place(tmp_path: Path, seed: int):
    """Each passed tensor has a shape of its own, so that one wiring alone is right, whatever the names are."""
    draw = random.Random(seed)
    words = ["x", "y:0", "a/b/c", "serving_default_args_0:0", "é è", "1", "out put", 'quo"te', "naive"]
    made_by: dict[tuple[int, ...], tuple[int, int]] = {}
    graphs: dict[str, Graph] = {}
    expected: list[list[tuple[int, int] | None]] = []
    for number in range(draw.randint(1, 4)):
        shapes = [*draw.sample(list(made_by), draw.randint(0, min(2, len(made_by)))), (1, 2, 50 + number)]
        names = draw.sample(words, len(shapes))
        outputs = {}
        for i in range(draw.randint(1, 3)):
            outputs[f"{draw.choice(words)}#{i}"] = draw.choice(names)
        g = GraphBuilder()
        for name, shape in zip(names, shapes, strict=True):
            g.input(name, shape)
        kept = []
        for i, (name, of) in enumerate(outputs.items()):
            shape = (1, 100 * (number + 1) + i)
            wide = g.reshape(g.unary("TANH", of), (1, -1))
            size = math.prod(shapes[names.index(of)])
            kept.append(g.fully_connected(wide, np.ones((shape[1], size), np.float32), name=name))
            made_by[shape] = (number, i)
        expected.append([made_by[s] if len(s) == 2 else None for s in shapes])
        graphs[f"graph{number}"] = g.build(kept)
    layout = started(tmp_path, graphs)
    parts = sorted(layout.graphs, key=lambda part: part.name)
    places = {name: (n, i) for n, part in enumerate(parts) for i, name in enumerate(part.outputs)}
    assert [[places.get(name) for name in part.inputs] for part in parts] == expected


@pytest.mark.parametrize(
    ("tensor", "plain"),
    [("a/b:0", "b"), ("x", "x"), ("é", "tensor"), ('q w"e', "q_w_e"), ("", "tensor"), ("a/", "tensor")],
)
def test_a_plain_name_is_letters_digits_and_underscores(tensor: str, plain: str):
    assert plain_name(tensor) == plain
    assert re.fullmatch(r"\w+", plain_name(tensor), flags=re.ASCII)
