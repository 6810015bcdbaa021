"""Sparse constants: as TFLite's DENSIFY unpacks them, whatever the order, the compressed levels and the blocks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cases.evaluation.evaluate import evaluate, unsupported
from cases.graph import Graph, GraphError, Op, Tensor
from cases.tflite.extras import TensorExtras
from cases.tflite.read import read_tflite
from cases.tflite.write import write_tflite
from tests.cases.evaluation.kernels import computed


def sparse(dense: np.ndarray, order: Sequence[int], compressed: set[int], blocks: Mapping[int, int]) -> Tensor:
    """The constant `w` in the file's form. compressed: of the dimensions, those that list their indices."""
    dims = list(blocks)
    split = [n // blocks.get(d, 1) for d, n in enumerate(dense.shape)]
    parts = dense.reshape([e for d, n in enumerate(split) for e in (n, blocks.get(d, 1))])
    outer, inner = [2 * d for d in range(dense.ndim)], [2 * d + 1 for d in dims]
    rest = [2 * d + 1 for d in range(dense.ndim) if d not in blocks]
    expanded = parts.transpose(*outer, *inner, *rest).reshape([*split, *blocks.values()]).transpose(order)
    record = schema.SparsityParametersT()
    record.traversalOrder, record.blockMap, record.dimMetadata = list(order), dims, []
    nodes = [expanded]
    for dim, extent in zip(order, expanded.shape, strict=True):
        level = schema.DimensionMetadataT()
        level.denseSize = extent
        if dim in compressed:
            level.format, level.denseSize = schema.DimensionType.SPARSE_CSR, 0
            kept = [[i for i, child in enumerate(node) if child.any()] for node in nodes]
            level.arraySegmentsType = level.arrayIndicesType = schema.SparseIndexVector.Int32Vector
            level.arraySegments, level.arrayIndices = schema.Int32VectorT(), schema.Int32VectorT()
            level.arraySegments.values = np.cumsum([0, *map(len, kept)]).tolist()
            level.arrayIndices.values = [i for of_node in kept for i in of_node]
            nodes = [node[i] for node, of_node in zip(nodes, kept, strict=True) for i in of_node]
        else:
            nodes = [child for node in nodes for child in node]
        record.dimMetadata.append(level)
    data = np.asarray(nodes, dense.dtype).tobytes()
    zeros = np.broadcast_to(np.zeros((), np.uint8), dense.shape)
    return Tensor("w", dense.shape, dense.dtype.name, zeros, TensorExtras(sparsity=record, data=data))


def densified(w: Tensor) -> Graph:
    """x times DENSIFY(w), where w is of float16 behind a DEQUANTIZE."""
    tensors = {"w": w, "x": Tensor("x", w.shape), "whole": Tensor("whole", w.shape, w.dtype), "y": Tensor("y", w.shape)}
    ops = [Op("DENSIFY", ("w",), ("whole",))]
    if w.dtype == "float16":
        tensors["floats"] = Tensor("floats", w.shape)
        ops.append(Op("DEQUANTIZE", ("whole",), ("floats",)))
    ops.append(Op("MUL", ("x", ops[-1].outputs[0]), ("y",), {"fused_activation_function": "NONE"}))
    return Graph(tensors, tuple(ops), ("x",), ("y",)).validate()


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_a_sparse_constant_is_what_tflite_makes_of_it(data: st.DataObject):
    rank = data.draw(st.integers(1, 4))
    blocks = {d: data.draw(st.integers(2, 3)) for d in range(rank) if data.draw(st.booleans())}
    shape = tuple(data.draw(st.integers(1, 3)) * blocks.get(d, 1) for d in range(rank))
    rng = np.random.default_rng(data.draw(st.integers(0, 9999)))
    dense = (rng.standard_normal(shape) * (rng.random(shape) < 0.4)).astype(data.draw(st.sampled_from(["f4", "f2"])))
    dense.flat[0] = 1.0  # a constant without any value has no bytes, and is none
    order = [*data.draw(st.permutations(range(rank))), *range(rank, rank + len(blocks))]
    w = sparse(dense, order, {d for d in range(rank) if data.draw(st.booleans())}, blocks)
    x = rng.standard_normal(shape).astype(np.float32)
    graph = read_tflite(write_tflite(densified(w)))
    assert not unsupported(graph)
    result = evaluate(graph, (x,))["y"]
    np.testing.assert_array_equal(result.astype(np.float32), x * dense.astype(np.float32))
    np.testing.assert_array_equal(computed(graph, (x,))[0], result.astype(np.float32))


def test_a_record_that_does_not_fit_is_damaged_and_says_which_tensor():
    w = sparse(np.eye(4, dtype=np.float32), [0, 1], {1}, {})
    w.raw.sparsity.dimMetadata[1].arrayIndices.values = [0, 1, 2, 9]
    with pytest.raises(GraphError, match="the sparse 'w' is damaged: it names a place outside of its shape"):
        evaluate(densified(w), (np.ones((4, 4), np.float32),))
    short = sparse(np.eye(4, dtype=np.float32), [0, 1], {1}, {})
    with pytest.raises(GraphError, match="the sparse 'w' is damaged"):
        evaluate(densified(replace(short, raw=replace(short.raw, data=b"\0" * 8))), (np.ones((4, 4), np.float32),))
