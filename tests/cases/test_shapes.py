"""Shape inference: whatever does not fit is a GraphError, and whatever has shapes can be computed to just those."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cases.evaluation.evaluate import evaluate, unsupported
from cases.graph import Graph, GraphError, Op, Tensor
from cases.shapes import ELEMENTWISE, REDUCTIONS, UNARY, axis_of, output_shapes, window

KINDS = (
    "ADD", "MEAN", "FULLY_CONNECTED", "CONV_2D", "DEPTHWISE_CONV_2D", "AVERAGE_POOL_2D", "BATCH_MATMUL", "PAD",
    "RESHAPE", "TRANSPOSE", "SLICE", "STRIDED_SLICE", "SPLIT", "CONCATENATION", "SOFTMAX", "SELECT_V2",
)  # fmt: skip
LOGICAL = ("LOGICAL_AND", "LOGICAL_OR", "LOGICAL_NOT")
shapes = st.lists(st.integers(1, 4), max_size=5).map(tuple)


@given(kind=st.sampled_from(KINDS), data=st.data())
def test_any_inputs_have_shapes_or_a_graph_error(kind: str, data: st.DataObject):
    operands = []
    for number in range(data.draw(st.integers(1, 4))):
        shape = data.draw(shapes)
        values = np.ones(shape, np.int32) if data.draw(st.booleans()) else None
        operands.append(Tensor(f"t{number}", shape, "float32" if values is None else "int32", values))
    try:
        found = output_shapes(kind, operands, {"axis": data.draw(st.integers(-3, 5)), "num_splits": 2})
    except GraphError:
        return
    assert all(isinstance(size, int) for shape in found for size in shape)


def floats(*shape: int) -> Tensor:
    return Tensor("", shape)


def ints(*values: int) -> Tensor:
    return Tensor("", (len(values),), "int32", np.array(values, np.int32))


@st.composite
def ops(draw: st.DrawFn) -> tuple[str, list[Tensor], dict[str, object]]:
    """An op of any modelled kind on small tensors, whose parameters fit now and then."""
    modelled = (*ELEMENTWISE, *UNARY, *REDUCTIONS, *KINDS, "PADV2", "RESIZE_BILINEAR", "RESIZE_NEAREST_NEIGHBOR")
    modelled += ("DEPTH_TO_SPACE", "SPACE_TO_DEPTH")
    kind = draw(st.sampled_from(sorted({*modelled, "MAX_POOL_2D"} - set(LOGICAL))))
    on_images = kind.endswith(("_2D", "BILINEAR", "NEIGHBOR", "DEPTH", "SPACE"))
    rank = draw(st.sampled_from([4, 4, 4, 5])) if on_images else draw(st.integers(1, 5))
    x = draw(st.tuples(*[st.integers(1, 3)] * rank))
    other = draw(st.sampled_from([x, x, x[1:], (*x[:-1], 1)]))

    def parameter(low: int, high: int, count: int = rank) -> Tensor:
        return ints(*draw(st.lists(st.integers(low, high), min_size=count, max_size=count)))

    size, axis = draw(st.integers(1, 3)), draw(st.integers(-6, 5))
    attrs: dict[str, object] = {"keep_dims": draw(st.booleans()), "axis": axis, "num_splits": size}
    attrs |= {"padding": draw(st.sampled_from(["SAME", "VALID"])), "stride_h": size, "filter_height": 2}
    attrs |= {
        "filter_width": size,
        "block_size": size,
        "keep_num_dims": draw(st.booleans()),
        "shrink_axis_mask": draw(st.integers(0, 3)),
    }
    if kind in REDUCTIONS or kind == "CUMSUM":
        return kind, [floats(*x), parameter(-6, 5, 1)], attrs
    if kind in ("TRANSPOSE", "RESHAPE"):
        return kind, [floats(*x), ints(*draw(st.permutations(range(rank) if kind == "TRANSPOSE" else x)))], attrs
    if kind in ("PAD", "PADV2"):
        return kind, [floats(*x), parameter(-1, 2, 2 * rank)], attrs
    if kind == "SLICE":
        return kind, [floats(*x), parameter(-1, 2), parameter(-1, 3)], attrs
    if kind == "STRIDED_SLICE":
        count = draw(st.integers(max(1, rank - 1), rank + 1))
        return kind, [floats(*x), parameter(-3, 2, count), parameter(1, 3, count), parameter(1, 2, count)], attrs
    if kind == "SPLIT":
        return kind, [ints(axis), floats(*x)], attrs
    if kind.startswith("RESIZE"):
        return kind, [floats(*x), parameter(1, 3, 2)], attrs
    if kind == "FULLY_CONNECTED":
        return kind, [floats(*x), floats(2, size)], attrs
    if kind in ("CONV_2D", "DEPTHWISE_CONV_2D"):
        out = 1 if kind.startswith("DEPTH") else draw(st.integers(1, 3))
        return kind, [floats(*x), floats(out, 2, 1, x[-1] * draw(st.integers(1, 2)))], attrs
    if kind == "SELECT_V2":
        return kind, [Tensor("", x, "bool"), floats(*x), floats(*other)], attrs
    if kind in UNARY or kind.endswith("POOL_2D"):
        return kind, [floats(*x)], attrs
    return kind, [floats(*x), floats(*other)], attrs


@settings(max_examples=400)
@given(ops())
def test_what_has_shapes_can_be_computed_and_has_them(op: tuple[str, list[Tensor], dict[str, object]]):
    kind, operands, attrs = op
    try:
        found = output_shapes(kind, operands, attrs)
    except GraphError:
        return
    inputs = [Tensor(f"t{i}", t.shape, t.dtype, t.data) for i, t in enumerate(operands)]
    outputs = [Tensor(f"y{i}", shape) for i, shape in enumerate(found)]
    runtime = tuple(t.name for t in inputs if not t.is_constant)
    names = tuple(t.name for t in inputs), tuple(t.name for t in outputs)
    graph = Graph({t.name: t for t in (*inputs, *outputs)}, (Op(kind, *names, attrs),), runtime, names[1]).validate()
    assert not unsupported(graph)
    values = evaluate(graph, [np.ones(graph.tensors[name].shape, graph.tensors[name].dtype) for name in runtime])
    assert [values[name].shape for name in names[1]] == list(found)


X = floats(1, 2, 3, 4)


@pytest.mark.parametrize(
    ("kind", "operands", "attrs"),
    [
        ("PAD", [X, Tensor("p", (3, 2), "int32", np.zeros((3, 2), np.int32))], {}),
        ("PAD", [X, ints(0, 0, 0, 0, 0, -1, 0, 0)], {}),
        ("MEAN", [X, ints(4)], {}),
        ("CUMSUM", [X, ints(-5)], {}),
        ("SPLIT", [ints(4), X], {"num_splits": 1}),
        ("CONCATENATION", [X, X], {"axis": 4}),
        ("TRANSPOSE", [X, ints(0, 1, 2)], {}),
        ("TRANSPOSE", [X, ints(0, 1, 2, 2)], {}),
        ("SLICE", [X, ints(0, 0, 0, 2), ints(1, 2, 3, 3)], {}),
        ("SLICE", [X, ints(0, 0, 4, 0), ints(1, 2, -1, 4)], {}),
        ("STRIDED_SLICE", [X, ints(0, 0), ints(1, 1), ints(1, 1)], {}),
        ("STRIDED_SLICE", [X, *[ints(0, 0, 0, 0, 0), ints(*[1] * 5), ints(*[1] * 5)]], {}),
        ("STRIDED_SLICE", [X, ints(0, 2, 0, 0), ints(1, 3, 3, 4), ints(1, 1, 1, 1)], {"shrink_axis_mask": 2}),
        ("RESHAPE", [floats(0), ints(-1, 0)], {}),
        ("RESIZE_BILINEAR", [floats(1, 2, 3, 4, 5), ints(2, 2)], {}),
        ("AVERAGE_POOL_2D", [floats(1, 2, 3, 4, 5)], {"filter_height": 1, "filter_width": 1}),
    ],
)
def test_what_a_kernel_refuses_has_no_shape(kind: str, operands: list[Tensor], attrs: dict[str, object]):
    with pytest.raises(GraphError):
        output_shapes(kind, operands, attrs)


def test_a_table_of_paddings_for_another_rank_is_refused():
    table = Tensor("p", (3, 2), "int32", np.zeros((3, 2), np.int32))
    with pytest.raises(GraphError, match="PAD does not fit"):
        output_shapes("PAD", [Tensor("x", (1, 2, 3, 4)), table], {})


@pytest.mark.parametrize(
    ("kind", "operands", "attrs", "shape"),
    [
        ("MEAN", [X, ints(1, -2, 1)], {}, (1, 4)),
        ("MEAN", [X, ints(1, -2, 1)], {"keep_dims": True}, (1, 1, 1, 4)),
        ("TRANSPOSE", [X, ints(0, -1, 1, 2)], {}, (1, 4, 2, 3)),
        ("SLICE", [X, ints(0, 1, 1, 0), ints(-1, 1, -1, 2)], {}, (1, 1, 2, 2)),
        ("CONCATENATION", [X, floats(1, 2, 5, 4)], {"axis": -2}, (1, 2, 8, 4)),
        ("RESHAPE", [X, ints(-1, 6)], {}, (4, 6)),
        ("FULLY_CONNECTED", [X, floats(5, 8)], {}, (3, 5)),
        ("FULLY_CONNECTED", [X, floats(5, 4)], {"keep_num_dims": True}, (1, 2, 3, 5)),
        ("BATCH_MATMUL", [floats(2, 3, 4), floats(5, 4)], {"adj_y": True}, (2, 3, 5)),
    ],
)
def test_shapes_by_hand(kind: str, operands: list[Tensor], attrs: dict[str, object], shape: tuple[int, ...]):
    assert output_shapes(kind, operands, attrs) == (shape,)


def test_an_axis_counts_from_either_end():
    assert [axis_of(axis, 3) for axis in (-3, -1, 0, 2)] == [0, 2, 0, 2]
    for axis in (-4, 3):
        with pytest.raises(GraphError, match=f"axis {axis} of a tensor of rank 3"):
            axis_of(axis, 3)


@given(st.integers(1, 30), st.integers(1, 7), st.integers(1, 4), st.integers(1, 3))
def test_a_window_has_as_many_places_as_fit(size: int, kernel: int, stride: int, dilation: int):
    reach = (kernel - 1) * dilation
    places = len(range(0, size - reach, stride))
    assert window(size, kernel, stride, "SAME", dilation) == len(range(0, size, stride))
    if places:
        assert window(size, kernel, stride, "VALID", dilation) == places
    else:
        with pytest.raises(GraphError, match="does not fit"):
            window(size, kernel, stride, "VALID", dilation)
