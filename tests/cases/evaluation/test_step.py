"""What a handler gets to know of its op."""

from __future__ import annotations

import numpy as np
import pytest

from cases.evaluation.arithmetic import FLOAT64
from cases.evaluation.step import Step
from tests.cases.evaluation.single_op import one_op


def step(*operands: object) -> Step:
    graph = one_op("CONV_2D", operands, [(1, 4)], "float16", {"padding": "SAME"})
    values = {name: np.asarray(operands[int(name.removeprefix("in"))]) for name in graph.ops[0].inputs if name}
    return Step(graph.ops[0], graph, values, FLOAT64)


def test_an_operand_is_there_absent_or_beyond_the_last():
    bias = np.ones(4)
    assert step(np.zeros(4), np.zeros(4), bias).optional(2) is bias
    assert step(np.zeros(4), np.zeros(4), None).optional(2) is None
    assert step(np.zeros(4), np.zeros(4)).optional(2) is None
    with pytest.raises(KeyError):
        step(np.zeros(4), None)[1]


def test_parameters_are_flat_whole_numbers():
    assert step(np.zeros(4), np.array([[1, 2], [3, 4]], np.int32)).ints(1) == [1, 2, 3, 4]
    assert step(np.zeros(4), np.array(3, np.int32)).ints(1) == [3]


def test_shape_and_dtype_are_those_that_the_graph_declares():
    assert step(np.zeros(4)).shape() == (1, 4)
    assert step(np.zeros(4)).dtype() == "float16"
    assert step(np.zeros(4)).attrs["padding"] == "SAME"
