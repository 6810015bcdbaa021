"""What one target did with one model: the job that was asked for and the Run that came back.

A Run judges nothing. It carries raw outputs, how the run ended, residency, times, the log and a
fingerprint, so that it can be stored and judged again under other thresholds.
"""

from __future__ import annotations

import enum
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

# Output buffers are filled with this float32 bit pattern before each run. It is finite (about
# -1.58e38), far outside fp16's range, and no kernel produces it: where it survives, nothing wrote.
SENTINEL_BITS = 0xFEEDC0DE
SENTINEL = np.array([SENTINEL_BITS], dtype=np.uint32).view(np.float32)[0]

# IEEE 754 binary16: its largest finite number, its smallest subnormal, and the magnitude below which every
# number rounds to zero (half of the smallest; the tie goes to the even zero).
FP16_MAX = 65504.0
FP16_SMALLEST = 2.0**-24
FP16_ROUNDS_TO_ZERO = FP16_SMALLEST / 2

Feed = tuple[np.ndarray, ...]
"""One set of model inputs, in the order, shapes and dtypes of the file's (first) subgraph inputs."""

Outputs = tuple[tuple[np.ndarray, ...], ...]
"""outputs[k][i]: output i, in the file's order, after feed k."""


class Precision(enum.StrEnum):
    """Arithmetic asked of the target. The cpu target runs fp32 only."""

    FP32 = "fp32"
    FP16 = "fp16"


class Outcome(enum.StrEnum):
    """How a run ended. Everything but OK has no outputs, except NOT_RESIDENT, which may."""

    OK = "OK"
    REFUSED = "REFUSED"
    """The delegate would not compile the model, and said so."""
    CRASH = "CRASH"
    """The process that ran the model ended."""
    HANG = "HANG"
    """It overran the job's deadline."""
    NOT_RESIDENT = "NOT_RESIDENT"
    """Part of the model did not run on the target's accelerator."""


@dataclass(frozen=True, repr=False)
class Job:
    """One model to run.

    model: the bytes of a .tflite file.
    feeds: the input sets to run one after another through one compiled model. The usual plan is
        (a, b, c), sometimes with a once more: different inputs, so that what an earlier run left behind is told
        apart from what is right, and equal ones, so that non-deterministic outputs are.
    precision: arithmetic asked for.
    name: for messages and logs only.
    deadline_s: wall seconds for the whole job after which it is a HANG; None lets the target
        choose (10 s plus an allowance for compiling that grows with the model).
    options: extra delegate options by the keys of LiteRT's `gpu_options` TOML, for example
        {"buffer_storage_type": 2}.
    companion: a second model that lives in the same process and runs, with its first feed, before each run of this
        one and before its outputs are read. GPU targets of this host take one.
    """

    model: bytes
    feeds: tuple[Feed, ...]
    precision: Precision = Precision.FP32
    name: str = ""
    deadline_s: float | None = None
    options: Mapping[str, str | int | bool] = field(default_factory=dict)
    companion: Job | None = None

    def __repr__(self) -> str:
        size = f"{len(self.model)} bytes, {len(self.feeds)} feeds"
        return f"<Job {self.name or 'without a name'} in {self.precision}: {size}>"

    @property
    def model_sha256(self) -> str:
        """In hex, of the bytes of the model."""
        return hashlib.sha256(self.model).hexdigest()

    @property
    def key(self) -> str:
        """sha256 over model, inputs, precision, options and companion: what decides the result on a given target."""
        digest = hashlib.sha256(hashlib.sha256(self.model).digest())
        for feed in self.feeds:
            digest.update(b"feed")
            for array in feed:
                digest.update(f"{array.dtype.str}{array.shape}".encode())
                digest.update(np.ascontiguousarray(array).data)
        digest.update(repr((str(self.precision), sorted(self.options.items()))).encode())
        if self.companion is not None:
            digest.update(self.companion.key.encode())
        return digest.hexdigest()


@dataclass(frozen=True)
class Fingerprint:
    """What produced a result. Everything needed to tell whether two results may be compared.

    target: the target's full name, for example `gpu:lavapipe`.
    runtime: LiteRT version, for example `2.3.0`.
    libraries: file name -> sha256 of the runtime's shared libraries.
    driver: Vulkan (or device) driver name and version; empty on cpu.
    adapter: adapter name as the delegate saw it, or the device's model; empty on cpu.
    precision: `fp32` or `fp16`.
    model_sha256: of the .tflite bytes.
    device: properties of a phone (model, SoC, Android build, thermal status...); empty on the host.
    """

    target: str
    runtime: str
    libraries: Mapping[str, str]
    driver: str
    adapter: str
    precision: str
    model_sha256: str
    device: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, repr=False)
class Run:
    """The record of one job on one target: what came out and how it ended, nothing judged.

    outputs: outputs[k][i] is output i (file order) after feed k, with the shape and dtype that the file declares;
        empty unless the model ran. What nothing wrote still holds `SENTINEL`, where the target could pre-fill it.
    output_names: the tensors' names, one per output; empty where the run ended before they were known.
    fully_accelerated: what the runtime said of the GPU-only compile (None: not asked or cpu).
    stages: seconds for `load`, `compile`, `first_run`, `repeat_run` (mean of the later runs), `read`.
    log: what the delegate printed during this job (its end, if long).
    message: one line saying why, unless outcome is OK.
    """

    name: str
    outcome: Outcome
    fingerprint: Fingerprint
    outputs: Outputs = ()
    output_names: tuple[str, ...] = ()
    fully_accelerated: bool | None = None
    stages: Mapping[str, float] = field(default_factory=dict)
    log: str = ""
    message: str = ""

    def __repr__(self) -> str:
        of, message = self.fingerprint, f" ({self.message})" if self.message else ""
        return f"<Run {self.name} on {of.target} {of.precision}: {self.outcome}{message}>"


def unwritten_mask(array: np.ndarray) -> np.ndarray:
    """Boolean mask, same shape: which float32 elements still hold the sentinel, compared by bits."""
    if array.dtype != np.float32:
        return np.zeros(array.shape, dtype=bool)
    return np.ascontiguousarray(array).view(np.uint32) == np.uint32(SENTINEL_BITS)
