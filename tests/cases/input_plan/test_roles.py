"""What an input is follows from the op that reads it, however it was carried there."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cases.builder import GraphBuilder
from cases.graph import Graph, Op, Tensor
from cases.input_plan.planned import Kind, PlannedFeeds, PlannedInput
from cases.input_plan.roles import planned_inputs
from cases.inputs import StandardFeeds, standard_feeds


def quantised(low: float, high: float, dtype: str = "int8") -> SimpleNamespace:
    """What a file says of a tensor whose integers stand for low to high."""
    limits = np.iinfo(dtype)
    scale = (high - low) / (int(limits.max) - int(limits.min))
    zero = round(int(limits.min) - low / scale)
    record = SimpleNamespace(scale=[scale], zeroPoint=[zero], details=None, quantizedDimension=0)
    return SimpleNamespace(quantization=record, block_scales=None, is_variable=False)


def reading(
    kind: str, inputs: list[Tensor], shape: tuple[int, ...] = (2,), raw: object = None, **attrs: object
) -> Graph:
    """One op that reads inputs and constants."""
    result = Tensor("y", shape, "int8" if raw else "float32", raw=raw)
    tensors = {tensor.name: tensor for tensor in (*inputs, result)}
    fed = tuple(tensor.name for tensor in inputs if not tensor.is_constant)
    return Graph(tensors, (Op(kind, tuple(t.name for t in inputs), ("y",), attrs),), fed, ("y",))


def constant(name: str, values: object, dtype: str = "float32") -> Tensor:
    array = np.asarray(values, dtype)
    return Tensor(name, array.shape, dtype, array)


def only(graph: Graph, name: str = "x") -> PlannedInput:
    return next(planned for planned in planned_inputs(graph) if planned.name == name)


IDS = Tensor("x", (1, 6), "int32")
TABLE = constant("table", np.zeros((5, 8)))


def picture(shape: tuple[int, ...], before: Callable[[GraphBuilder, str], str] = lambda g, x: x) -> Graph:
    g = GraphBuilder()
    x = before(g, g.input("x", shape))
    return g.build([g.conv2d(x, np.ones((4, 3, 3, g.shape(x)[3]), np.float32), np.zeros(4, np.float32))])


def masked(factor: float, flips: bool) -> Graph:
    g = GraphBuilder()
    x = g.input("x", (1, 1, 4, 4))
    kept = g.sub(g.const(1.0), x) if flips else x
    return g.build([g.softmax(g.add(g.input("scores", (1, 2, 4, 4)), g.mul(kept, g.const(factor))))])


ROLES = {
    "rows of a table": (reading("GATHER", [TABLE, IDS], axis=0), Kind.INTEGERS, 0, (4,)),
    "columns of a table": (reading("GATHER", [TABLE, IDS], axis=1), Kind.INTEGERS, 0, (7,)),
    "an embedding": (reading("EMBEDDING_LOOKUP", [IDS, TABLE]), Kind.INTEGERS, 0, (4,)),
    "places in a tensor": (
        reading("GATHER_ND", [TABLE, Tensor("x", (3, 2), "int32")]), Kind.INTEGERS, 0, (4, 7)
    ),
    "classes": (reading("ONE_HOT", [IDS, constant("depth", 9, "int32")]), Kind.INTEGERS, 0, (8,)),
    "the start of an update": (
        reading("DYNAMIC_UPDATE_SLICE", [TABLE, Tensor("u", (2, 8)), Tensor("x", (2,), "int32")]),
        Kind.INTEGERS, 0, (3, 0),
    ),
    "a divisor": (reading("DIV", [Tensor("a", (2,)), Tensor("x", (2,))]), Kind.AWAY_FROM_ZERO, 0.5, (1.5,)),
    "a modulus": (
        reading("FLOOR_MOD", [Tensor("a", (2,), "int32"), Tensor("x", (2,), "int32")]), Kind.INTEGERS, 1, (7,)
    ),
    "a radicand": (reading("RSQRT", [Tensor("x", (2,))]), Kind.UNIFORM, 0.5, (1.5,)),
    "a length": (
        reading("LESS", [constant("places", np.arange(16), "int32"), Tensor("x", (1,), "int32")]),
        Kind.INTEGERS, 1, (16,),
    ),
    "what is quantised at once": (
        reading("QUANTIZE", [Tensor("x", (2,))], raw=quantised(-128.0, 127.0)), Kind.UNIFORM, -128.0, (127.0,)
    ),
    "a mask of what is kept": (masked(-3.4e38, True), Kind.MASK, 1, (1,)),
    "a mask of what is left out": (masked(-1e9, False), Kind.MASK, 0, (1,)),
    "a mask by its name": (
        reading("CAST", [Tensor("x_mask", (1, 4), "int32")]), Kind.MASK, 1, (1,)
    ),
    "a picture": (picture((1, 16, 16, 3)), Kind.UNIFORM, 0, (1,)),
    "a grey picture": (picture((1, 16, 16, 1)), Kind.UNIFORM, 0, (1,)),
    "a picture with channels first": (
        picture((1, 3, 16, 16), lambda g, x: g.transpose(x, [0, 2, 3, 1])), Kind.UNIFORM, 0, (1,)
    ),
    "a picture of bytes": (picture((1, 16, 16, 3), lambda g, x: g.scaled(x, 1 / 255)), Kind.UNIFORM, 0, (255,)),
    "a picture less the mean of bytes": (
        picture((1, 16, 16, 3), lambda g, x: g.sub(x, g.const([123.0, 117.0, 104.0]))), Kind.UNIFORM, 0, (255,)
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", ROLES)
def test_the_op_that_reads_an_input_says_what_it_is(name: str):
    graph, kind, low, high = ROLES[name]
    planned = only(graph, next(one for one in graph.inputs if one.startswith("x")))
    assert (planned.kind, planned.low, planned.high) == (kind, low, high), planned.reason
    assert planned.reason


def looked_up(g: GraphBuilder, ids: str, *rows: int) -> Graph:
    """The graph, with a lookup of the ids in a table of so many rows each."""
    graph = g.build([ids])
    tables = {f"table{n}": constant(f"table{n}", np.zeros((n, 8))) for n in rows}
    results = {f"y{n}": Tensor(f"y{n}", (6, 8)) for n in rows}
    ops = [Op("GATHER", (f"table{n}", ids), (f"y{n}",)) for n in rows]
    return Graph({**graph.tensors, **tables, **results}, (*graph.ops, *ops), graph.inputs, tuple(results))


def test_ids_are_followed_through_what_only_moves_them():
    g = GraphBuilder()
    ids = g.reshape(g.transpose(g.input("x", (1, 6), "int32"), [1, 0]), [6])
    assert only(looked_up(g, ids, 5)).high == (4,)


def test_of_several_tables_the_shortest_decides():
    g = GraphBuilder()
    assert only(looked_up(g, g.reshape(g.input("x", (6,), "int32"), [6]), 9, 5, 7)).high == (4,)


@pytest.mark.parametrize("shape", [(1, 16, 16, 4), (1, 4, 4, 3), (1, 16, 16, 32)])
def test_what_is_no_picture_keeps_its_standard_feeds(shape: tuple[int, ...]):
    assert only(picture(shape)).kind is Kind.STANDARD


def test_a_quantised_input_spans_its_type():
    tensor = Tensor("x", (1, 16, 16, 3), "int8", raw=quantised(-1.0, 1.0))
    planned = only(reading("LOGISTIC", [tensor]))
    assert (planned.kind, planned.low, planned.high) == (Kind.INTEGERS, -128, (127,))
    assert "quantised range" in planned.reason


@given(seed=st.integers(0, 99), rows=st.integers(2, 40), again=st.booleans())
def test_inputs_without_a_role_are_the_standard_ones_bit_by_bit(seed: int, rows: int, again: bool):
    inputs = [Tensor("before", (3, 4)), Tensor("x", (1, 6), "int32"), Tensor("after", (2, 2), "float16")]
    plans = (PlannedInput("before"), PlannedInput("x", Kind.INTEGERS, 0, (rows - 1,)), PlannedInput("after"))
    feeds = PlannedFeeds(StandardFeeds(seed, again=again), plans).make(inputs)
    assert len(feeds) == 3 + again
    assert not again or feeds[3] is feeds[0]
    for feed, wanted in zip(feeds, standard_feeds(inputs, seed), strict=False):
        assert [feed[i].tobytes() for i in (0, 2)] == [wanted[i].tobytes() for i in (0, 2)]
        assert feed[1].dtype == np.int32
        assert 0 <= feed[1].min() <= feed[1].max() < rows
    assert any(not np.array_equal(feed[1], feeds[0][1]) for feed in feeds) or rows < 4


def test_a_plan_without_roles_has_the_key_of_the_standard_feeds_and_one_with_a_role_another():
    standard = StandardFeeds(3)
    assert PlannedFeeds(standard, (PlannedInput("x"),)).key == standard.key
    keys = {PlannedFeeds(standard, (PlannedInput("x", Kind.INTEGERS, 0, (n,)),)).key for n in (4, 5)}
    assert len({standard.key, *keys}) == 3


@pytest.mark.parametrize("first", [0, 1])
def test_no_row_of_a_mask_is_left_out_whole(first: int):
    (feed, *_) = PlannedFeeds(StandardFeeds(0), (PlannedInput("x", Kind.MASK, first, (1.0,)),)).make(
        [Tensor("x", (4, 64))]
    )
    assert (feed[0][:, 0] == first).all()
    assert set(np.unique(feed[0])) == {0.0, 1.0}


def test_divisors_have_both_signs_and_none_is_near_zero():
    planned = PlannedInput("x", Kind.AWAY_FROM_ZERO, 0.5, (1.5,))
    drawn = planned.draw((1000,), "float32", np.random.default_rng(0))
    assert 0.5 <= np.abs(drawn).min() <= np.abs(drawn).max() <= 1.5
    assert {-1.0, 1.0} == set(np.unique(np.sign(drawn)))


def test_a_file_that_multiplies_paths_is_followed_only_so_far(monkeypatch: pytest.MonkeyPatch):
    g = GraphBuilder()
    inputs = [g.input(f"x{i}", (1,), "int32") for i in range(200)]
    parts = g.concat(inputs, 0)
    for _ in range(50):
        parts = g.concat([parts], 0)
    graph = looked_up(g, parts, 5)
    assert {planned.kind for planned in planned_inputs(graph)} == {Kind.INTEGERS}
    monkeypatch.setattr("cases.input_plan.roles._MOST_USES", 300)
    assert {planned.kind for planned in planned_inputs(graph)} == {Kind.STANDARD}
