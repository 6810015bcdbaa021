"""A .tflite file as a graph. Reading never runs anything, and damaged bytes end in one clear line.

Key insight: the generated accessors trust every offset, so each vector's length is checked against
the file's size before it is walked, and whatever they raise on damaged bytes becomes BadInput.
"""

from __future__ import annotations

import math
import struct
from dataclasses import replace
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from cases.graph import Graph, GraphError, Op, Tensor
from cases.tflite.extras import FileExtras, OpExtras, TensorExtras
from cases.tflite.schema import DTYPE_NAME, NUMPY_DTYPES, OPERATOR_NAME, OPTIONS_NAME, options_name, options_to_attrs
from runner.errors import BadInput

_DAMAGE = (struct.error, IndexError, ValueError, TypeError, OverflowError, AttributeError, MemoryError, KeyError)
_REMEDY = "give a .tflite file written by a converter"


def read_tflite(data: bytes, where: str = "model") -> Graph:
    """The graph of a single-subgraph .tflite. Constants are read-only views into `data`.

    where: how the model is called in errors. Raises BadInput for a file that is empty, no .tflite,
    truncated or damaged, or that has several subgraphs.
    """
    if not data:
        raise BadInput(f"{where}: empty file; {_REMEDY}")
    if len(data) < 8 or data[4:8] != b"TFL3":
        raise BadInput(f"{where}: not a .tflite file (no TFL3 identifier); {_REMEDY}")
    try:
        return _read(data, where)
    except BadInput:
        raise
    except GraphError as error:
        raise BadInput(f"{where}: damaged .tflite: {error}; {_REMEDY}") from error
    except _DAMAGE as error:
        what = " ".join(str(error).split())[:120]
        raise BadInput(f"{where}: truncated or damaged .tflite ({what}); {_REMEDY}") from error


def _count(data: bytes, length: int, what: str) -> int:
    # Every element of a vector of tables takes at least a 4-byte offset in the file.
    if length < 0 or length * 4 > len(data):
        raise ValueError(f"{what}: {length} entries in {len(data)} bytes")
    return length


def _read(data: bytes, where: str) -> Graph:
    model = schema.Model.GetRootAs(data, 0)
    if _count(data, model.SubgraphsLength(), "subgraphs") != 1:
        raise BadInput(
            f"{where}: has {model.SubgraphsLength()} subgraphs, and only models with one are read; export one signature"
        )
    subgraph = model.Subgraphs(0)
    buffers = _count(data, model.BuffersLength(), "buffers")
    codes = [_code(model.OperatorCodes(i)) for i in range(_count(data, model.OperatorCodesLength(), "operator codes"))]
    names: list[str] = []
    tensors: dict[str, Tensor] = {}
    for i in range(_count(data, subgraph.TensorsLength(), "tensors")):
        tensor = _tensor(data, model, subgraph.Tensors(i), i, tensors, buffers)
        names.append(tensor.name)
        tensors[tensor.name] = tensor
    ops = tuple(
        _op(data, subgraph.Operators(i), codes, names)
        for i in range(_count(data, subgraph.OperatorsLength(), "operators"))
    )
    inputs = tuple(names[i] for i in _indices(data, subgraph.InputsLength(), subgraph.InputsAsNumpy))
    outputs = tuple(names[i] for i in _indices(data, subgraph.OutputsLength(), subgraph.OutputsAsNumpy))
    _complete(tensors, names, {*inputs, *(name for op in ops for name in op.outputs)})
    extras = _file_extras(data, model, names, buffers)
    return Graph(tensors, ops, inputs, outputs, extras).validate()


def _indices(data: bytes, length: int, values: Any) -> list[int]:
    if _count(data, length, "indices") == 0:
        return []
    found = values().tolist()
    if any(i < 0 for i in found):
        raise IndexError("negative tensor index")
    return found


def _code(code: Any) -> tuple[str, str, int]:
    number = max(code.BuiltinCode(), code.DeprecatedBuiltinCode())
    custom = code.CustomCode()
    return OPERATOR_NAME[number], custom.decode(errors="replace") if custom else "", code.Version()


def _tensor(data: bytes, model: Any, table: Any, i: int, taken: dict[str, Tensor], buffers: int) -> Tensor:
    raw_name = table.Name()
    name = raw_name.decode(errors="replace") if raw_name else f"tensor#{i}"
    if name in taken:
        name = f"{name}#{i}"
    length = _count(data, table.ShapeLength(), "shape")
    shape = tuple(table.ShapeAsNumpy().tolist()) if length else ()
    dtype = DTYPE_NAME[table.Type()]
    if any(d < 0 for d in shape):
        raise ValueError(f"negative dimension in '{name}'")
    index = table.Buffer()
    if index >= buffers:
        raise IndexError("buffer index")
    blob = _blob(data, model.Buffers(index)) if index else None
    quantization = table.Quantization()
    sparsity = table.Sparsity()
    signature = None
    if table.ShapeSignatureLength():
        signature = tuple(table.ShapeSignatureAsNumpy().tolist())
    constant = None
    raw_data = None
    if blob is not None:
        if dtype in NUMPY_DTYPES and sparsity is None:
            wanted = np.dtype(dtype).itemsize * math.prod(shape)
            if wanted != len(blob):
                raise ValueError(f"constant '{name}' has {len(blob)} bytes, its shape wants {wanted}")
            constant = (
                blob.view(dtype).reshape(shape)
                if blob.ctypes.data % np.dtype(dtype).itemsize == 0
                else (np.frombuffer(blob.tobytes(), dtype).reshape(shape))
            )
        else:
            raw_data = blob.tobytes()
            constant = np.broadcast_to(np.zeros((), np.uint8), shape)
    unpacked = None
    # Converters attach an empty record to every float tensor; unpacking those would cost half the reading.
    if quantization is not None and (
        quantization.ScaleLength() or quantization.MinLength() or quantization.DetailsType()
    ):
        unpacked = schema.QuantizationParametersT.InitFromObj(quantization)
    variable = bool(table.IsVariable())
    raw = None
    if unpacked or sparsity or signature or raw_data is not None or variable:
        sparse = schema.SparsityParametersT.InitFromObj(sparsity) if sparsity is not None else None
        raw = TensorExtras(unpacked, sparse, variable, signature, raw_data)
    return Tensor(name, shape, dtype, constant, raw)


