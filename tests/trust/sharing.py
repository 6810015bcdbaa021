"""Small .tflite files whose tables share one long vector, so that they unpack to thousands of times their size."""

from __future__ import annotations

from typing import Any

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema

TABLES = 4_000
LENGTH = 50_000
LONG = np.arange(LENGTH, dtype=np.int32)

KINDS = (
    *("names", "shapes", "signatures", "scales", "opaque buffers", "constants off their alignment"),
    *("operands", "options", "custom options", "custom codes", "metadata", "one table", "groups"),
)


def sharing(kind: str) -> bytes:
    """A file of about 400 kB, `TABLES` of whose tables share what `kind` says."""
    builder = flatbuffers.Builder(1 << 20)
    count = 50_000 if kind == "one table" else TABLES if kind in KINDS[:6] else 3
    buffer_bytes = np.zeros(200_001 if kind == "constants off their alignment" else 200_000, np.uint8)
    buffers = _vector(builder, [_buffer(builder, None), _buffer(builder, buffer_bytes)])
    tensors = _vector(builder, _tensors(builder, kind, count))
    ops = _vector(builder, _ops(builder, kind))
    ends = builder.CreateNumpyVector(np.zeros(1, np.int32))
    subgraph = _table(builder, "SubGraph", Tensors=tensors, Inputs=ends, Outputs=ends, Operators=ops)
    codes = _vector(builder, _codes(builder, kind))
    metadata = _vector(builder, _metadata(builder, kind))
    subgraphs = _vector(builder, [subgraph])
    fields = {"OperatorCodes": codes, "Subgraphs": subgraphs, "Buffers": buffers, "Metadata": metadata}
    builder.Finish(_table(builder, "Model", Version=3, **fields), file_identifier=b"TFL3")
    return bytes(builder.Output())


def _tensors(builder: Any, kind: str, count: int) -> list[int]:
    fields: dict[str, Any] = {}
    if kind == "names":
        fields["Name"] = builder.CreateString("n" * 200_000)
    elif kind == "shapes":
        fields["Shape"] = builder.CreateNumpyVector(LONG)
    elif kind == "signatures":
        fields["ShapeSignature"] = builder.CreateNumpyVector(LONG)
    elif kind == "scales":
        scales = builder.CreateNumpyVector(LONG.astype(np.float32))
        fields["Quantization"] = _table(builder, "QuantizationParameters", Scale=scales)
    elif kind == "opaque buffers":
        shape = builder.CreateNumpyVector(np.array([200_000], np.int32))
        fields |= {"Buffer": 1, "Type": schema.TensorType.STRING, "Shape": shape}
    elif kind == "constants off their alignment":
        shape = builder.CreateNumpyVector(np.array([200_001], np.int32))
        fields |= {"Buffer": 1, "Type": schema.TensorType.INT8, "Shape": shape}
    elif kind == "groups":
        images = _table(builder, "Tensor", Shape=_ints(builder, 1, 4, 4, 200_000))
        weights = _table(builder, "Tensor", Shape=_ints(builder, 50_000, 1, 1, 4), Buffer=1, Type=9)
        return [images, weights, *(_table(builder, "Tensor") for _ in range(TABLES))]
    if kind == "one table":
        return [_table(builder, "Tensor")] * count
    return [_table(builder, "Tensor", **fields) for _ in range(count)]


def _ops(builder: Any, kind: str) -> list[int]:
    if kind in ("operands", "custom options"):
        operands = builder.CreateNumpyVector(np.zeros(LENGTH if kind == "operands" else 1, np.int32))
        fields: dict[str, Any] = {"Inputs": operands}
        if kind == "custom options":
            fields["CustomOptions"] = builder.CreateNumpyVector(np.zeros(200_000, np.uint8))
        return [_table(builder, "Operator", **fields) for _ in range(TABLES)]
    if kind == "options":
        long = builder.CreateNumpyVector(LONG)
        options = _table(builder, "ReshapeOptions", NewShape=long)
        ends = _ints(builder, 0)
        fields = {"BuiltinOptionsType": schema.BuiltinOptions.ReshapeOptions, "BuiltinOptions": options}
        return [_table(builder, "Operator", Inputs=ends, Outputs=ends, **fields) for _ in range(TABLES)]
    if kind == "groups":
        operands, ops = _ints(builder, 0, 1), []
        for place in range(TABLES):
            ops.append(_table(builder, "Operator", Inputs=operands, Outputs=_ints(builder, 2 + place)))
        return ops
    return []


def _codes(builder: Any, kind: str) -> list[int]:
    if kind == "custom codes":
        long = builder.CreateString("c" * 200_000)
        return [_table(builder, "OperatorCode", BuiltinCode=32, CustomCode=long) for _ in range(TABLES)]
    number = {"groups": schema.BuiltinOperator.CONV_2D, "options": schema.BuiltinOperator.RESHAPE}.get(kind, 0)
    return [_table(builder, "OperatorCode", BuiltinCode=number)]


def _metadata(builder: Any, kind: str) -> list[int]:
    if kind != "metadata":
        return []
    long = builder.CreateString("m" * 200_000)
    return [_table(builder, "Metadata", Name=long, Buffer=1) for _ in range(TABLES)]


def _buffer(builder: Any, data: np.ndarray | None) -> int:
    return _table(builder, "Buffer", **({} if data is None else {"Data": builder.CreateNumpyVector(data)}))


def _ints(builder: Any, *values: int) -> int:
    return int(builder.CreateNumpyVector(np.array(values, np.int32)))


def _vector(builder: Any, offsets: list[int]) -> int:
    builder.StartVector(4, len(offsets), 4)
    for offset in reversed(offsets):
        builder.PrependUOffsetTRelative(offset)
    return int(builder.EndVector())


def _table(builder: Any, name: str, **fields: Any) -> int:
    """A table of the schema by its generated functions. fields: by the schema's names, offsets or numbers."""
    getattr(schema, f"{name}Start")(builder)
    for field, value in fields.items():
        getattr(schema, f"{name}Add{field}")(builder, value)
    return int(getattr(schema, f"{name}End")(builder))
