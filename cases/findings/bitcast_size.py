"""BITCAST between types of different sizes: the kernel does not compile, and nothing of the model runs."""

from __future__ import annotations

from cases.findings.model import clean, control, finding_models, minimal, still_wrong
from cases.graph import Graph, Op, Tensor
from cases.tflite.schema import DTYPE_CODE

WEBGPU = ("gpu:lavapipe*", "gpu:swiftshader*", "gpu:nvidia-*", "gpu:web*")
"""Over OpenCL the kernels have all types."""
SIZES = {"int8": 1, "uint8": 1, "int16": 2, "int32": 4}
ENDS = "int32"
"""The type of all inputs and outputs, since LiteRT 2.1.3 has no buffers of 8 and 16 bits; CASTs stand between."""


def read_as(to: str = "int8", of: str = "int32", of_one: bool = False, beside: bool = False) -> Graph:
    """The bits of numbers as those of another type: a last dimension holds those that make one of the larger ones."""
    parts = max(SIZES[of], SIZES[to]) // min(SIZES[of], SIZES[to])
    rows = () if of_one else (1, 4, 8)
    pieces = (*rows, parts)
    read, made = (pieces, rows) if SIZES[of] < SIZES[to] else (rows, pieces)
    tensors = {"x": Tensor("x", read, ENDS), "y": Tensor("y", made, ENDS)}
    ops, names = [], ["x", "y"]
    if of != ENDS:
        tensors["held"], names[0] = Tensor("held", read, of), "held"
        ops.append(_cast("x", "held", ENDS, of))
    if to != ENDS:
        tensors["bits"], names[1] = Tensor("bits", made, to), "bits"
    ops.append(Op("BITCAST", (names[0],), (names[1],)))
    if to != ENDS:
        ops.append(_cast("bits", "y", to, ENDS))
    if not beside:
        return Graph(tensors, tuple(ops), ("x",), ("y",)).validate()
    tensors |= {name: Tensor(name, (1, 4, 8)) for name in ("other", "tanh")}
    ops.append(Op("TANH", ("other",), ("tanh",)))
    return Graph(tensors, tuple(ops), ("x", "other"), ("y", "tanh")).validate()


def _cast(read: str, made: str, of: str, to: str) -> Op:
    return Op("CAST", (read,), (made,), {"in_data_type": DTYPE_CODE[of], "out_data_type": DTYPE_CODE[to]})


MODELS = finding_models(
    minimal("int32 as four int8", read_as),
    control("int32 as four uint8", read_as, to="uint8"),
    still_wrong("int16", "not four parts alone: int32 as two int16", read_as, to="int16").on_targets(
        *WEBGPU, "gpu:opencl-nvidia"
    ),
    still_wrong("joined", "not parts alone: two int16 as an int32", read_as, to="int32", of="int16"),
    still_wrong(
        "of-one", "four uint8 as one int32 without dimensions", read_as, to="int32", of="uint8", of_one=True
    ).on_targets("gpu:*"),
    still_wrong(
        "beside", "not its own output alone: a TANH of another input is lost too", read_as, beside=True
    ).in_outputs(0, 1),
    clean("four-bytes", "uint8 of four as an int32 is right", read_as, to="int32", of="uint8"),
    targets=WEBGPU,
)