def _complete(tensors: dict[str, Tensor], names: list[str], written: set[str]) -> None:
    """What takes the other tensors to tell: constants without elements, and the scales of blockwise quantisation."""
    for name, tensor in tensors.items():
        if tensor.data is None and 0 in tensor.shape and tensor.dtype in NUMPY_DTYPES and name not in written:
            tensors[name] = replace(tensor, data=np.zeros(tensor.shape, tensor.dtype))
    for name, tensor in tensors.items():
        details = getattr(getattr(tensor.raw, "quantization", None), "details", None)
        if isinstance(details, schema.BlockwiseQuantizationT):
            at, zeros_at = details.scales, details.zeroPoints
            if not 0 <= at < len(names):
                raise IndexError(f"scales of '{name}'")
            zeros = tensors[names[zeros_at]] if 0 <= zeros_at < len(names) else None
            raw = replace(tensor.raw, block_scales=tensors[names[at]], block_zero_points=zeros)
            tensors[name] = replace(tensor, raw=raw)


def _blob(data: bytes, buffer: Any) -> np.ndarray | None:
    """The bytes of a buffer: inside the flatbuffer, or (large files) behind it at an absolute offset."""
    size = buffer.DataLength()
    if size:
        if size > len(data):
            raise ValueError("buffer longer than the file")
        blob: np.ndarray = buffer.DataAsNumpy()
        if len(blob) != size:
            raise ValueError("truncated buffer")
        return blob
    offset, size = buffer.Offset(), buffer.Size()
    if offset <= 1 or not size:
        return None
    if offset + size > len(data):
        raise ValueError("buffer behind the end of the file")
    return np.frombuffer(data, np.uint8, size, offset)


def _op(data: bytes, table: Any, codes: list[tuple[str, str, int]], names: list[str]) -> Op:
    kind, custom_code, version = codes[table.OpcodeIndex()]
    inputs: tuple[str, ...] = ()
    if _count(data, table.InputsLength(), "inputs"):
        inputs = tuple(names[i] if i >= 0 else "" for i in table.InputsAsNumpy().tolist())
    outputs = tuple(names[i] for i in _indices(data, table.OutputsLength(), table.OutputsAsNumpy))
    attrs: dict[str, Any] = {}
    options = None
    options_code = table.BuiltinOptionsType()
    if options_code:
        record = getattr(schema, OPTIONS_NAME[options_code] + "T")
        union = table.BuiltinOptions()
        if union is not None:
            options = record.InitFromBuf(union.Bytes, union.Pos)
            if OPTIONS_NAME[options_code] == options_name(kind):
                attrs, options = options_to_attrs(options), None
    custom_options = b""
    if _count(data, table.CustomOptionsLength() // 4, "custom options"):
        custom_options = table.CustomOptionsAsNumpy().tobytes()
    elif table.CustomOptionsLength():
        custom_options = bytes(table.CustomOptions(i) for i in range(table.CustomOptionsLength()))
    options_2 = None
    code_2 = table.BuiltinOptions2Type()
    if code_2:
        union = table.BuiltinOptions2()
        options_2 = schema.BuiltinOptions2Creator(code_2, union)
    raw = None
    if version != 1 or custom_code or custom_options or options is not None or options_2 is not None:
        raw = OpExtras(version, custom_code, custom_options, options_code if options else 0, options, code_2, options_2)
    return Op(kind, inputs, outputs, attrs, raw)


def _file_extras(data: bytes, model: Any, names: list[str], buffers: int) -> FileExtras:
    key = "serving_default"
    inputs: list[tuple[str, str]] = []
    outputs: list[tuple[str, str]] = []
    if _count(data, model.SignatureDefsLength(), "signatures"):
        signature = model.SignatureDefs(0)
        raw_key = signature.SignatureKey()
        key = raw_key.decode(errors="replace") if raw_key else key
        for length, get, found in (
            (signature.InputsLength(), signature.Inputs, inputs),
            (signature.OutputsLength(), signature.Outputs, outputs),
        ):
            for i in range(_count(data, length, "signature")):
                pair = get(i)
                found.append((names[pair.TensorIndex()], (pair.Name() or b"").decode(errors="replace")))
    metadata = []
    for i in range(_count(data, model.MetadataLength(), "metadata")):
        entry = model.Metadata(i)
        if entry.Buffer() >= buffers:
            raise IndexError("metadata buffer")
        blob = _blob(data, model.Buffers(entry.Buffer()))
        payload = blob.tobytes() if blob is not None else b""
        metadata.append(((entry.Name() or b"").decode(errors="replace"), payload))
    description = (model.Description() or b"").decode(errors="replace")
    return FileExtras(key, tuple(inputs), tuple(outputs), description, tuple(metadata))
