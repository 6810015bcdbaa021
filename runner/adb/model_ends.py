"""Names, shapes and types of a .tflite's inputs and outputs, read straight from the flatbuffer.

For engines that are driven by names (run_model), and for answers of a device that is not trusted. Field numbers are of
tensorflow/compiler/mlir/lite/schema/schema.fbs: Model.subgraphs 2, Model.signature_defs 7;
SubGraph.tensors 0, inputs 1, outputs 2; Tensor.shape 0, type 1, name 3; SignatureDef.inputs 0, outputs 1;
TensorMap.name 0, tensor_index 1.
"""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass

import numpy as np

from runner.errors import BadInput
from runner.flatbuffer import byte, ints, root, scalar, string, tables

# Of the schema's TensorType, by its numbers.
_DTYPES = {
    **{0: "float32", 1: "float16", 2: "int32", 3: "uint8", 4: "int64", 6: "bool", 7: "int16", 8: "complex64"},
    **{9: "int8", 10: "float64", 12: "uint64", 15: "uint32", 16: "uint16"},
}


@dataclass(frozen=True)
class ModelEnds:
    """inputs: names, in the file's order. outputs: (name, shape), in the file's order.

    output_order[i]: which of the signature's outputs is the file's output i. dtypes: of the outputs, numpy's names;
    empty for a type that no output is read in.
    """

    inputs: tuple[str, ...]
    outputs: tuple[tuple[str, tuple[int, ...]], ...]
    output_order: tuple[int, ...]
    dtypes: tuple[str, ...]

    @property
    def output_bytes(self) -> int:
        """Of all outputs, after one feed."""
        sizes = (np.dtype(dtype).itemsize if dtype else 0 for dtype in self.dtypes)
        return sum(math.prod(shape) * size for (_, shape), size in zip(self.outputs, sizes, strict=True))


def read_ends(model: bytes) -> ModelEnds:
    """Raises BadInput for bytes that are no model."""
    try:
        return _read(model)
    except (struct.error, IndexError, ValueError, UnicodeDecodeError) as error:
        raise BadInput(f"the model cannot be read ({error}); give a whole .tflite file") from error


def _read(data: bytes) -> ModelEnds:
    model = root(data)
    subgraph = tables(data, model, 2)[0]
    tensors = tables(data, subgraph, 0)
    inputs, outputs = ints(data, subgraph, 1), ints(data, subgraph, 2)
    names = {index: string(data, tensors[index], 3) for index in (*inputs, *outputs)}
    signatures = tables(data, model, 7)
    order = tuple(range(len(outputs)))
    if signatures:
        entries = {scalar(data, t, 1): string(data, t, 0) for t in tables(data, signatures[0], 0)}
        names.update(entries)
        listed = [scalar(data, t, 1) for t in tables(data, signatures[0], 1)]
        order = tuple(listed.index(index) for index in outputs)
    shapes = {index: tuple(ints(data, tensors[index], 0)) for index in outputs}
    dtypes = tuple(_DTYPES.get(byte(data, tensors[index], 1), "") for index in outputs)
    return ModelEnds(tuple(names[i] for i in inputs), tuple((names[i], shapes[i]) for i in outputs), order, dtypes)
