"""Files of several subgraphs and signatures, put together with the schema: our writer makes one signature."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import flatbuffers
from ai_edge_litert import schema_py_generated as schema

from cases.builder import GraphBuilder
from cases.graph import Graph, Op, Tensor
from cases.tflite.extras import OpExtras
from cases.tflite.write import write_tflite
from tests.cases.evaluation.named_ops import flexbuffer


def plain(kind: str, shape: tuple[int, ...] = (1, 4)) -> Graph:
    """One unary op, from x to y."""
    g = GraphBuilder()
    return g.build([g.unary(kind, g.input("x", shape), name="y")])


def composite(body: Graph, name: str = "theirs", shape: tuple[int, ...] = (1, 4)) -> Op:
    """A composite from x to y."""
    record = schema.StableHLOCompositeOptionsT()
    record.name, record.compositeAttributes = name.encode(), list(flexbuffer({}))
    code = schema.BuiltinOptions2.StableHLOCompositeOptions
    bodies = {"decompositionSubgraphIndex": (body,)}
    return Op("STABLEHLO_COMPOSITE", ("x",), ("y",), raw=OpExtras(options_2_code=code, options_2=record, bodies=bodies))


def with_composite(body: Graph, name: str = "theirs") -> Graph:
    """relu(composite(x))."""
    shape = body.tensors[body.inputs[0]].shape
    tensors = {name: Tensor(name, shape) for name in ("x", "y", "z")}
    return Graph(tensors, (composite(body, name), Op("RELU", ("y",), ("z",))), ("x",), ("z",)).validate()


def with_while(condition: Graph, body: Graph) -> Graph:
    """A WHILE from x to y."""
    record = schema.WhileOptionsT()
    bodies = {"condSubgraphIndex": (condition,), "bodySubgraphIndex": (body,)}
    raw = OpExtras(options_code=schema.BuiltinOptions.WhileOptions, options=record, bodies=bodies)
    tensors = {name: Tensor(name, body.tensors[body.inputs[0]].shape) for name in ("x", "y")}
    return Graph(tensors, (Op("WHILE", ("x",), ("y",), {}, raw),), ("x",), ("y",)).validate()


def signed(parts: Sequence[tuple[str, Graph]]) -> bytes:
    """A file with a signature for each (key, graph)."""
    records = [_record(write_tflite(graph)) for _, graph in parts]
    whole = records[0]
    for number, (record, (key, _)) in enumerate(zip(records, parts, strict=True)):
        (signature,) = record.signatureDefs
        signature.signatureKey, signature.subgraphIndex = key.encode(), number
        if number:
            _append(whole, record)
    builder = flatbuffers.Builder(1024)
    builder.Finish(whole.Pack(builder), file_identifier=b"TFL3")
    return bytes(builder.Output())


def _record(data: bytes) -> Any:
    return schema.ModelT.InitFromObj(schema.Model.GetRootAs(data, 0))


def _append(whole: Any, record: Any) -> None:
    codes, buffers = len(whole.operatorCodes), len(whole.buffers)
    (subgraph,) = record.subgraphs
    for op in subgraph.operators:
        op.opcodeIndex += codes
    for tensor in subgraph.tensors:
        tensor.buffer += buffers
    whole.operatorCodes += record.operatorCodes
    whole.buffers += record.buffers
    whole.subgraphs.append(subgraph)
    whole.signatureDefs += record.signatureDefs
