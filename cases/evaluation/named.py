"""Ops that a file knows by name alone: custom ops, and composites by what their name is known to mean.

Key insight: their options are no record of the schema but bytes: a flexbuffer, or for three ops of MediaPipe the C
struct that its own kernels read. A composite also carries a body of plain ops; that is what the file says it computes,
and what is here is what a delegate takes the name for.

Sources: MediaPipe's `util/tflite/operations` (public kernels of its custom ops), litert-torch (which ops its composites
stand for), LiteRT's `ml_drift_delegate/tflite/model_builder.cc` (which names the delegate knows, and their options).
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import Any

from flatbuffers import flexbuffers

from cases.graph import GraphError, Op

_PADDINGS = {1: "SAME", 2: "VALID"}  # TfLitePadding


def name_of(op: Op) -> str:
    """What a custom op or a composite is called in its file; the kind of any other op."""
    if op.kind == "CUSTOM":
        return str(getattr(op.raw, "custom_code", ""))
    if op.kind == "STABLEHLO_COMPOSITE":
        name = getattr(getattr(op.raw, "options_2", None), "name", None) or b""
        return name.decode(errors="replace") if isinstance(name, bytes) else str(name)
    return op.kind


def options_of(op: Op) -> Mapping[str, Any]:
    """The flexbuffer of a custom op or composite as a mapping; empty where it has none. Raises GraphError."""
    if op.kind == "STABLEHLO_COMPOSITE":
        data = getattr(getattr(op.raw, "options_2", None), "compositeAttributes", None)
        data = b"" if data is None else bytes(bytearray(data))
    else:
        data = getattr(op.raw, "custom_options", b"")
    if not data:
        return {}
    try:
        options = flexbuffers.Loads(data)
    except Exception as error:  # the reader trusts each offset: damaged bytes end in any exception
        raise GraphError(f"{name_of(op)}: its options are no flexbuffer") from error
    if not isinstance(options, dict):
        raise GraphError(f"{name_of(op)}: its options are no map")
    return options


def pool_options_of(op: Op) -> dict[str, Any]:
    """The TfLitePoolParams of MediaPipe's pooling ops as the attributes of a pooling op. Raises GraphError."""
    padding, stride_w, stride_h, width, height, _ = _numbers(op, 6)
    return _window(op, padding, stride_h, stride_w) | {"filter_height": height, "filter_width": width}


def transpose_conv_options_of(op: Op) -> dict[str, Any]:
    """The TfLiteTransposeConvParams of Convolution2DTransposeBias as TRANSPOSE_CONV's attributes. Raises GraphError."""
    padding, stride_w, stride_h = _numbers(op, 3)
    return _window(op, padding, stride_h, stride_w)


def _numbers(op: Op, count: int) -> tuple[int, ...]:
    data = getattr(op.raw, "custom_options", b"")
    if len(data) < 4 * count:
        raise GraphError(f"{name_of(op)}: {len(data)} bytes of options, {4 * count} are needed")
    return struct.unpack_from(f"<{count}i", data)


def _window(op: Op, padding: int, stride_h: int, stride_w: int) -> dict[str, Any]:
    if padding not in _PADDINGS:
        raise GraphError(f"{name_of(op)}: padding {padding} is neither SAME (1) nor VALID (2)")
    return {"padding": _PADDINGS[padding], "stride_h": stride_h, "stride_w": stride_w}
