"""One element of each operand per output element: what is exact, what is approximate, and how noisy that is."""

from __future__ import annotations

import math

import numpy as np
import pytest

from cases.drawn_ops.one_op import OneOp
from cases.evaluation.arithmetic import FLOAT16, FLOAT32, FLOAT64
from cases.evaluation.elementwise import APPROXIMATE_BINARY, APPROXIMATE_UNARY, BINARY, UNARY
from cases.evaluation.evaluate import evaluate
from cases.graph import GraphError
from tests.cases.evaluation.single_op import result

X = np.random.default_rng(0).uniform(0.5, 1.5, (3, 4))


@pytest.mark.parametrize("kind", sorted({*UNARY, *APPROXIMATE_UNARY, "EXP", "LOGISTIC"} - {"LOGICAL_NOT"}))
def test_only_approximate_functions_are_off_by_more_than_their_storing(kind: str):
    x = X.astype(np.float32)
    exact = result(kind, x, shape=(3, 4))
    stored = result(kind, x, shape=(3, 4), arithmetic=FLOAT32)
    off = bool((np.abs(stored - exact) > 2.0**-24 * np.abs(exact)).any())
    assert off is (kind not in UNARY or kind == "HARD_SWISH")  # the half that is added to a sixth cancels near -3


@pytest.mark.parametrize("kind", sorted({*BINARY, *APPROXIMATE_BINARY}))
def test_binary_ops_broadcast(kind: str):
    column = X[:, :1] > 1 if kind.startswith("LOGICAL") else X[:, :1]
    other = X > 1 if kind.startswith("LOGICAL") else X
    dtype = "bool" if kind in ("GREATER", "LESS", "EQUAL", "LOGICAL_AND") else "float32"
    wide = result(kind, column, other, shape=(3, 4), dtype=dtype)
    rows = [result(kind, column[:, 0], other[:, k], shape=(3,), dtype=dtype) for k in range(4)]
    np.testing.assert_array_equal(wide, np.stack(rows, axis=1))


def test_elu_near_zero_is_as_noisy_as_the_exponential_it_subtracts_from():
    x = np.linspace(-1e-3, -1e-6, 64, dtype=np.float32)
    exact = result("ELU", x, shape=(64,))
    error = np.abs(result("ELU", x, shape=(64,), arithmetic=FLOAT32) - exact)
    np.testing.assert_allclose(exact, np.expm1(x.astype(np.float64)))
    assert 2.0**-26 < error.max() < 2.0**-20


def test_gelu_is_erf_or_its_approximation_by_tanh():
    x = np.array([-2.0, 0.0, 0.7])
    exact = [0.5 * v * (1 + math.erf(v / math.sqrt(2))) for v in x]
    np.testing.assert_allclose(result("GELU", x, shape=(3,)), exact, rtol=1e-12)
    approximate = result("GELU", x, shape=(3,), approximate=True)
    np.testing.assert_allclose(approximate, exact, atol=1e-3)
    assert approximate[2] != exact[2]


def test_leaky_relu_and_prelu_scale_what_is_negative():
    x = np.array([-2.0, 3.0])
    assert result("LEAKY_RELU", x, shape=(2,), alpha=0.25).tolist() == [-0.5, 3.0]
    assert result("PRELU", x, np.array([0.5, 0.5]), shape=(2,)).tolist() == [-1.0, 3.0]


def test_a_fused_activation_works_on_the_stored_sum():
    """60000 + 60000 is beyond float16: stored first it is infinite, and RELU6 of that is 6."""
    x = np.full(2, 60000.0, np.float32)
    relu6 = {"fused_activation_function": "RELU6"}
    assert result("ADD", x, x, shape=(2,), arithmetic=FLOAT16, **relu6).tolist() == [6.0, 6.0]
    tanh = {"fused_activation_function": "TANH"}
    np.testing.assert_allclose(result("ADD", X, X, shape=(3, 4), **tanh), np.tanh(2 * X))


def test_a_fused_activation_that_is_not_modelled_is_refused_by_name():
    with pytest.raises(GraphError, match="ADD with the fused activation SIGN_BIT is not modelled"):
        result("ADD", X, X, shape=(3, 4), fused_activation_function="SIGN_BIT")


def test_whole_numbers_are_divided_toward_zero():
    seven, two = np.array([7, -7], np.int32), np.array([2, 2], np.int32)
    assert result("DIV", seven, two, shape=(2,), dtype="int32").tolist() == [3, -3]


def test_select_takes_the_second_where_true_and_the_third_elsewhere():
    chosen = result("SELECT_V2", np.array([True, False]), np.array([1.0, 2.0]), np.array([3.0, 4.0]), shape=(2,))
    assert chosen.tolist() == [1.0, 4.0]


