"""A graph as the bytes of a .tflite file, written with the flatbuffers schema that ai-edge-litert ships.

About a millisecond for a small graph. Constants are aligned to 16 bytes, as the schema asks. The
same graph gives the same bytes, so the file's sha256 identifies the graph.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import copy
from dataclasses import replace
from typing import Any

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema

from cases.graph import Graph, GraphError, Op, Tensor
from cases.tflite.bodies import bodies_of, with_body_indices
from cases.tflite.extras import FileExtras, OpExtras, TensorExtras
from cases.tflite.schema import DTYPE_CODE, OPERATOR_CODE, attrs_to_options
from runner import memory

# The newest version of a kind that our options need; the rest are version 1.
VERSIONS = {"FULLY_CONNECTED": 5, "BATCH_MATMUL": 1, "CONV_2D": 1, "SOFTMAX": 1, "STRIDED_SLICE": 1}

MOST_BYTES = 1 << 31
"""Of a flatbuffer, whose offsets are 32 bits with a sign."""

_Blob = bytes | memoryview | None
"""What a buffer holds; None for one that has no bytes, not even none of them."""


def write_tflite(graph: Graph) -> bytes:
    """Bytes of a .tflite with one signature: its subgraph, and behind it those that its ops run.

    Raises GraphError for a graph that is not well formed or too large, TooMuchMemory above the limit.
    """
    try:
        return _written(_with_bodies(graph.validate()), graph)
    except UnicodeEncodeError as error:
        raise GraphError(f"the name {error.object!r} is no text that UTF-8 can hold, as a .tflite must") from error


def _with_bodies(graph: Graph) -> dict[int, Graph]:
    """The graph and every graph that its ops run, each once, by id; as they are written."""
    found: dict[int, Graph] = {}
    waiting = [graph]
    while waiting:
        one = waiting.pop(0)
        if id(one) not in found:
            found[id(one)] = _with_block_scales(one)
            waiting += [body for op in one.ops for body in bodies_of(op)]
    return found


def _written(graphs: Mapping[int, Graph], main: Graph) -> bytes:
    extras = main.extras if isinstance(main.extras, FileExtras) else FileExtras()

    blobs: list[_Blob] = [None]
    shared: dict[tuple[int, int], int] = {}
    buffers_of = [_buffers_of(graph, blobs, shared) for graph in graphs.values()]
    metadata_buffers = []
    for _, data in extras.metadata:
        metadata_buffers.append(len(blobs))
        blobs.append(data or None)

    size = sum(len(blob) for blob in blobs if blob is not None)
    if size >= MOST_BYTES:
        raise GraphError(f"its constants take {size} bytes, and a .tflite holds less than 2 GiB")
    memory.require(2 * size, "writing the model")
    entries = sum(len(graph.tensors) + len(graph.ops) for graph in graphs.values())
    builder = flatbuffers.Builder(size + 4096 + 256 * entries)
    buffers = _offsets(builder, schema.ModelStartBuffersVector, [_buffer(builder, blob) for blob in blobs])
    codes: dict[tuple[str, str, int], int] = {}
    places = {key: number for number, key in enumerate(graphs)}
    written = [
        _subgraph(builder, graph, buffer_of, codes, places, f"body_{number}" if number else "main")
        for number, (graph, buffer_of) in enumerate(zip(graphs.values(), buffers_of, strict=True))
    ]
    subgraphs = _offsets(builder, schema.ModelStartSubgraphsVector, written)
    operator_codes = _offsets(
        builder, schema.ModelStartOperatorCodesVector, [_operator_code(builder, *key) for key in codes]
    )
    signatures = _offsets(builder, schema.ModelStartSignatureDefsVector, [_signature(builder, main, extras)])
    metadata = []
    for (name, _), buffer in zip(extras.metadata, metadata_buffers, strict=True):
        text = builder.CreateString(name)
        schema.MetadataStart(builder)
        schema.MetadataAddName(builder, text)
        schema.MetadataAddBuffer(builder, buffer)
        metadata.append(schema.MetadataEnd(builder))
    metadata_vector = _offsets(builder, schema.ModelStartMetadataVector, metadata) if metadata else None
    description = builder.CreateString(extras.description)

    schema.ModelStart(builder)
    schema.ModelAddVersion(builder, 3)
    schema.ModelAddOperatorCodes(builder, operator_codes)
    schema.ModelAddSubgraphs(builder, subgraphs)
    schema.ModelAddDescription(builder, description)
    schema.ModelAddBuffers(builder, buffers)
    if metadata_vector is not None:
        schema.ModelAddMetadata(builder, metadata_vector)
    schema.ModelAddSignatureDefs(builder, signatures)
    builder.Finish(schema.ModelEnd(builder), file_identifier=b"TFL3")
    return bytes(builder.Output())


def _buffers_of(graph: Graph, blobs: list[_Blob], shared: dict[tuple[int, int], int]) -> dict[str, int]:
    """Tensor name -> its buffer; new ones are added to `blobs`. shared: place in memory -> buffer."""
    buffer_of: dict[str, int] = {}
    for tensor in graph.tensors.values():
        place = _place(tensor)
        if place is not None and place in shared:
            buffer_of[tensor.name] = shared[place]
            continue
        data = _constant_bytes(tensor)
        if data is not None:
            buffer_of[tensor.name] = len(blobs)
            blobs.append(data if len(data) or getattr(tensor.raw, "has_empty_data", False) else None)
            if place is not None:
                shared[place] = buffer_of[tensor.name]
    return buffer_of


def _place(tensor: Tensor) -> tuple[int, int] | None:
    """Where the bytes of a constant lie in memory: tensors that were read from one buffer are written to one."""
    if isinstance(tensor.raw, TensorExtras) and tensor.raw.data is not None:
        return (id(tensor.raw.data), -1)
    if tensor.data is None or not tensor.data.nbytes or not tensor.data.flags.c_contiguous:
        return None
    return (tensor.data.ctypes.data, tensor.data.nbytes)


def _constant_bytes(tensor: Tensor) -> bytes | memoryview | None:
    if isinstance(tensor.raw, TensorExtras) and tensor.raw.data is not None:
        return tensor.raw.data
    if tensor.data is None:
        return None
    if tensor.data.dtype != np.dtype(tensor.dtype):
        raise GraphError(f"constant '{tensor.name}' is {tensor.data.dtype}, declared {tensor.dtype}")
    return np.ascontiguousarray(tensor.data).reshape(-1).view(np.uint8).data


def _offsets(builder: Any, start: Any, offsets: Sequence[int]) -> int:
    start(builder, len(offsets))
    for offset in reversed(offsets):
        builder.PrependUOffsetTRelative(offset)
    return builder.EndVector()


def _ints(builder: Any, values: Sequence[int]) -> int:
    return builder.CreateNumpyVector(np.asarray(values, dtype=np.int32))


def _buffer(builder: Any, blob: _Blob) -> int:
    data = None
    if blob is not None:
        builder.StartVector(1, len(blob), 16)
        builder.head = head = builder.head - len(blob)
        builder.Bytes[head : head + len(blob)] = blob
        data = builder.EndVector()
    schema.BufferStart(builder)
    if data is not None:
        schema.BufferAddData(builder, data)
    return schema.BufferEnd(builder)


def _with_block_scales(graph: Graph) -> Graph:
    """The graph with every tensor that a blockwise quantisation refers to, an edit may have left some out."""
    missing = {
        scales.name: scales
        for tensor in graph.tensors.values()
        for scales in (getattr(tensor.raw, "block_scales", None), getattr(tensor.raw, "block_zero_points", None))
        if scales is not None and scales.name not in graph.tensors
    }
    return replace(graph, tensors={**graph.tensors, **missing}) if missing else graph


def _quantization(extras: TensorExtras, index: Mapping[str, int]) -> Any:
    """The quantisation record, whose blockwise scales are where this file has them."""
    if extras.quantization is None or extras.block_scales is None:
        return extras.quantization
    record, zeros = copy(extras.quantization), extras.block_zero_points
    record.details = copy(record.details)
    record.details.scales = index[extras.block_scales.name]
    record.details.zeroPoints = -1 if zeros is None else index[zeros.name]
    return record


def _tensor(builder: Any, tensor: Tensor, buffer: int, index: Mapping[str, int]) -> int:
    extras = tensor.raw if isinstance(tensor.raw, TensorExtras) else TensorExtras()
    shape = _ints(builder, tensor.shape)
    name = builder.CreateString(tensor.name)
    record = _quantization(extras, index)
    quantization = record.Pack(builder) if record is not None else None
    sparsity = extras.sparsity.Pack(builder) if extras.sparsity is not None else None
    signature = _ints(builder, extras.shape_signature) if extras.shape_signature is not None else None
    schema.TensorStart(builder)
    schema.TensorAddShape(builder, shape)
    schema.TensorAddType(builder, DTYPE_CODE[tensor.dtype])
    schema.TensorAddBuffer(builder, buffer)
    schema.TensorAddName(builder, name)
    if quantization is not None:
        schema.TensorAddQuantization(builder, quantization)
    if sparsity is not None:
        schema.TensorAddSparsity(builder, sparsity)
    if signature is not None:
        schema.TensorAddShapeSignature(builder, signature)
    if extras.is_variable:
        schema.TensorAddIsVariable(builder, True)
    schema.TensorAddHasRank(builder, True)
    return schema.TensorEnd(builder)


def _operator(builder: Any, op: Op, index: dict[str, int], codes: dict[tuple[str, str, int], int]) -> int:
    extras = op.raw if isinstance(op.raw, OpExtras) else OpExtras(version=VERSIONS.get(op.kind, 1))
    code = codes.setdefault((op.kind, extras.custom_code, extras.version), len(codes))
    if extras.options is not None:
        options_code, options = extras.options_code, extras.options
    elif extras.custom_code:
        options_code, options = 0, None
    else:
        try:
            options_code, options = attrs_to_options(op.kind, op.attrs)
        except KeyError as error:
            raise GraphError(str(error.args[0])) from error
    inputs = _ints(builder, [index[n] if n else -1 for n in op.inputs])
    outputs = _ints(builder, [index[n] for n in op.outputs])
    packed = options.Pack(builder) if options is not None else None
    packed_2 = extras.options_2.Pack(builder) if extras.options_2 is not None else None
    custom = builder.CreateByteVector(extras.custom_options) if extras.custom_options else None
    schema.OperatorStart(builder)
    schema.OperatorAddOpcodeIndex(builder, code)
    schema.OperatorAddInputs(builder, inputs)
    schema.OperatorAddOutputs(builder, outputs)
    if packed is not None:
        schema.OperatorAddBuiltinOptionsType(builder, options_code)
        schema.OperatorAddBuiltinOptions(builder, packed)
    if packed_2 is not None:
        schema.OperatorAddBuiltinOptions2Type(builder, extras.options_2_code)
        schema.OperatorAddBuiltinOptions2(builder, packed_2)
    if custom is not None:
        schema.OperatorAddCustomOptions(builder, custom)
    return schema.OperatorEnd(builder)


def _operator_code(builder: Any, kind: str, custom_code: str, version: int) -> int:
    custom = builder.CreateString(custom_code) if custom_code else None
    code = OPERATOR_CODE[kind]
    schema.OperatorCodeStart(builder)
    schema.OperatorCodeAddDeprecatedBuiltinCode(builder, min(code, 127))
    schema.OperatorCodeAddBuiltinCode(builder, code)
    schema.OperatorCodeAddVersion(builder, version)
    if custom is not None:
        schema.OperatorCodeAddCustomCode(builder, custom)
    return schema.OperatorCodeEnd(builder)


def _subgraph(
    builder: Any,
    graph: Graph,
    buffer_of: Mapping[str, int],
    codes: dict[tuple[str, str, int], int],
    places: Mapping[int, int],
    name: str,
) -> int:
    """codes: grows by those that its operators are the first to need. places: id of a body -> its subgraph's index."""
    index = {name: i for i, name in enumerate(graph.tensors)}
    tensors = [_tensor(builder, t, buffer_of.get(t.name, 0), index) for t in graph.tensors.values()]
    ops = (with_body_indices(op, places) if any(bodies_of(op)) else op for op in graph.ops)
    operators = [_operator(builder, op, index, codes) for op in ops]
    inputs, outputs = [index[n] for n in graph.inputs], [index[n] for n in graph.outputs]
    tensor_vector = _offsets(builder, schema.SubGraphStartTensorsVector, tensors)
    operator_vector = _offsets(builder, schema.SubGraphStartOperatorsVector, operators)
    input_vector, output_vector = _ints(builder, inputs), _ints(builder, outputs)
    text = builder.CreateString(name)
    schema.SubGraphStart(builder)
    schema.SubGraphAddTensors(builder, tensor_vector)
    schema.SubGraphAddInputs(builder, input_vector)
    schema.SubGraphAddOutputs(builder, output_vector)
    schema.SubGraphAddOperators(builder, operator_vector)
    schema.SubGraphAddName(builder, text)
    return schema.SubGraphEnd(builder)


