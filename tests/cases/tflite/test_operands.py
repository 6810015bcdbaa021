"""An op that lacks what its kind takes is refused where it is read, in one line that names it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from cases import catalogue
from cases.graph import Graph, GraphError, Op, Tensor
from cases.tflite.operands import FORMS, require_operands
from cases.tflite.read import read_tflite

ROOT = Path(__file__).parents[3]


def one_op(
    kind: str, inputs: Mapping[str, tuple[int, ...]], outputs: int = 1, absent: int = 0, **attrs: object
) -> Graph:
    """A graph of one op over runtime tensors of these shapes, the last `absent` operands left out."""
    tensors = {name: Tensor(name, shape) for name, shape in inputs.items()}
    made = tuple(f"y{i}" for i in range(outputs))
    tensors |= {name: Tensor(name, (1,)) for name in made}
    return Graph(tensors, (Op(kind, (*inputs, *("",) * absent), made, attrs),), tuple(inputs), made)


IMAGES = {"x": (1, 4, 4, 6), "w": (4, 1, 1, 3)}


@pytest.mark.parametrize(
    ("graph", "says"),
    [
        (one_op("ADD", {"x": (1,)}), "ADD has 1 operands, it takes at least 2"),
        (one_op("ADD", {"x": (1,)}, absent=1), "ADD has 1 operands"),
        (one_op("CONCATENATION", {"x": (1,)}, absent=1), "CONCATENATION lacks operand 1"),
        (one_op("ADD", {"x": (1,), "z": (1,)}, outputs=0), "ADD has 0 outputs"),
        (one_op("ADD", {"x": (1,), "z": (1,)}, outputs=2), "ADD has 2 outputs"),
        (one_op("FULLY_CONNECTED", {"x": (1, 3), "w": (3,)}), "reads 'w' of rank 1, it takes rank 2 there"),
        (one_op("CONV_2D", {**IMAGES, "w": (4, 1, 1, 4)}), "4 filters of depth 4 reads 6 channels"),
        (one_op("CONV_2D", {**IMAGES, "x": (1, 4, 4, 1 << 31), "w": (4, 1, 1, 1)}), "reads 2147483648 channels"),
        (one_op("CONV_2D", IMAGES, stride_h=-1), "has stride_h -1"),
        (one_op("PAD", {"x": (1, 4), "pads": (4,)}), "rank 1, it takes rank 2"),
    ],
)
def test_what_no_kernel_would_prepare_is_refused(graph: Graph, says: str):
    with pytest.raises(GraphError, match=says):
        require_operands(graph)


def test_optional_operands_may_be_left_out_and_groups_that_divide_are_taken():
    assert require_operands(one_op("CONV_2D", IMAGES, absent=1)).ops
    assert require_operands(one_op("SPLIT", {"axis": (1,), "x": (4,)}, outputs=2)).ops


def test_kinds_that_are_not_known_are_asked_nothing():
    assert require_operands(one_op("CALL_ONCE", {}, outputs=0)).ops
    assert "CALL_ONCE" not in FORMS


def test_no_graph_of_the_catalogue_and_no_model_of_a_finding_is_refused():
    for case in catalogue.select(()):
        if case.graph is not None:
            require_operands(case.graph())
    for path in sorted(ROOT.glob("findings/*/models/*.tflite")):
        read_tflite(path.read_bytes(), path.name)