@pytest.mark.parametrize(("dtype", "expected"), [("int32", [-1, 2]), ("bool", [True, True]), ("float32", [-1.5, 2.5])])
def test_cast_gives_the_declared_dtype(dtype: str, expected: list):
    values = result("CAST", np.array([-1.5, 2.5]), shape=(2,), dtype=dtype, arithmetic=FLOAT64)
    assert values.tolist() == expected


def test_the_cube_root_has_the_sign_of_its_operand():
    x = np.array([-27.0, 0.0, 8.0])
    np.testing.assert_allclose(result("STABLEHLO_CBRT", x, shape=(3,)), [-3.0, 0.0, 2.0], rtol=1e-15)


@pytest.mark.parametrize("dtype", ["float32", "int32"])
def test_a_remainder_has_the_sign_of_the_dividend_and_floor_mod_that_of_the_divisor(dtype: str):
    a, b = np.array([7, -7, 7, -7], dtype), np.array([3, 3, -3, -3], dtype)
    graph_result = OneOp("STABLEHLO_REMAINDER", (a, b), (dtype,)).graph([(4,)])
    assert evaluate(graph_result, (a, b))["out0"].tolist() == [1, -1, 1, -1]
    assert evaluate(OneOp("FLOOR_MOD", (a, b), (dtype,)).graph([(4,)]), (a, b))["out0"].tolist() == [1, 2, -2, -1]


def test_floor_mod_is_as_noisy_as_the_multiple_of_the_divisor_that_is_taken_away():
    a, b = np.full(400, 3.4648438), np.random.default_rng(0).uniform(0.5, 1.5, 400).astype(np.float32)
    exact, rounded = (result("FLOOR_MOD", a, b, shape=(400,), arithmetic=of) for of in (FLOAT64, FLOAT32))
    furthest = np.abs(rounded - exact).max()
    assert np.spacing(np.float32(2)) / 4 < furthest <= np.spacing(np.float32(2))


def test_clamp_takes_bounds_of_the_same_shape_or_without_dimensions():
    x = np.array([-2.0, 0.5, 3.0])
    assert result("STABLEHLO_CLAMP", np.float64(-1), x, np.float64(1), shape=(3,)).tolist() == [-1.0, 0.5, 1.0]
    highest = np.array([0.0, 0.0, 9.0])
    assert result("STABLEHLO_CLAMP", np.full(3, -3.0), x, highest, shape=(3,)).tolist() == [-2.0, 0.0, 3.0]


@pytest.mark.parametrize("kind", ["DIV", "FLOOR_DIV", "FLOOR_MOD", "STABLEHLO_REMAINDER"])
def test_whole_numbers_are_not_divided_by_zero_and_floats_are(kind: str):
    a, b = np.array([7, -7, 0], np.int32), np.array([1, 0, 2], np.int32)
    with pytest.raises(GraphError, match="whole numbers are divided by zero"):
        evaluate(OneOp(kind, (a, b), ("int32",)).graph([(3,)]), (a, b))
    quotient = result(kind, a.astype(np.float32), b.astype(np.float32), shape=(3,))
    assert np.isfinite(quotient).tolist() == [True, False, True]


def test_bits_shifted_out_are_gone():
    x, by = np.array([1, -1, 5], np.int32), np.array([31, 3, 32], np.int32)
    left = OneOp("STABLEHLO_SHIFT_LEFT", (x, by), ("int32",)).graph([(3,)])
    assert evaluate(left, (x, by))["out0"].tolist() == [-(2**31), -8, 0]
    right = OneOp("RIGHT_SHIFT", (x, np.array([1, 40, -2], np.int32)), ("int32",)).graph([(3,)])
    assert evaluate(right, (x, np.array([1, 40, -2], np.int32)))["out0"].tolist() == [0, -1, 5]


def test_a_sigmoid_far_below_zero_is_right_to_the_last_digits():
    x = -np.linspace(0, 80, 41)
    exact = [1 / (1 + math.exp(-v)) for v in x]
    np.testing.assert_allclose(result("LOGISTIC", x.astype(np.float64), shape=(41,)), exact, rtol=1e-14)


def test_a_sigmoid_in_fp16_is_zero_where_its_exponential_leaves_the_range():
    """So it is on lavapipe: 1 / (1 + exp(12.3)) is 4.5e-6 in float64 and 0 in fp16."""
    x = np.array([-12.3, -11.0, 20.0], np.float32)
    assert (result("LOGISTIC", x, shape=(3,), arithmetic=FLOAT16) > 0).tolist() == [False, True, True]


def test_an_exponential_in_fp32_is_as_noisy_as_its_argument_is_large():
    near, far = (np.random.default_rng(0).uniform(-v - 1, -v, 256).astype(np.float32) for v in (0, 60))
    off = [
        np.abs(result("EXP", x, shape=(256,), arithmetic=FLOAT32) / np.exp(x.astype(float)) - 1) for x in (near, far)
    ]
    assert off[1].mean() > 3 * off[0].mean()
    assert off[1].max() < (3 + 2 * 61) * 2.0**-24
