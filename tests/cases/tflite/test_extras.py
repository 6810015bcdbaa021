"""What a file carries beside its graph is there again after a rewrite."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from hypothesis import given
from hypothesis import strategies as st

from cases.builder import GraphBuilder
from cases.graph import Graph, Op, Tensor
from cases.tflite.extras import FileExtras, OpExtras, TensorExtras
from cases.tflite.read import read_tflite
from cases.tflite.write import write_tflite


def small() -> Graph:
    g = GraphBuilder()
    x = g.input("x", (1, 8, 4))
    return g.build([g.add(x, g.const(1.0), "y")])


def test_an_op_that_the_language_does_not_know_is_carried_along():
    graph = small()
    foreign = Op("CUSTOM", ("y",), ("z",), raw=OpExtras(custom_code="TheirOp", custom_options=b"\x01\x02\x03"))
    tensors = dict(graph.tensors)
    tensors["z"] = Tensor("z", (1, 8, 4))
    wide = Graph(tensors, (*graph.ops, foreign), graph.inputs, ("z",)).validate()
    back = read_tflite(write_tflite(wide))
    assert back.ops[-1].kind == "CUSTOM"
    assert back.ops[-1].raw.custom_code == "TheirOp"
    assert back.ops[-1].raw.custom_options == b"\x01\x02\x03"


words = st.text(st.characters(min_codepoint=32, max_codepoint=0x2FFF), min_size=1, max_size=12)


@given(key=words, names=st.tuples(words, words), description=words, metadata=st.binary(min_size=1, max_size=40))
def test_signature_description_and_metadata_survive(
    key: str, names: tuple[str, str], description: str, metadata: bytes
):
    extras = FileExtras(key, (("x", names[0]),), (("y", names[1]),), description, (("TheirData", metadata),))
    back = read_tflite(write_tflite(replace(small(), extras=extras))).extras
    assert (back.signature_key, back.input_names, back.output_names) == (key, (("x", names[0]),), (("y", names[1]),))
    assert back.description == description
    assert dict(back.metadata)["TheirData"] == metadata


def test_a_second_rewrite_changes_nothing():
    extras = FileExtras("serve", (("x", "image"),), (("y", "scores"),), "mine", (("a", b"1"), ("b", b"22")))
    data = write_tflite(replace(small(), extras=extras))
    assert write_tflite(read_tflite(data)) == data


def test_a_variable_tensor_and_one_of_open_shape_stay_so():
    graph = small()
    kept = TensorExtras(is_variable=True, shape_signature=(-1, 8, 4))
    tensors = {**graph.tensors, "x": replace(graph.tensors["x"], raw=kept)}
    back = read_tflite(write_tflite(replace(graph, tensors=tensors)))
    assert back.tensors["x"].raw.is_variable
    assert tuple(back.tensors["x"].raw.shape_signature) == (-1, 8, 4)


def test_the_version_of_an_op_stays_what_the_file_said():
    graph = small()
    newer = Graph(
        graph.tensors, (Op("ADD", graph.ops[0].inputs, ("y",), {}, OpExtras(version=5)),), graph.inputs, graph.outputs
    )
    assert read_tflite(write_tflite(newer)).ops[0].raw.version == 5


@pytest.mark.parametrize("held", [True, False])
def test_a_constant_without_elements_has_bytes_or_none_as_it_was_read(held: bool):
    raw = TensorExtras(has_empty_data=True) if held else None
    tensors = {
        "x": Tensor("x", (1, 1)),
        "y": Tensor("y", ()),
        "s": Tensor("s", (0,), "int32", np.zeros(0, np.int32), raw),
    }
    data = write_tflite(Graph(tensors, (Op("RESHAPE", ("x", "s"), ("y",)),), ("x",), ("y",)))
    back = read_tflite(data)
    assert back.tensors["s"].data is not None
    assert getattr(back.tensors["s"].raw, "has_empty_data", False) is held
    assert write_tflite(back) == data
    buffers = [schema.Model.GetRootAs(data, 0).Buffers(place) for place in (0, 1)]
    assert [buffer.DataIsNone() for buffer in buffers] == [True, not held]
