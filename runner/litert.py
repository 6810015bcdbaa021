"""LiteRT's C API by ctypes, from the `libLiteRt.so` of any runtime folder: the one place that knows API differences.

Key insight: the Python package of each LiteRT version has its own classes and options, but the C
API underneath, the opaque option string included, is the same from 2.1.3 on, except for one changed
signature (`CreateModelFromBuffer` gained the environment in 2.1.6) and a few added calls. Bound
here, every version and every option of the delegate is reachable without importing any package.

Only the standard library and numpy are imported: this runs in worker processes.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable, Mapping, Sequence
from ctypes import byref, c_bool, c_char_p, c_int, c_int64, c_size_t, c_void_p
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from runner.encoding import toml_literal

CPU = 1
GPU = 2

# litert/c/litert_environment_options.h and litert_any.h
_TAG_RUNTIME_LIBRARY_DIR = 22
_TAG_MIN_LOGGER_SEVERITY = 25
_ANY_INT = 2
_ANY_STRING = 8
_LOG_VERBOSE = 0
_LOCK_READ = 0
_LOCK_WRITE = 1

# litert/c/litert_model_types.h
ELEMENT_TYPES: Mapping[int, str] = {
    1: "float32",
    2: "int32",
    3: "uint8",
    4: "int64",
    6: "bool",
    7: "int16",
    8: "complex64",
    9: "int8",
    10: "float16",
    11: "float64",
    13: "uint64",
    16: "uint32",
    17: "uint16",
}

# litert/c/litert_common.h, enum LiteRtDelegatePrecision
PRECISIONS: Mapping[str, int] = {"fp16": 1, "fp32": 2}


class LiteRtError(Exception):
    """A call of the C API returned a status other than Ok. `status` is the number, `call` the function."""

    def __init__(self, call: str, status: int, name: str = "") -> None:
        super().__init__(f"{call} returned status {status}" + (f" ({name})" if name else ""))
        self.call = call
        self.status = status


class _Any(ctypes.Structure):
    class _Value(ctypes.Union):
        _fields_ = (("i", c_int64), ("s", c_char_p))

    _fields_ = (("type", c_int), ("value", _Value))


class _EnvOption(ctypes.Structure):
    _fields_ = (("tag", c_int), ("value", _Any))


class _Layout(ctypes.Structure):
    _fields_ = (
        ("rank", ctypes.c_uint, 7),
        ("has_strides", ctypes.c_uint, 1),
        ("dimensions", ctypes.c_int32 * 8),
        ("strides", ctypes.c_uint32 * 8),
    )


class _RankedTensorType(ctypes.Structure):
    _fields_ = (("element_type", c_int), ("layout", _Layout))


@dataclass(frozen=True)
class TensorInfo:
    """An input or output of the model. dtype is a numpy name, or `type <number>` for one numpy lacks.

    shape: as the signature declares it; -1 where it leaves an extent open.
    """

    name: str
    dtype: str
    shape: tuple[int, ...]

    @property
    def is_open(self) -> bool:
        """Whether whoever runs the model decides on an extent."""
        return any(extent < 0 for extent in self.shape)


class LiteRt:
    """The shared library of one runtime folder, loaded into this process. Load one per process."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._lib = ctypes.CDLL(str(folder / "libLiteRt.so"))
        # 2.1.6 added CreateModelFromFd and, under unchanged names, an `env` argument to its siblings.
        self._model_takes_env = self.has("LiteRtCreateModelFromFd")
        libc = ctypes.CDLL(None)
        libc.strdup.restype = c_void_p
        self._strdup = libc.strdup
        self._free = ctypes.cast(libc.free, c_void_p)

    def has(self, name: str) -> bool:
        """Whether this version exports the function."""
        return hasattr(self._lib, name)

    def call(self, name: str, *args: Any) -> None:
        """Call a function that returns LiteRtStatus. Raises LiteRtError unless it is Ok."""
        status = getattr(self._lib, name)(*args)
        if status != 0:
            raise LiteRtError(name, status, self._status_name(status))

    def out(self, name: str, *args: Any, kind: Callable[[], Any] = c_void_p) -> Any:
        """Call a function whose last argument is an out parameter; return its value."""
        result = kind()
        self.call(name, *args, byref(result))
        return result.value

    def destroy(self, name: str, handle: Any) -> None:
        function = getattr(self._lib, name)
        function.restype = None
        function(c_void_p(handle))

    def _status_name(self, status: int) -> str:
        if not self.has("LiteRtGetStatusString"):
            return ""
        function = self._lib.LiteRtGetStatusString
        function.restype = c_char_p
        return (function(status) or b"").decode(errors="replace")

    def create_model(self, environment: int, data: ctypes.Array[ctypes.c_char] | bytes | bytearray) -> int:
        """A model over `data`, which must outlive it. Raises LiteRtError for what is no model."""
        if isinstance(data, bytearray):
            data = (ctypes.c_char * len(data)).from_buffer(data)  # in place: a model may take much of the memory
        first = (c_void_p(environment),) if self._model_takes_env else ()
        return int(self.out("LiteRtCreateModelFromBuffer", *first, data, c_size_t(len(data))))

    def create_options(self, accelerators: int, gpu_options: Mapping[str, str | int | bool]) -> int:
        """Compile options for the given accelerators; `gpu_options` become the delegate's TOML string."""
        options = self.out("LiteRtCreateOptions")
        self.call("LiteRtSetOptionsHardwareAccelerators", c_void_p(options), c_int(accelerators))
        if gpu_options:
            toml = "".join(f"{key} = {toml_value(value)}\n" for key, value in gpu_options.items())
            payload = self._strdup(toml.encode())  # freed by LiteRT through the destructor we pass
            opaque = self.out("LiteRtCreateOpaqueOptions", b"gpu_options", c_void_p(payload), self._free)
            self.call("LiteRtAddOpaqueOptions", c_void_p(options), c_void_p(opaque))
        return int(options)


