"""Graphs of one custom op or composite, with its options in bytes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ai_edge_litert import schema_py_generated as schema
from flatbuffers import flexbuffers

from cases.drawn_ops.one_op import OneOp
from cases.tflite.extras import OpExtras


def flexbuffer(options: Mapping[str, Any]) -> bytes:
    """Options as converters write them: one map, lists of numbers as typed vectors."""
    builder = flexbuffers.Builder()
    with builder.Map():
        for key, value in options.items():
            if isinstance(value, list):
                builder.Key(key)
                with builder.TypedVector():
                    for number in value:
                        builder.Add(number)
            else:
                builder.Key(key)
                builder.Add(value)
    return bytes(builder.Finish())


def composite(name: str, operands: Sequence[Any], options: Mapping[str, Any]) -> OneOp:
    record = schema.StableHLOCompositeOptionsT()
    record.name, record.compositeAttributes = name.encode(), list(flexbuffer(options))
    code = schema.BuiltinOptions2.StableHLOCompositeOptions
    return OneOp("STABLEHLO_COMPOSITE", operands, raw=OpExtras(options_2_code=code, options_2=record))


def custom(
    name: str, operands: Sequence[Any], options: bytes, outputs: Sequence[str] = ("float32",), version: int = 1
) -> OneOp:
    return OneOp("CUSTOM", operands, outputs, raw=OpExtras(version, name, options))
