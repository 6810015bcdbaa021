"""What a .tflite file carries that the graph language does not model, kept so that a rewrite loses nothing."""

from __future__ import annotations

from collections.abc import Mapping
from copy import copy
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from cases.graph import Graph, Tensor


@dataclass(frozen=True)
class TensorExtras:
    """In `Tensor.raw`. data: the buffer's bytes of a constant whose dtype numpy does not know.

    block_scales, block_zero_points: the tensors that a blockwise quantisation refers to. A file refers by index; here
    they are at hand, so that no edit of a graph can lose or confuse them.
    has_empty_data: of a constant without elements, whether the file holds its bytes all the same, which are none: then
    TFLite takes it for a constant, and else for a tensor that is computed at run time.
    """

    quantization: Any = None
    sparsity: Any = None
    is_variable: bool = False
    shape_signature: tuple[int, ...] | None = None
    data: bytes | None = None
    block_scales: Tensor | None = None
    block_zero_points: Tensor | None = None
    has_empty_data: bool = False
    has_rank: bool = field(default=True, compare=False)


def grid_alone(raw: Any, moved: int = 0) -> TensorExtras | None:
    """Of what a tensor carries, the quantisation alone, for another tensor on the same grid; None where it has none.

    moved: how many dimensions further back the quantised one lies there.
    """
    record = getattr(raw, "quantization", None)
    if record is None or (record.details is None and (record.scale is None or not len(record.scale))):
        return None
    if moved and record.scale is not None and len(record.scale) > 1:
        record = copy(record)
        record.quantizedDimension += moved
    return TensorExtras(record, block_scales=raw.block_scales, block_zero_points=raw.block_zero_points)


def on_grid(scale: Any, zero_point: Any = 0, dimension: int = 0) -> TensorExtras:
    """What a file says of a quantised tensor: one scale, or one per index along a dimension."""
    quantization = schema.QuantizationParametersT()
    quantization.scale = np.asarray(scale, np.float32).reshape(-1).tolist()
    quantization.zeroPoint = np.broadcast_to(np.asarray(zero_point), (len(quantization.scale),)).tolist()
    quantization.quantizedDimension = dimension
    return TensorExtras(quantization)


def block_grid(size: int) -> Any:
    """The record of a quantisation with one scale per `size` neighbours; the writer fills in where they are."""
    quantization = schema.QuantizationParametersT()
    quantization.detailsType = schema.QuantizationDetails.BlockwiseQuantization
    quantization.details = schema.BlockwiseQuantizationT()
    quantization.details.blockSize = size
    quantization.details.zeroPoints = -1
    return quantization


@dataclass(frozen=True)
class OpExtras:
    """In `Op.raw`. options is set only for a kind whose options the language does not read into attrs.

    bodies: the subgraphs that the op runs, by the options' field that refers to them (`cases.tflite.bodies`).
    """

    version: int = 1
    custom_code: str = ""
    custom_options: bytes = b""
    options_code: int = 0
    options: Any = None
    options_2_code: int = 0
    options_2: Any = None
    bodies: Mapping[str, tuple[Graph, ...]] = field(default_factory=dict)


@dataclass(frozen=True)
class FileExtras:
    """In `Graph.extras`: signature and metadata. Names are pairs (tensor name, name in the signature).

    other_signatures: keys of the file's other signatures, which are other graphs.
    """

    signature_key: str = "serving_default"
    input_names: tuple[tuple[str, str], ...] = ()
    output_names: tuple[tuple[str, str], ...] = ()
    description: str = ""
    metadata: tuple[tuple[str, bytes], ...] = ()
    other_signatures: tuple[str, ...] = ()
