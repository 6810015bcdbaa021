"""BITCAST between types of different sizes: the kernel does not compile, and nothing of the model runs."""

from __future__ import annotations

from cases.findings.model import clean, control, finding_models, minimal, still_wrong
from cases.graph import Graph, Op, Tensor

WEBGPU = ("gpu:lavapipe*", "gpu:swiftshader*", "gpu:nvidia-*", "gpu:web*")
"""Over OpenCL the kernels have all types."""
SIZES = {"int8": 1, "uint8": 1, "int16": 2, "int32": 4, "float32": 4}


def read_as(to: str = "int8", of: str = "int32", of_one: bool = False, beside: bool = False) -> Graph:
    """The bits of x as numbers of another type: a last dimension holds those that make one of the larger ones."""
    parts = max(SIZES[of], SIZES[to]) // min(SIZES[of], SIZES[to])
    rows = () if of_one else (1, 4, 8)
    pieces = (*rows, parts) if parts > 1 else rows
    tensors = {
        "x": Tensor("x", pieces if SIZES[of] < SIZES[to] else rows, of),
        "y": Tensor("y", pieces if SIZES[of] > SIZES[to] else rows, to),
    }
    bits = Op("BITCAST", ("x",), ("y",))
    if not beside:
        return Graph(tensors, (bits,), ("x",), ("y",)).validate()
    tensors |= {name: Tensor(name, (1, 4, 8)) for name in ("other", "tanh")}
    tanh = Op("TANH", ("other",), ("tanh",))
    return Graph(tensors, (bits, tanh), ("x", "other"), ("y", "tanh")).validate()


MODELS = finding_models(
    minimal("int32 as four int8", read_as).that_in_browser("REFUSED"),
    control("int32 as four uint8", read_as, to="uint8"),
    still_wrong("int16", "not four parts alone: int32 as two int16", read_as, to="int16").that_in_browser("REFUSED"),
    still_wrong("joined", "not parts alone: two int16 as an int32", read_as, to="int32", of="int16").that_in_browser(
        "REFUSED"
    ),
    still_wrong(
        "of-one", "four uint8 as one int32 without dimensions", read_as, to="int32", of="uint8", of_one=True
    ).on_targets("gpu:*"),
    still_wrong("beside", "not its own output alone: a TANH of another input is lost too", read_as, beside=True)
    .in_outputs(0, 1)
    .that_in_browser("REFUSED"),
    clean("four-bytes", "uint8 of four as an int32 is right", read_as, to="int32", of="uint8"),
    targets=WEBGPU,
)
