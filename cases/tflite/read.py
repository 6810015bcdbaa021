"""A .tflite file as a graph. Reading never runs anything, and damaged bytes end in one clear line.

Key insight: the generated accessors trust every offset, so each vector's length is checked against the file's size
and counted (`cases.tflite.visits`) before it is walked, and whatever they raise on damaged bytes becomes BadInput.
Bytes of buffers are not copied: constants are views, and where a copy is needed, tensors that share a buffer share it.
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
from cases.tflite.operands import groups, require_operands
from cases.tflite.schema import (
    DTYPE_NAME,
    NUMPY_DTYPES,
    OPERATOR_NAME,
    OPTIONS_2_NAME,
    OPTIONS_NAME,
    options_name,
    options_to_attrs,
)
from cases.tflite.visits import Visits
from runner import memory
from runner.errors import BadInput

_DAMAGE = (struct.error, IndexError, ValueError, TypeError, OverflowError, AttributeError, MemoryError, KeyError)
_REMEDY = "give a .tflite file written by a converter"
MAX_RANK = 8
"""Dimensions of a tensor that LiteRT takes (litert_layout.h)."""


def read_tflite(data: bytes, where: str = "model") -> Graph:
    """The graph of a single-subgraph .tflite. Constants are read-only views into `data`.

    where: how the model is called in errors. Raises BadInput for a file that is empty, no .tflite,
    truncated or damaged, or that has several subgraphs; TooMuchMemory for one that unpacks to more than the limit.
    """
    if not data:
        raise BadInput(f"{where}: empty file; {_REMEDY}")
    if len(data) < 8 or data[4:8] != b"TFL3":
        raise BadInput(f"{where}: not a .tflite file (no TFL3 identifier); {_REMEDY}")
    try:
        return _File(data, where).graph()
    except BadInput:
        raise
    except GraphError as error:
        raise BadInput(f"{where}: damaged .tflite: {error}; {_REMEDY}") from error
    except _DAMAGE as error:
        what = " ".join(str(error).split())[:120]
        raise BadInput(f"{where}: truncated or damaged .tflite ({what}); {_REMEDY}") from error


class _File:
    """One file while it is read."""

    def __init__(self, data: bytes, where: str) -> None:
        self.data = data
        self.where = where
        self.visits = Visits(data)
        self.model = schema.Model.GetRootAs(data, 0)
        self.buffers = self.visits.vector(self.model.BuffersLength(), "buffers")
        self.names: list[str] = []
        self.tensors: dict[str, Tensor] = {}
        self._copies: dict[tuple[int, int], bytes] = {}

    def graph(self) -> Graph:
        model, vector = self.model, self.visits.vector
        if vector(model.SubgraphsLength(), "subgraphs") != 1:
            raise BadInput(
                f"{self.where}: has {model.SubgraphsLength()} subgraphs, and only models with one are read;"
                " export one signature"
            )
        subgraph = model.Subgraphs(0)
        codes = [
            self._code(model.OperatorCodes(i)) for i in range(vector(model.OperatorCodesLength(), "operator codes"))
        ]
        tensors = vector(subgraph.TensorsLength(), "tensors")
        operators = vector(subgraph.OperatorsLength(), "operators")
        self.visits.tables(tensors, operators)
        for i in range(tensors):
            tensor = self._tensor(subgraph.Tensors(i), i)
            self.names.append(tensor.name)
            self.tensors[tensor.name] = tensor
        ops = tuple(self._op(subgraph.Operators(i), codes) for i in range(operators))
        inputs = tuple(self.names[i] for i in self._indices(subgraph.InputsLength(), subgraph.InputsAsNumpy))
        outputs = tuple(self.names[i] for i in self._indices(subgraph.OutputsLength(), subgraph.OutputsAsNumpy))
        self._complete({*inputs, *(name for op in ops for name in op.outputs)})
        graph = Graph(self.tensors, ops, inputs, outputs, self._extras()).validate()
        return self._with_counted_groups(require_operands(graph))

    def _with_counted_groups(self, graph: Graph) -> Graph:
        # Who follows the delegate makes nodes of each group, so that sharing the weights unpacks as well.
        for op in graph.ops:
            if op.kind == "CONV_2D":
                self.visits.vector(groups(op, graph), "groups", 1)
        return graph

    def _indices(self, length: int, values: Any) -> list[int]:
        if self.visits.vector(length, "indices") == 0:
            return []
        found: list[int] = values().tolist()
        if any(i < 0 for i in found):
            raise IndexError("negative tensor index")
        return found

    def _code(self, code: Any) -> tuple[str, str, int]:
        number = max(code.BuiltinCode(), code.DeprecatedBuiltinCode())
        return OPERATOR_NAME[number], self.visits.text(code.CustomCode()), code.Version()

    def _tensor(self, table: Any, i: int) -> Tensor:
        name = self.visits.text(table.Name(), f"tensor#{i}")
        if name in self.tensors:
            name = f"{name}#{i}"
        rank = table.ShapeLength()
        if rank > MAX_RANK:
            raise ValueError(f"tensor '{name[:60]}' has rank {rank}, the runtime takes at most {MAX_RANK}")
        shape = tuple(table.ShapeAsNumpy().tolist()) if self.visits.vector(rank, "shape") else ()
        dtype = DTYPE_NAME[table.Type()]
        if any(d < 0 for d in shape):
            raise ValueError(f"negative dimension in '{name}'")
        blob = self._blob(table.Buffer()) if table.Buffer() else None
        sparsity = table.Sparsity()
        constant: np.ndarray | None = None
        raw_data = None
        if blob is not None:
            if dtype in NUMPY_DTYPES and sparsity is None:
                constant = self._constant(name, blob, dtype, shape)
            else:
                constant, raw_data = self._opaque(name, blob, shape, sparsity is not None)
        quantization = table.Quantization()
        unpacked = None
        # Converters attach an empty record to every float tensor; unpacking those would cost half the reading.
        if quantization is not None and (
            quantization.ScaleLength() or quantization.MinLength() or quantization.DetailsType()
        ):
            unpacked = schema.QuantizationParametersT.InitFromObj(self.visits.record(quantization))
        signature = None
        if self.visits.vector(table.ShapeSignatureLength(), "shape signature"):
            signature = tuple(table.ShapeSignatureAsNumpy().tolist())
        variable = bool(table.IsVariable())
        raw = None
        if unpacked or sparsity or signature or raw_data is not None or variable:
            sparse = None
            if sparsity is not None:
                sparse = schema.SparsityParametersT.InitFromObj(self.visits.record(sparsity))
            raw = TensorExtras(unpacked, sparse, variable, signature, raw_data)
        return Tensor(name, shape, dtype, constant, raw)

    def _constant(self, name: str, blob: np.ndarray, dtype: str, shape: tuple[int, ...]) -> np.ndarray:
        """The elements of a constant: a view of the file, or of a copy where they are not aligned in it."""
        itemsize = np.dtype(dtype).itemsize
        wanted = itemsize * math.prod(shape)
        if wanted != len(blob):
            raise ValueError(f"constant '{name}' has {len(blob)} bytes, its shape wants {wanted}")
        if blob.ctypes.data % itemsize == 0:
            return blob.view(dtype).reshape(shape)
        return np.frombuffer(self._copy(blob), dtype).reshape(shape)

    def _opaque(self, name: str, blob: np.ndarray, shape: tuple[int, ...], sparse: bool) -> tuple[np.ndarray, bytes]:
        """A constant whose elements are not read: zeros in its shape that take no memory, and its bytes."""
        elements = math.prod(shape)
        # The smallest element is int2; what is not stored (sparse tensors) would be made by who unpacks it.
        if not sparse and elements > 4 * len(blob):
            raise ValueError(f"constant '{name}' has {len(blob)} bytes, its shape wants {elements} elements")
        memory.require(elements, f"{self.where}: constant '{name[:60]}'")
        return np.broadcast_to(np.zeros((), np.uint8), shape), self._copy(blob)

    def _complete(self, written: set[str]) -> None:
        """What takes the other tensors to tell: constants without elements, and scales of blockwise quantisation."""
        names, tensors = self.names, self.tensors
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

    def _blob(self, index: int) -> np.ndarray | None:
        """The bytes of a buffer: inside the flatbuffer, or (large files) behind it at an absolute offset."""
        if index >= self.buffers:
            raise IndexError("buffer index")
        buffer = self.model.Buffers(index)
        size = buffer.DataLength()
        if size:
            if size > len(self.data):
                raise ValueError("buffer longer than the file")
            blob: np.ndarray = buffer.DataAsNumpy()
            if len(blob) != size:
                raise ValueError("truncated buffer")
            return blob
        offset, size = buffer.Offset(), buffer.Size()
        if offset <= 1 or not size:
            return None
        if offset + size > len(self.data):
            raise ValueError("buffer behind the end of the file")
        return np.frombuffer(self.data, np.uint8, size, offset)

    def _copy(self, blob: np.ndarray) -> bytes:
        """The bytes of a part of the file, copied once for all who want them."""
        place = (int(blob.ctypes.data), len(blob))
        if place not in self._copies:
            self.visits.vector(len(blob), "buffer", 1)
            self._copies[place] = blob.tobytes()
        return self._copies[place]

    def _op(self, table: Any, codes: list[tuple[str, str, int]]) -> Op:
        kind, custom_code, version = codes[table.OpcodeIndex()]
        inputs: tuple[str, ...] = ()
        if self.visits.vector(table.InputsLength(), "inputs"):
            inputs = tuple(self.names[i] if i >= 0 else "" for i in table.InputsAsNumpy().tolist())
        outputs = tuple(self.names[i] for i in self._indices(table.OutputsLength(), table.OutputsAsNumpy))
        attrs: dict[str, Any] = {}
        options = None
        options_code = table.BuiltinOptionsType()
        union = table.BuiltinOptions() if options_code else None
        if union is not None:
            options = self._options(OPTIONS_NAME[options_code], union)
            if OPTIONS_NAME[options_code] == options_name(kind):
                attrs, options = options_to_attrs(options), None
        custom_options = b""
        if self.visits.vector(table.CustomOptionsLength(), "custom options", 1):
            custom_options = table.CustomOptionsAsNumpy().tobytes()
        options_2 = None
        code_2 = table.BuiltinOptions2Type()
        union_2 = table.BuiltinOptions2() if code_2 else None
        if union_2 is not None:
            options_2 = self._options(OPTIONS_2_NAME[code_2], union_2)
        raw = None
        if version != 1 or custom_code or custom_options or options is not None or options_2 is not None:
            code = options_code if options else 0
            raw = OpExtras(version, custom_code, custom_options, code, options, code_2, options_2)
        return Op(kind, inputs, outputs, attrs, raw)

    def _options(self, record: str, union: Any) -> Any:
        table = getattr(schema, record)()
        table.Init(union.Bytes, union.Pos)
        return getattr(schema, f"{record}T").InitFromObj(self.visits.record(table))

    def _extras(self) -> FileExtras:
        model, visits = self.model, self.visits
        key = "serving_default"
        inputs: list[tuple[str, str]] = []
        outputs: list[tuple[str, str]] = []
        if visits.vector(model.SignatureDefsLength(), "signatures"):
            signature = model.SignatureDefs(0)
            key = visits.text(signature.SignatureKey(), key)
            for length, get, found in (
                (signature.InputsLength(), signature.Inputs, inputs),
                (signature.OutputsLength(), signature.Outputs, outputs),
            ):
                for i in range(visits.vector(length, "signature")):
                    pair = get(i)
                    found.append((self.names[pair.TensorIndex()], visits.text(pair.Name())))
        metadata = []
        for i in range(visits.vector(model.MetadataLength(), "metadata")):
            entry = model.Metadata(i)
            blob = self._blob(entry.Buffer())
            metadata.append((visits.text(entry.Name()), b"" if blob is None else self._copy(blob)))
        return FileExtras(key, tuple(inputs), tuple(outputs), visits.text(model.Description()), tuple(metadata))
