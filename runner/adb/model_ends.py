"""Names and shapes of a .tflite's inputs and outputs, read straight from the flatbuffer.

Only for engines that are driven by names (run_model). Field numbers are of
tensorflow/compiler/mlir/lite/schema/schema.fbs: Model.subgraphs 2, Model.signature_defs 7;
SubGraph.tensors 0, inputs 1, outputs 2; Tensor.shape 0, name 3; SignatureDef.inputs 0, outputs 1;
TensorMap.name 0, tensor_index 1.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from runner.errors import BadInput
from runner.flatbuffer import ints, root, scalar, string, tables


@dataclass(frozen=True)
class ModelEnds:
    """inputs: names, in the file's order. outputs: (name, shape), in the file's order.

    output_order[i]: which of the signature's outputs is the file's output i.
    """

    inputs: tuple[str, ...]
    outputs: tuple[tuple[str, tuple[int, ...]], ...]
    output_order: tuple[int, ...]


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
    return ModelEnds(tuple(names[i] for i in inputs), tuple((names[i], shapes[i]) for i in outputs), order)
