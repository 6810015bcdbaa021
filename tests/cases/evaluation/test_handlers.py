"""The table of what is evaluated: against the delegate's own list, and each kind against TFLite's reference kernels."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cases.evaluation.evaluate import evaluate
from cases.evaluation.handlers import BY_KIND, unsupported
from tests.cases.evaluation.drawn_ops import DRAWS, ops

# Kinds of the table that TFLite has no kernel for, or whose operands are quantised: held elsewhere, by name.
ELSEWHERE = {
    "STABLEHLO_CLAMP": "test_elementwise.py",
    "STABLEHLO_CBRT": "test_elementwise.py",
    "STABLEHLO_REMAINDER": "test_elementwise.py",
    "STABLEHLO_BROADCAST_IN_DIM": "test_movement.py",
    "QUANTIZE": "test_quantised.py",
    "DEQUANTIZE": "test_quantised.py",
}


def test_each_kind_that_is_evaluated_is_drawn_or_held_elsewhere():
    assert set(BY_KIND) == (set(DRAWS) | set(ELSEWHERE))


@pytest.mark.parametrize("kind", sorted(set(DRAWS) - set(ELSEWHERE)))
@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_an_op_computes_what_the_reference_kernels_compute(kind: str, data: st.DataObject):
    op = data.draw(ops(kind))
    graph, theirs = op.shaped()
    assert unsupported(graph) == []
    ours = evaluate(graph, op.feed, strict_shapes=True)
    for name, result in zip(graph.outputs, theirs, strict=True):
        assert ours[name].shape == result.shape
        if result.dtype.kind != "f":
            assert ours[name].dtype == result.dtype
            np.testing.assert_array_equal(ours[name], result)
            continue
        # float32 kernels, exact to a few units of what they add up; their exponentials are approximations.
        scale = float(np.abs(result).max(initial=0.0))
        np.testing.assert_allclose(ours[name], result, rtol=2e-5, atol=2e-6 + 2e-6 * scale)
