"""Shapes that follow from those of the inputs are the ones that TFLite computes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter

from cases.builder import GraphBuilder
from cases.evaluation.evaluate import evaluate
from cases.evaluation.resized import with_input_shapes
from cases.graph import Graph, GraphError, Op, Tensor
from cases.tflite.extras import TensorExtras
from cases.tflite.write import write_tflite
from tests.cases.tflite.signatures import plain, with_composite


def opened(graph: Graph) -> Graph:
    """The graph with every extent of its inputs left open."""
    tensors = dict(graph.tensors)
    for name in graph.inputs:
        kept = TensorExtras(shape_signature=(-1,) * len(tensors[name].shape))
        tensors[name] = replace(tensors[name], raw=kept)
    return replace(graph, tensors=tensors)


def by_tflite(graph: Graph, feed: np.ndarray) -> list[np.ndarray]:
    interpreter = Interpreter(model_content=write_tflite(graph))
    interpreter.resize_tensor_input(interpreter.get_input_details()[0]["index"], feed.shape)
    interpreter.allocate_tensors()
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], feed)
    interpreter.invoke()
    return [interpreter.get_tensor(detail["index"]) for detail in interpreter.get_output_details()]


def images() -> Graph:
    g = GraphBuilder()
    x = g.input("x", (1, 4, 4, 3))
    rng = np.random.default_rng(0)
    y = g.conv2d(x, rng.normal(size=(8, 3, 3, 3)), name="y")
    pooled = g.pool("MAX_POOL_2D", y, 2, 2, name="pooled")
    return opened(g.build([g.mean(pooled, [1, 2], name="mean"), pooled]))


def flattened_by_its_shape() -> Graph:
    """reshape(x, [shape(x)[0], -1]), with the shape computed at run time."""
    number = lambda name, *values: Tensor(name, (len(values),), "int32", np.array(values, np.int32))  # noqa: E731
    tensors = {
        "x": Tensor("x", (1, 2, 3), raw=TensorExtras(shape_signature=(-1, -1, 3))),
        "shape": Tensor("shape", (3,), "int32"),
        "batch": Tensor("batch", (1,), "int32"),
        "rest": number("rest", -1),
        "to": Tensor("to", (2,), "int32"),
        "y": Tensor("y", (1, 6)),
        **{name: number(name, value) for name, value in (("zero", 0), ("one", 1))},
    }
    ops = (
        Op("SHAPE", ("x",), ("shape",), {"out_type": 2}),
        Op("SLICE", ("shape", "zero", "one"), ("batch",)),
        Op("CONCATENATION", ("batch", "rest"), ("to",)),
        Op("RESHAPE", ("x", "to"), ("y",)),
    )
    return Graph(tensors, ops, ("x",), ("y",)).validate()


@pytest.mark.parametrize(
    ("graph", "shape"), [(images(), (2, 10, 6, 3)), (flattened_by_its_shape(), (4, 5, 3))], ids=["images", "SHAPE"]
)
def test_every_shape_is_the_one_that_tflite_computes(graph: Graph, shape: tuple[int, ...]):
    feed = np.random.default_rng(1).normal(size=shape).astype(np.float32)
    wanted = by_tflite(graph, feed)
    resized = with_input_shapes(graph, {"x": shape})
    assert [resized.tensors[name].shape for name in graph.outputs] == [array.shape for array in wanted]


def test_what_is_resized_computes_as_tflite_does():
    feed = np.random.default_rng(1).normal(size=(2, 10, 6, 3)).astype(np.float32)
    values = evaluate(with_input_shapes(images(), {"x": feed.shape}), (feed,))
    for name, wanted in zip(images().outputs, by_tflite(images(), feed), strict=True):
        np.testing.assert_allclose(values[name], wanted, atol=1e-4)


def test_the_body_of_a_composite_is_resized_with_it():
    resized = with_input_shapes(with_composite(plain("NEG")), {"x": (1, 7)})
    assert resized.tensors["z"].shape == (1, 7)
    np.testing.assert_array_equal(evaluate(resized, (np.ones((1, 7), np.float32),))["z"], np.zeros((1, 7)))


def test_shapes_that_do_not_fit_name_the_op():
    g = GraphBuilder()
    x = g.input("x", (1, 4))
    graph = opened(g.build([g.reshape(x, (2, 2), name="y")]))
    with pytest.raises(GraphError, match="the shape of what RESHAPE writes cannot be told"):
        with_input_shapes(graph, {"x": (1, 5)})
