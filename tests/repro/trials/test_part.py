"""Which graph of a file is meant: a signature, and shapes that the file leaves open."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from cases.tflite.extras import FileExtras, TensorExtras
from cases.tflite.read import read_signatures, read_tflite
from cases.tflite.schema import schema
from cases.tflite.write import write_tflite
from repro import api
from repro.trials.load import load_subject, signatures_of
from repro.trials.part import WHOLE, Part
from repro.verdicts.verdict import Status
from runner.errors import BadInput
from tests.cases.tflite.signatures import plain, signed

TWO = signed([("prefill", plain("ABS")), ("decode", plain("NEG", (1, 8)))])


def opened(*signature: int) -> bytes:
    """tanh of x [1, 4], whose signature is given, and calls x `image`."""
    graph = plain("TANH")
    tensors = {name: replace(t, raw=TensorExtras(shape_signature=signature)) for name, t in graph.tensors.items()}
    return write_tflite(replace(graph, tensors=tensors, extras=FileExtras(input_names=(("x", "image"),))))


def test_a_file_of_one_signature_runs_as_it_is():
    model = write_tflite(plain("ABS"))
    data, graph = WHOLE.read(model, "m")
    assert data is model
    assert Part.label(graph) == ""


def test_a_signature_of_several_is_written_by_itself():
    data, graph = Part("decode").read(TWO, "m")
    assert read_signatures(data) == ("decode",)
    assert [op.kind for op in graph.ops] == ["NEG"]
    assert Part.label(graph) == " signature 'decode'"
    assert [op.kind for op in WHOLE.read(TWO, "m")[1].ops] == ["ABS"]


@pytest.mark.parametrize("name", ["x", "image"])
def test_an_open_extent_takes_a_size_by_either_name_of_the_input(name: str):
    model = opened(-1, 4)
    data, graph = Part(shapes={name: (3, 4)}).read(model, "m")
    assert data is model  # whoever runs it gives it the shape
    assert graph.tensors["y"].shape == (3, 4)
    assert WHOLE.read(model, "m")[1].tensors["y"].shape == (1, 4)


def test_a_file_whose_input_has_no_rank_is_written_with_the_shape_that_is_given():
    """LiteRT takes what such a file declares as it stands; older converters write none."""
    model = bytearray(opened(-1, 4))
    table = schema.Model.GetRootAs(model, 0).Subgraphs(0).Tensors(0)
    place = table._tab.Pos + table._tab.Offset(20)  # `has_rank`, the ninth field
    assert model[place] == 1
    model[place] = 0
    data, _ = Part(shapes={"x": (3, 4)}).read(bytes(model), "m")
    assert read_tflite(data).tensors["x"].shape == (3, 4)
    assert WHOLE.read(bytes(model), "m")[0] == model
    checked = api.check(bytes(model), target="cpu", shapes={"x": (3, 4)})
    assert [(v.status, run[0].shape) for v, run in zip(checked.verdicts, checked.run.outputs, strict=False)] == [
        (Status.PASS, (3, 4))
    ]


@pytest.mark.parametrize(
    ("shapes", "says"),
    [
        ({"x": (3, 5)}, r"input 'x' is \[-1, 4\] \(-1: open\), which \[3, 5\] does not fit"),
        ({"x": (4,)}, "does not fit"),
        ({"z": (3, 4)}, "has no input 'z'; it has 'x'"),
    ],
)
def test_a_shape_that_is_not_open_is_refused_in_one_line(shapes: dict[str, tuple[int, ...]], says: str):
    with pytest.raises(BadInput, match=says):
        Part(shapes=shapes).read(opened(-1, 4), "m")


def test_a_subject_is_called_by_its_signature(tmp_path: Path):
    path = tmp_path / "two.tflite"
    path.write_bytes(TWO)
    assert signatures_of(path) == ("prefill", "decode")
    subject = load_subject(path, part=Part("decode"))
    assert subject.name == "two.tflite signature 'decode'"
    assert subject.feeds[0][0].shape == (1, 8)


@pytest.mark.slow
@pytest.mark.gpu
def test_a_signature_and_an_open_shape_are_right_on_the_gpu():
    for checked in (
        api.check(TWO, signature="decode"),
        api.check(opened(-1, 4), shapes={"x": (3, 4)}),
        api.check(opened(-1, 4)),
    ):
        assert [v.status for v in checked.verdicts] == [Status.PASS]
    assert checked.run.outputs[0][0].shape == (1, 4)