def toml_value(value: str | int | bool) -> str:
    """One TOML scalar: the delegate's option parser takes integers, booleans and basic strings."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    return toml_literal(value)


class Environment:
    """A LiteRT environment: finds accelerators in the runtime's folder. Lives as long as its worker."""

    def __init__(self, lib: LiteRt) -> None:
        self.lib = lib
        folder = os.fsencode(lib.folder)
        options = (_EnvOption * 2)()
        options[0].tag = _TAG_RUNTIME_LIBRARY_DIR
        options[0].value.type = _ANY_STRING
        options[0].value.value.s = folder
        options[1].tag = _TAG_MIN_LOGGER_SEVERITY
        options[1].value.type = _ANY_INT
        options[1].value.value.i = _LOG_VERBOSE
        self._keep = (folder, options)
        self.handle: int = lib.out("LiteRtCreateEnvironment", c_int(2), options)

    def close(self) -> None:
        if self.handle:
            self.lib.destroy("LiteRtDestroyEnvironment", self.handle)
            self.handle = 0


class Model:
    """A .tflite in memory: its inputs and outputs in the order of the first subgraph.

    LiteRT numbers inputs and outputs by signature, whose order may differ from the file's;
    `input_order[i]` is the signature's index of the file's input i, `output_order` likewise.
    """

    def __init__(self, environment: Environment, data: bytes | bytearray) -> None:
        self.lib = environment.lib
        self._data = data
        self.handle = self.lib.create_model(environment.handle, data)
        lib, model = self.lib, c_void_p(self.handle)
        signature = c_void_p(lib.out("LiteRtGetModelSignature", model, c_size_t(0)))
        subgraph = c_void_p(lib.out("LiteRtGetSignatureSubgraph", signature))
        self.inputs, self.input_order = self._ends(signature, subgraph, "Input")
        self.outputs, self.output_order = self._ends(signature, subgraph, "Output")

    def _ends(
        self, signature: c_void_p, subgraph: c_void_p, kind: str
    ) -> tuple[tuple[TensorInfo, ...], tuple[int, ...]]:
        lib = self.lib
        count = lib.out(f"LiteRtGetNumSubgraph{kind}s", subgraph, kind=c_size_t)
        tensors = [lib.out(f"LiteRtGetSubgraph{kind}", subgraph, c_size_t(i)) for i in range(count)]
        signed = lib.out(f"LiteRtGetNumSignature{kind}s", signature, kind=c_size_t)
        by_signature = [
            lib.out(f"LiteRtGetSignature{kind}TensorByIndex", signature, c_size_t(i)) for i in range(signed)
        ]
        order: list[int] = []
        for tensor in tensors:
            places = [i for i, other in enumerate(by_signature) if other == tensor]
            if not places:
                raise LiteRtError(f"LiteRtGetSignature{kind}TensorByIndex", 0, "a tensor is not in the signature")
            # The same tensor may be listed twice: use each place once, then the last again.
            order.append(next((i for i in places if i not in order), places[-1]))
        return tuple(self._info(tensor) for tensor in tensors), tuple(order)

    def _info(self, tensor: int) -> TensorInfo:
        name = self.lib.out("LiteRtGetTensorName", c_void_p(tensor), kind=c_char_p)
        ranked = _RankedTensorType()
        self.lib.call("LiteRtGetRankedTensorType", c_void_p(tensor), byref(ranked))
        dtype = ELEMENT_TYPES.get(ranked.element_type, f"type {ranked.element_type}")
        shape = tuple(ranked.layout.dimensions[: ranked.layout.rank])
        return TensorInfo((name or b"").decode(errors="replace"), dtype, shape)

    def close(self) -> None:
        if self.handle:
            self.lib.destroy("LiteRtDestroyModel", self.handle)
            self.handle = 0


