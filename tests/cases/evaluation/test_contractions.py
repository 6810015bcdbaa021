"""Several input elements per output element: reductions, matrices, windows, softmax."""

from __future__ import annotations

import numpy as np
import pytest

from cases.builder import GraphBuilder
from cases.evaluation.arithmetic import FLOAT16, FLOAT16_TRUNCATED, FLOAT32, FLOAT64
from cases.evaluation.evaluate import evaluate
from cases.graph import GraphError
from tests.cases.evaluation.single_op import result

X = np.random.default_rng(0).uniform(0.5, 1.5, (2, 3, 4))
EVERY = [FLOAT64, FLOAT32, FLOAT16, FLOAT16_TRUNCATED]


def axes(*numbers: int) -> np.ndarray:
    return np.array(numbers, np.int32)


@pytest.mark.parametrize("arithmetic", EVERY)
@pytest.mark.parametrize(
    ("kind", "numpys"),
    [("SUM", np.sum), ("MEAN", np.mean), ("REDUCE_MAX", np.max), ("REDUCE_MIN", np.min), ("REDUCE_PROD", np.prod)],
)
def test_reductions_over_any_axes_with_and_without_kept_dimensions(kind, numpys, arithmetic):
    for chosen, shape in (((2,), (2, 3)), ((0, -1), (3,)), ((0, 1, 2), ()), ((1,), (2, 1, 4))):
        wanted = numpys(X, axis=chosen, keepdims=len(shape) == 3)
        ours = result(kind, X, axes(*chosen), shape=shape, arithmetic=arithmetic)
        assert ours.shape == wanted.shape
        np.testing.assert_allclose(ours, wanted, rtol=100 * 2.0**-arithmetic.store_bits)


def test_a_reduction_over_an_axis_that_is_not_there_is_refused_as_a_kernel_does():
    with pytest.raises(GraphError, match="axis 3 of a tensor of rank 3"):
        result("SUM", X, axes(3), shape=(3, 4))


def test_a_mean_over_a_power_of_two_is_divided_exactly_and_another_is_not():
    for count, noisy in ((4, False), (5, True)):
        x = np.full((1, count), 3.0, np.float32)
        mean = result("MEAN", x, axes(1), shape=(1, 1), arithmetic=FLOAT32)
        assert bool(mean[0, 0] != 3.0) is noisy


def test_a_product_in_fp16_is_rounded_after_each_factor():
    x = np.array([300.0, 300.0, 0.001], np.float32)
    assert result("REDUCE_PROD", x, axes(0), shape=(), arithmetic=FLOAT16) == np.inf
    assert result("REDUCE_PROD", x, axes(0), shape=(), arithmetic=FLOAT32) == pytest.approx(90.0)


@pytest.mark.parametrize(("kind", "expected"), [("ARG_MAX", [1, 0]), ("ARG_MIN", [0, 1])])
def test_the_first_of_equal_extremes_is_the_position(kind: str, expected: list[int]):
    x = np.array([[1.0, 2.0, 2.0], [3.0, 1.0, 1.0]])
    positions = result(kind, x, axes(1), shape=(2,), dtype="int64")
    assert positions.dtype == np.int64
    assert positions.tolist() == expected


@pytest.mark.parametrize(
    ("exclusive", "reverse", "expected"),
    [(False, False, [1, 3, 7]), (True, False, [0, 1, 3]), (False, True, [7, 6, 4]), (True, True, [6, 4, 0])],
)
def test_cumsum_starts_and_ends_where_its_options_say(exclusive, reverse, expected):
    x = np.array([1.0, 2.0, 4.0])
    assert result("CUMSUM", x, axes(0), shape=(3,), exclusive=exclusive, reverse=reverse).tolist() == expected


def test_fully_connected_reads_rows_as_long_as_its_weights_are_deep():
    weights = np.random.default_rng(1).normal(size=(5, 12))
    flat = result("FULLY_CONNECTED", X, weights, None, shape=(2, 5))
    np.testing.assert_allclose(flat, X.reshape(2, 12) @ weights.T)
    biased = result("FULLY_CONNECTED", X, weights, np.full(5, -1e3), shape=(2, 5), fused_activation_function="RELU")
    assert not biased.any()


def test_batch_matmul_transposes_what_it_is_told_to():
    left, right = X, np.random.default_rng(1).normal(size=(2, 4, 5))
    wanted = left @ right
    turned = [np.swapaxes(side, 1, 2) for side in (left, right)]
    np.testing.assert_allclose(result("BATCH_MATMUL", left, right, shape=(2, 3, 5)), wanted)
    both = result("BATCH_MATMUL", *turned, shape=(2, 3, 5), adj_x=True, adj_y=True)
    np.testing.assert_allclose(both, wanted)


def test_softmax_and_its_logarithm_agree_and_beta_sharpens():
    even = result("SOFTMAX", X, shape=X.shape)
    np.testing.assert_allclose(even.sum(axis=-1), np.ones((2, 3)))
    np.testing.assert_allclose(np.log(even), result("LOG_SOFTMAX", X, shape=X.shape))
    assert (result("SOFTMAX", X, shape=X.shape, beta=9.0).max(axis=-1) > even.max(axis=-1)).all()


def test_l2_normalization_gives_rows_of_length_one_and_leaves_zeros():
    x = np.concatenate([X, np.zeros((1, 3, 4))])
    lengths = np.linalg.norm(result("L2_NORMALIZATION", x, shape=x.shape), axis=-1)
    np.testing.assert_allclose(lengths, [[1] * 3, [1] * 3, [0] * 3])


@pytest.mark.parametrize("kernel", [1, 3])
@pytest.mark.parametrize("arithmetic", [FLOAT64, FLOAT32, FLOAT16])
def test_a_convolution_in_groups_is_one_convolution_per_group(kernel, arithmetic):
    rng = np.random.default_rng(3)
    weights, bias = rng.standard_normal((6, kernel, kernel, 4)), rng.standard_normal(6)
    x = rng.standard_normal((1, 5, 5, 8))

    def convolved(source: np.ndarray, filters: np.ndarray, offset: np.ndarray) -> np.ndarray:
        g = GraphBuilder()
        y = g.conv2d(g.input("x", source.shape), filters, offset, name="y")
        return evaluate(g.build([y]), (source,), arithmetic)["y"]

    parts = [
        convolved(x[..., at : at + 4], weights[half], bias[half]) for at, half in ((0, slice(3)), (4, slice(3, 6)))
    ]
    np.testing.assert_array_equal(convolved(x, weights, bias), np.concatenate(parts, axis=3))
