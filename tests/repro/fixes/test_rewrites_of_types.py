"""What the delegate misreads for a type or a rank, in another form: no hazard is left, and every value stays."""

from __future__ import annotations

import random

import numpy as np
import pytest

from cases.builder import GraphBuilder
from cases.drawn_ops.draw import Draw
from cases.drawn_ops.one_op import shaped
from cases.drawn_ops.table import DRAWS
from cases.edit import GraphEdit
from cases.findings.half_constant import class_token, joined
from cases.findings.integer_activation import activated
from cases.findings.integer_constant_misread import beside, causal_mask
from cases.findings.integer_pad import images, padded
from cases.findings.one_hot_places import encoded
from cases.findings.registry import FINDING_MODELS
from cases.findings.select_condition import chosen
from cases.findings.transposed_same_padding import decoder, enlarged
from repro.fixes.workarounds import WORKAROUNDS
from repro.hazards.lint import find_hazards
from tests.repro.fixes.rewriting import hazard_of, kinds, rewritten


@pytest.mark.parametrize("build", [enlarged, decoder])
def test_a_transposed_convolution_is_cut_out_of_one_without_padding(build):
    assert {"TRANSPOSE_CONV", "SLICE"} <= set(kinds(rewritten(build(), "transposed-same-padding")))


def test_every_drawn_transposed_convolution_that_is_padded_wrong_is_rewritten():
    """Every stride, window, output and padding that TFLite takes."""
    found = 0
    for seed in range(150):
        graph = shaped(DRAWS["TRANSPOSE_CONV"](Draw(random.Random(seed)), "TRANSPOSE_CONV"))
        if hazard_of(graph, "transposed-same-padding") is not None:
            rewritten(graph, "transposed-same-padding")
            found += 1
    assert found > 10


@pytest.mark.parametrize(("constant", "shape"), [((4,), (1, 3, 4)), ((3, 4), (1, 3, 4)), ((4,), (3, 4))])
@pytest.mark.parametrize("kind", ["ADD", "MAXIMUM", "LESS"])
def test_a_constant_of_whole_numbers_gets_the_rank_of_the_tensor(kind: str, constant, shape):
    rewritten(beside(kind, constant, shape), "integer-constant-axis", "integer-constant-batch")


def test_a_mask_of_positions_is_read_right_afterwards():
    rewritten(causal_mask(), "integer-constant-batch")


@pytest.mark.parametrize("activation", ["RELU", "RELU6", "RELU_N1_TO_1"])
@pytest.mark.parametrize("kind", ["ADD", "SUB", "MUL"])
def test_an_activation_of_whole_numbers_becomes_a_clamp(kind: str, activation: str):
    new = rewritten(activated(kind, activation), "integer-activation")
    assert kinds(new) == ([kind, "MAXIMUM"] if activation == "RELU" else [kind, "MAXIMUM", "MINIMUM"])


@pytest.mark.parametrize("graph", [padded(), padded("bool"), padded(beside=True), images()])
def test_a_border_of_whole_numbers_is_put_beside_the_tensor(graph):
    assert "PAD" not in kinds(rewritten(graph, "integer-pad"))


def test_a_border_of_another_value_keeps_it():
    g = GraphBuilder()
    rows = g.const([(0, 0), (1, 0), (0, 2)], dtype="int32")
    graph = g.build(g.op("PADV2", (g.input("x", (1, 3, 4), "int32"), rows, g.const(7, dtype="int32")), name="y"))
    assert kinds(rewritten(graph, "integer-pad")) == ["CONCATENATION", "CONCATENATION"]


@pytest.mark.parametrize("graph", [joined(), joined("SELECT_V2"), joined(beside=True), class_token()])
def test_a_float16_constant_is_kept_in_float32_where_it_is_joined(graph):
    new = rewritten(graph, "half-constant")
    assert all(name in new.uses for name, tensor in new.tensors.items() if tensor.dtype == "float16")


@pytest.mark.parametrize("shape", [(), (1, 2, 3), (2, 2, 3)])
def test_indices_are_encoded_as_a_vector(shape):
    assert "RESHAPE" in kinds(rewritten(encoded(shape), "one-hot-places"))


@pytest.mark.parametrize("shape", [(4, 1), (4, 1, 1), (1, 1)])
def test_indices_along_another_axis_than_the_last_are_encoded_as_a_vector(shape):
    """LiteRT 2.3.0 on lavapipe is right of a depth of 1 only; with more indices behind the axis it refuses."""
    for depth in (1, 3):
        g = GraphBuilder()
        operands = (g.input("indices", shape, "int32"), g.const(depth, dtype="int32"), g.const(1.0), g.const(0.0))
        graph = g.build(g.op("ONE_HOT", operands, axis=1))
        assert [hazard.rule for hazard in find_hazards(graph)] == ["one-hot-places"] * (depth > 1)
    new = rewritten(graph, "one-hot-places")
    assert kinds(new).count("RESHAPE") == 2
    assert new.tensors[new.outputs[0]].shape == (shape[0], 3, *shape[1:])


@pytest.mark.parametrize(("condition", "shape"), [((3,), (3, 3)), ((3, 1), (3, 3, 3)), ((2,), (2, 2, 2, 2))])
def test_a_condition_gets_the_rank_of_the_result(condition, shape):
    rewritten(chosen(condition, shape), "select-condition")


@pytest.mark.parametrize(
    "slug",
    [
        *("matmul-weights-transposed", "quantised-pointwise", "embedding-one-scale", "embedding-rank-aborts"),
        "computed-bias-aborts",
    ],
)
def test_every_model_that_integer_or_constant_weights_make_wrong_is_rewritten(slug: str):
    for model in FINDING_MODELS[slug]:
        if model.wrong:
            assert model.build is not None
            rewritten(model.build(), slug)


def test_weights_that_are_turned_are_kept_in_their_type():
    g = GraphBuilder()
    table = g.on_grid(g.const(np.arange(-16, 16).reshape(4, 8), dtype="int8"), 0.1)
    graph = g.build([g.batch_matmul(g.input("x", (2, 3, 8)), table, name="y", adj_y=True)])
    (op,) = rewritten(graph, "matmul-weights-transposed").ops
    assert not op.attrs["adj_y"]


def test_a_quantised_convolution_in_groups_is_left_alone():
    g = GraphBuilder()
    kernel = g.on_grid(g.const(np.arange(-8, 8).reshape(4, 1, 1, 4), dtype="int8"), 0.1)
    graph = g.build([g.conv2d(g.input("x", (1, 3, 3, 8)), kernel, name="y", stride=2)])
    hazard = hazard_of(graph, "quantised-pointwise")
    assert hazard is not None
    assert WORKAROUNDS["strided-before"](GraphEdit(graph), hazard) == ""


def test_the_largest_of_truths_is_looked_for_among_whole_numbers():
    g = GraphBuilder()
    truths = g.op("GREATER", (g.input("x", (3, 5)), g.const(0.0)))[0]
    graph = g.build(g.op("ARG_MAX", (truths, g.const(1, dtype="int32")), name="y", output_type=2))
    assert kinds(rewritten(graph, "arg-max-truths")) == ["GREATER", "CAST", "ARG_MAX"]