class CompiledModel:
    """A model compiled for an accelerator set, with one buffer per input and output. A context manager."""

    def __init__(
        self,
        environment: Environment,
        model: Model,
        accelerators: int,
        gpu_options: Mapping[str, str | int | bool],
    ) -> None:
        self.lib = environment.lib
        self.model = model
        self._environment = environment
        self._buffers: list[int] = []
        self._options = self.lib.create_options(accelerators, gpu_options)
        self.handle = 0
        try:
            self.handle = self.lib.out(
                "LiteRtCreateCompiledModel",
                c_void_p(environment.handle),
                c_void_p(model.handle),
                c_void_p(self._options),
            )
        except LiteRtError:
            self.close()
            raise

    def __enter__(self) -> CompiledModel:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def fully_accelerated(self) -> bool:
        """What LiteRT says of the compile. Where the version can, CPU kernels do not count as accelerated."""
        name = "LiteRtCompiledModelIsNonCpuFullyAccelerated"
        if not self.lib.has(name):
            name = "LiteRtCompiledModelIsFullyAccelerated"
        return bool(self.lib.out(name, c_void_p(self.handle), kind=c_bool))

    def resize(self, shapes: Sequence[tuple[int, ...]]) -> None:
        """Give the file's inputs, in its order, shapes that their signature leaves open. Raises LiteRtError.

        What the file's own shape is already is left as it is, so that it runs as it runs for anybody.
        """
        for info, shape, index in zip(self.model.inputs, shapes, self.model.input_order, strict=True):
            if not info.is_open or self._input_shape(index) == shape:
                continue
            if not self.lib.has("LiteRtCompiledModelResizeInputTensor"):
                raise LiteRtError("LiteRtCompiledModelResizeInputTensor", 0, "this LiteRT cannot resize an input")
            dims = (ctypes.c_int * len(shape))(*shape)
            self.lib.call(
                "LiteRtCompiledModelResizeInputTensor",
                c_void_p(self.handle),
                c_size_t(0),
                c_size_t(index),
                dims,
                c_size_t(len(shape)),
            )

    def _input_shape(self, index: int) -> tuple[int, ...]:
        layout = _Layout()
        self.lib.call(
            "LiteRtGetCompiledModelInputTensorLayout",
            c_void_p(self.handle),
            c_size_t(0),
            c_size_t(index),
            byref(layout),
        )
        return tuple(layout.dimensions[: layout.rank])

    def allocate(self, input_shapes: Sequence[tuple[int, ...]]) -> None:
        """Create the buffers that the accelerator asks for. input_shapes: in the file's order. Raises LiteRtError."""
        self._inputs = self._create("Input", self.model.inputs, self.model.input_order, input_shapes)
        output_shapes = [self.output_shape(i) for i in range(len(self.model.outputs))]
        self._outputs = self._create("Output", self.model.outputs, self.model.output_order, output_shapes)

    def _create(
        self, kind: str, infos: Sequence[TensorInfo], order: Sequence[int], shapes: Sequence[tuple[int, ...]]
    ) -> Any:
        count = max(order, default=-1) + 1
        handles = (c_void_p * max(count, 1))()
        for info, index, shape in zip(infos, order, shapes, strict=True):
            if handles[index]:
                continue
            requirements = self.lib.out(
                f"LiteRtGetCompiledModel{kind}BufferRequirements",
                c_void_p(self.handle),
                c_size_t(0),
                c_size_t(index),
            )
            ranked = _RankedTensorType()
            ranked.element_type = next(n for n, dtype in ELEMENT_TYPES.items() if dtype == info.dtype)
            ranked.layout.rank = len(shape)
            for axis, extent in enumerate(shape):
                ranked.layout.dimensions[axis] = extent
            buffer = self.lib.out(
                "LiteRtCreateManagedTensorBufferFromRequirements",
                c_void_p(self._environment.handle),
                byref(ranked),
                c_void_p(requirements),
            )
            handles[index] = buffer
            self._buffers.append(buffer)
        return (count, handles)

    def output_shape(self, index: int) -> tuple[int, ...]:
        """Shape of the file's output `index`, asked of the compiled model where the file leaves it open."""
        info = self.model.outputs[index]
        if not info.is_open:
            return info.shape
        count = max(self.model.output_order) + 1
        layouts = (_Layout * count)()
        self.lib.call(
            "LiteRtGetCompiledModelOutputTensorLayouts",
            c_void_p(self.handle),
            c_size_t(0),
            c_size_t(count),
            layouts,
            c_bool(True),
        )
        layout = layouts[self.model.output_order[index]]
        return tuple(layout.dimensions[: layout.rank])

    def write_input(self, index: int, array: np.ndarray) -> None:
        """Copy `array` into the file's input `index`; shape and dtype must already fit."""
        flat = np.ascontiguousarray(array)
        self._write(self._inputs[1][self.model.input_order[index]], flat)

    def fill_output(self, index: int, pattern: np.ndarray) -> None:
        """Overwrite the whole of the file's output `index` with `pattern` (same byte size)."""
        self._write(self._outputs[1][self.model.output_order[index]], pattern)

    def read_output(self, index: int) -> np.ndarray:
        """A copy of the file's output `index`. Raises LiteRtError."""
        info = self.model.outputs[index]
        result = np.empty(self.output_shape(index), dtype=info.dtype)
        handle = c_void_p(self._outputs[1][self.model.output_order[index]])
        address = self._lock(handle, _LOCK_READ)
        ctypes.memmove(result.ctypes.data, address, result.nbytes)
        self.lib.call("LiteRtUnlockTensorBuffer", handle)
        return result

    def _write(self, handle: int, flat: np.ndarray) -> None:
        address = self._lock(c_void_p(handle), _LOCK_WRITE)
        ctypes.memmove(address, flat.ctypes.data, flat.nbytes)
        self.lib.call("LiteRtUnlockTensorBuffer", c_void_p(handle))

    def _lock(self, handle: c_void_p, mode: int) -> int:
        address = c_void_p()
        self.lib.call("LiteRtLockTensorBuffer", handle, byref(address), c_int(mode))
        return int(address.value or 0)

    def run(self) -> None:
        """One inference, synchronously. Raises LiteRtError."""
        in_count, inputs = self._inputs
        out_count, outputs = self._outputs
        self.lib.call(
            "LiteRtRunCompiledModel",
            c_void_p(self.handle),
            c_size_t(0),
            c_size_t(in_count),
            inputs,
            c_size_t(out_count),
            outputs,
        )

    def close(self) -> None:
        for handle in self._buffers:
            self.lib.destroy("LiteRtDestroyTensorBuffer", handle)
        self._buffers = []
        if self.handle:
            self.lib.destroy("LiteRtDestroyCompiledModel", self.handle)
            self.handle = 0
        if self._options:
            self.lib.destroy("LiteRtDestroyOptions", self._options)
            self._options = 0