def _signature(builder: Any, graph: Graph, extras: FileExtras) -> int:
    """One signature. Names that the file gave stay where their tensor is still an input or output."""
    index = {name: i for i, name in enumerate(graph.tensors)}

    def maps(names: Sequence[str], given: dict[str, str], start: Any) -> int:
        offsets = []
        # A signature's names are sorted by the runtimes that look them up; order of the graph is kept in the subgraph.
        for name in dict.fromkeys(names):
            text = builder.CreateString(given.get(name, name))
            schema.TensorMapStart(builder)
            schema.TensorMapAddName(builder, text)
            schema.TensorMapAddTensorIndex(builder, index[name])
            offsets.append(schema.TensorMapEnd(builder))
        return _offsets(builder, start, offsets)

    inputs = maps(graph.inputs, dict(extras.input_names), schema.SignatureDefStartInputsVector)
    outputs = maps(graph.outputs, dict(extras.output_names), schema.SignatureDefStartOutputsVector)
    key = builder.CreateString(extras.signature_key)
    schema.SignatureDefStart(builder)
    schema.SignatureDefAddInputs(builder, inputs)
    schema.SignatureDefAddOutputs(builder, outputs)
    schema.SignatureDefAddSignatureKey(builder, key)
    schema.SignatureDefAddSubgraphIndex(builder, 0)
    return schema.SignatureDefEnd(builder)
