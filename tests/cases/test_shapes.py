"""Shape inference: whatever does not fit is a GraphError, which is all that mutations and readers expect."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cases.graph import GraphError, Tensor
from cases.shapes import output_shapes

KINDS = (
    "ADD", "MEAN", "FULLY_CONNECTED", "CONV_2D", "DEPTHWISE_CONV_2D", "AVERAGE_POOL_2D", "BATCH_MATMUL", "PAD",
    "RESHAPE", "TRANSPOSE", "SLICE", "STRIDED_SLICE", "SPLIT", "CONCATENATION", "SOFTMAX", "SELECT_V2",
)  # fmt: skip
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


def test_a_table_of_paddings_for_another_rank_is_refused():
    table = Tensor("p", (3, 2), "int32", np.zeros((3, 2), np.int32))
    with pytest.raises(GraphError, match="PAD does not fit"):
        output_shapes("PAD", [Tensor("x", (1, 2, 3, 4)), table], {})
