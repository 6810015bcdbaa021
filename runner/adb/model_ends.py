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
    root = _u32(data, 0)
    subgraph = _tables(data, root, 2)[0]
    tensors = _tables(data, subgraph, 0)
    inputs, outputs = _ints(data, subgraph, 1), _ints(data, subgraph, 2)
    names = {index: _string(data, tensors[index], 3) for index in (*inputs, *outputs)}
    signatures = _tables(data, root, 7)
    order = tuple(range(len(outputs)))
    if signatures:
        entries = {_scalar(data, t, 1): _string(data, t, 0) for t in _tables(data, signatures[0], 0)}
        names.update(entries)
        listed = [_scalar(data, t, 1) for t in _tables(data, signatures[0], 1)]
        order = tuple(listed.index(index) for index in outputs)
    shapes = {index: tuple(_ints(data, tensors[index], 0)) for index in outputs}
    return ModelEnds(tuple(names[i] for i in inputs), tuple((names[i], shapes[i]) for i in outputs), order)


def _u32(data: bytes, at: int) -> int:
    return int(struct.unpack_from("<I", data, at)[0])


def _field(data: bytes, table: int, number: int) -> int:
    """Where a table's field lies; 0 where it is absent."""
    vtable = table - int(struct.unpack_from("<i", data, table)[0])
    if vtable < 0:
        raise ValueError("a vtable before the file")
    size = int(struct.unpack_from("<H", data, vtable)[0])
    slot = 4 + 2 * number
    offset = int(struct.unpack_from("<H", data, vtable + slot)[0]) if slot + 2 <= size else 0
    return table + offset if offset else 0


def _vector(data: bytes, table: int, number: int) -> tuple[int, int]:
    place = _field(data, table, number)
    if not place:
        return 0, 0
    vector = place + _u32(data, place)
    count = _u32(data, vector)
    if count * 4 > len(data):
        raise ValueError("a vector beyond the file")
    return count, vector + 4


def _tables(data: bytes, table: int, number: int) -> list[int]:
    count, first = _vector(data, table, number)
    return [first + 4 * i + _u32(data, first + 4 * i) for i in range(count)]


def _ints(data: bytes, table: int, number: int) -> list[int]:
    count, first = _vector(data, table, number)
    return list(struct.unpack_from(f"<{count}i", data, first))


def _scalar(data: bytes, table: int, number: int) -> int:
    place = _field(data, table, number)
    return _u32(data, place) if place else 0


def _string(data: bytes, table: int, number: int) -> str:
    place = _field(data, table, number)
    if not place:
        return ""
    at = place + _u32(data, place)
    return data[at + 4 : at + 4 + _u32(data, at)].decode()
