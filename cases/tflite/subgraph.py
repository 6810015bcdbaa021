"""One subgraph of a .tflite file as a graph: its tensors, its ops, and the subgraphs that its ops run.

Key insight: a subgraph that an op runs (the body of a composite, the loop of a WHILE) is a graph of its own, and the op
carries it. A file refers by index; here the body is at hand, so that no edit of a graph can lose or confuse it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from cases.graph import Graph, Op, Tensor
from cases.tflite.bodies import body_indices
from cases.tflite.extras import OpExtras, TensorExtras
from cases.tflite.file_buffers import FileBuffers
from cases.tflite.operands import groups, require_operands
from cases.tflite.schema import (
    DTYPE_NAME,
    NUMPY_DTYPES,
    OPTIONS_2_NAME,
    OPTIONS_NAME,
    options_name,
    options_to_attrs,
)
from runner import memory

MAX_RANK = 8
"""Dimensions of a tensor that LiteRT takes (litert_layout.h)."""


class SubgraphReader:
    """One subgraph while it is read. names: of its tensors, by their index in the file.

    codes: the file's operator codes as (kind, custom code, version). body: the subgraph of an index, or None
    for one that is not to be had.
    """

    def __init__(
        self, file: FileBuffers, codes: list[tuple[str, str, int]], where: str, body: Callable[[int], Graph | None]
    ) -> None:
        self.where = where
        self.names: list[str] = []
        self.tensors: dict[str, Tensor] = {}
        self._file = file
        self._visits = file.visits
        self._codes = codes
        self._body = body

    def graph(self, subgraph: Any) -> Graph:
        """The graph, without the file's extras. Raises GraphError, or anything that damaged bytes end in."""
        tensors = self._visits.vector(subgraph.TensorsLength(), "tensors")
        operators = self._visits.vector(subgraph.OperatorsLength(), "operators")
        self._visits.tables(tensors, operators)
        for i in range(tensors):
            tensor = self._tensor(subgraph.Tensors(i), i)
            self.names.append(tensor.name)
            self.tensors[tensor.name] = tensor
        ops = tuple(self._op(subgraph.Operators(i)) for i in range(operators))
        inputs = tuple(self.names[i] for i in self._indices(subgraph.InputsLength(), subgraph.InputsAsNumpy))
        outputs = tuple(self.names[i] for i in self._indices(subgraph.OutputsLength(), subgraph.OutputsAsNumpy))
        self._complete({*inputs, *(name for op in ops for name in op.outputs)})
        graph = Graph(self.tensors, ops, inputs, outputs).validate()
        return self._with_counted_groups(require_operands(graph))

    def _with_counted_groups(self, graph: Graph) -> Graph:
        # Who follows the delegate makes nodes of each group, so that sharing the weights unpacks as well.
        for op in graph.ops:
            if op.kind == "CONV_2D":
                self._visits.vector(groups(op, graph), "groups", 1)
        return graph

    def _indices(self, length: int, values: Any) -> list[int]:
        if self._visits.vector(length, "indices") == 0:
            return []
        found: list[int] = values().tolist()
        if any(i < 0 for i in found):
            raise IndexError("negative tensor index")
        return found

    def _tensor(self, table: Any, i: int) -> Tensor:
        name = self._visits.text(table.Name(), f"tensor#{i}")
        if name in self.tensors:
            name = f"{name}#{i}"
        rank = table.ShapeLength()
        if rank > MAX_RANK:
            raise ValueError(f"tensor '{name[:60]}' has rank {rank}, the runtime takes at most {MAX_RANK}")
        shape = tuple(table.ShapeAsNumpy().tolist()) if self._visits.vector(rank, "shape") else ()
        dtype = DTYPE_NAME[table.Type()]
        if any(d < 0 for d in shape):
            raise ValueError(f"negative dimension in '{name}'")
        blob = self._file.blob(table.Buffer()) if table.Buffer() else None
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
            unpacked = schema.QuantizationParametersT.InitFromObj(self._visits.record(quantization))
        signature = None
        if self._visits.vector(table.ShapeSignatureLength(), "shape signature"):
            signature = tuple(table.ShapeSignatureAsNumpy().tolist())
        variable, is_empty = bool(table.IsVariable()), 0 in shape and self._file.is_there(table.Buffer())
        raw = None
        if unpacked or sparsity or signature or raw_data is not None or variable or is_empty:
            sparse = None
            if sparsity is not None:
                sparse = schema.SparsityParametersT.InitFromObj(self._visits.record(sparsity))
            raw = TensorExtras(unpacked, sparse, variable, signature, raw_data)
            raw = replace(raw, has_empty_data=is_empty, has_rank=bool(table.HasRank()))
        return Tensor(name, shape, dtype, constant, raw)

    def _constant(self, name: str, blob: np.ndarray, dtype: str, shape: tuple[int, ...]) -> np.ndarray:
        """The elements of a constant: a view of the file, or of a copy where they are not aligned in it."""
        itemsize = np.dtype(dtype).itemsize
        wanted = itemsize * math.prod(shape)
        if wanted != len(blob):
            raise ValueError(f"constant '{name}' has {len(blob)} bytes, its shape wants {wanted}")
        if blob.ctypes.data % itemsize == 0:
            return blob.view(dtype).reshape(shape)
        return np.frombuffer(self._file.copy(blob), dtype).reshape(shape)

    def _opaque(self, name: str, blob: np.ndarray, shape: tuple[int, ...], sparse: bool) -> tuple[np.ndarray, bytes]:
        """A constant whose elements are not read: zeros in its shape that take no memory, and its bytes."""
        elements = math.prod(shape)
        # The smallest element is int2; what is not stored (sparse tensors) would be made by who unpacks it.
        if not sparse and elements > 4 * len(blob):
            raise ValueError(f"constant '{name}' has {len(blob)} bytes, its shape wants {elements} elements")
        memory.require(elements, f"{self.where}: constant '{name[:60]}'")
        return np.broadcast_to(np.zeros((), np.uint8), shape), self._file.copy(blob)

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

    def _op(self, table: Any) -> Op:
        kind, custom_code, version = self._codes[table.OpcodeIndex()]
        inputs: tuple[str, ...] = ()
        if self._visits.vector(table.InputsLength(), "inputs"):
            inputs = tuple(self.names[i] if i >= 0 else "" for i in table.InputsAsNumpy().tolist())
        outputs = tuple(self.names[i] for i in self._indices(table.OutputsLength(), table.OutputsAsNumpy))
        attrs: dict[str, Any] = {}
        options = None
        options_code = table.BuiltinOptionsType()
        union = table.BuiltinOptions() if options_code else None
        if union is not None:
            options = self._options(OPTIONS_NAME[options_code], union)
            # An index of a subgraph means something in its own file only, so that it never becomes an attribute.
            if OPTIONS_NAME[options_code] == options_name(kind) and not body_indices(options):
                attrs, options = options_to_attrs(options), None
        custom_options = b""
        if self._visits.vector(table.CustomOptionsLength(), "custom options", 1):
            custom_options = table.CustomOptionsAsNumpy().tobytes()
        options_2 = None
        code_2 = table.BuiltinOptions2Type()
        union_2 = table.BuiltinOptions2() if code_2 else None
        if union_2 is not None:
            options_2 = self._options(OPTIONS_2_NAME[code_2], union_2)
        raw = None
        if version != 1 or custom_code or custom_options or options is not None or options_2 is not None:
            code, bodies = options_code if options else 0, self._bodies(options) | self._bodies(options_2)
            raw = OpExtras(version, custom_code, custom_options, code, options, code_2, options_2, bodies)
        return Op(kind, inputs, outputs, attrs, raw)

    def _bodies(self, record: Any) -> dict[str, tuple[Graph, ...]]:
        found = {field: [self._body(i) for i in indices] for field, indices in body_indices(record).items()}
        # Without a body where one is not to be had: half a WHILE means nothing.
        return {
            field: whole
            for field, bodies in found.items()
            if len(whole := tuple(body for body in bodies if body is not None)) == len(bodies) and bodies
        }

    def _options(self, record: str, union: Any) -> Any:
        table = getattr(schema, record)()
        table.Init(union.Bytes, union.Pos)
        return getattr(schema, f"{record}T").InitFromObj(self._visits.record(table))
