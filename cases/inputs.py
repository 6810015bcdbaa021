"""Seeded inputs: Gaussian, watermarked ones whose values say where they come from, and wide ones.

A watermark encodes operand, row and channel in a number that fp16 holds exactly, so that an output
that holds another tensor, a shifted or a transposed one can be read like a label.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from cases.graph import Tensor
from runner import memory
from runner.errors import BadInput
from runner.run import Feed
from runner.source_version import source_version

KINDS = ("gaussian", "watermark", "wide")


@dataclass(frozen=True)
class StandardFeeds:
    """(a, b, c) of one kind and seed, as `standard_feeds` makes them for the declared inputs of a model.

    again: then a once more, which tells whether equal inputs give equal bits. It costs a fifth of what a small model
    costs on a GPU, so that a catalogue goes without.
    """

    seed: int
    kind: str = "gaussian"
    again: bool = False

    @property
    def words(self) -> str:
        return f"{self.kind}, seed {self.seed}"

    @property
    def key(self) -> str:
        """Everything that decides the arrays, for the keys under which results are kept."""
        return f"{self.kind}/{self.seed}/{self.again}/{source_version(__name__)}"

    def make(self, declared: Sequence[Tensor]) -> tuple[Feed, ...]:
        feeds = standard_feeds(declared, self.seed, self.kind)
        return (*feeds, feeds[0]) if self.again else feeds


@dataclass(frozen=True, eq=False)
class GivenFeeds:
    """Arrays that are there already. words: where they are from."""

    arrays: tuple[Feed, ...]
    words: str = "given"

    @cached_property
    def key(self) -> str:
        """Content key of the arrays."""
        digest = hashlib.sha256()
        for feed in self.arrays:
            digest.update(b"feed")
            for array in feed:
                digest.update(f"{array.dtype.str}{array.shape}".encode())
                digest.update(np.ascontiguousarray(array).data)
        return digest.hexdigest()

    def make(self, declared: Sequence[Tensor]) -> tuple[Feed, ...]:
        return self.arrays


FeedPlan = StandardFeeds | GivenFeeds
"""Which feeds a model gets, said before anything is made."""

# fp16 holds every integer up to 2048 exactly, and so every multiple of 1/512 up to 4.
_STEP = 1.0 / 512.0
_DRAWN_BYTES = 8  # of a number while it is drawn; scaling and rounding make one array more each
_CODES = 2048


def gaussian(tensor: Tensor, rng: np.random.Generator) -> np.ndarray:
    """N(0, 1), scaled by 0.75 to 1.25 (operands stay within a factor of two of each other, and differ)."""
    scale = 0.75 + 0.5 * rng.random()
    return np.asarray(scale * rng.standard_normal(tensor.shape), dtype=np.float32)


def watermark(tensor: Tensor, operand: int, version: int) -> np.ndarray:
    """Value = code / 512 - 2, code = a hash-free mix of operand, row, channel and version, below 2048.

    Rows (all axes but the last) step by 37, channels by 1, operands by 509, versions by 1021, every other one by
    512 more: all prime to 2048, so neighbours differ along every axis and no two operands agree in a whole row; and
    four versions are a quarter of the range or more apart.
    """
    channels = tensor.shape[-1] if tensor.shape else 1
    rows = math.prod(tensor.shape[:-1]) if tensor.shape else 1
    code = (
        np.arange(rows, dtype=np.int64)[:, None] * 37
        + np.arange(channels, dtype=np.int64)[None, :]
        + operand * 509
        + version * 1021
        + version // 2 * 1539
    ) % _CODES
    return (code * _STEP - 2.0).astype(np.float32).reshape(tensor.shape)


def wide(tensor: Tensor, rng: np.random.Generator) -> np.ndarray:
    """Of either sign and of every size from 0.01 to 316, and one in eight is 0.

    They reach where an exponential is infinite in float32 (from 88.7 on) or nothing, and where a divisor is 0.
    """
    sizes = 10.0 ** rng.uniform(-2.0, 2.5, tensor.shape)
    signs = rng.choice((-1.0, 1.0), tensor.shape)
    values = np.asarray(signs * sizes, dtype=np.float32)
    # Never all of them: two feeds of zeros would be one feed.
    values.flat[rng.choice(values.size, values.size // 8, replace=False)] = 0.0
    return values


def _integers_of(tensor: Tensor) -> tuple[int, int]:
    """The smallest and the largest integer that an input gets."""
    quantization = getattr(tensor.raw, "quantization", None)
    if quantization is None or quantization.scale is None or not len(quantization.scale):
        return 0, 7
    return int(np.iinfo(tensor.dtype).min), int(np.iinfo(tensor.dtype).max)


def make_feed(inputs: Sequence[Tensor], seed: int, kind: str, version: int) -> Feed:
    """One feed for the declared inputs. Each version is another feed of the same seed.

    Integer inputs get 0 to 7, quantised ones any integer of their type, booleans a fair coin. Raises
    BadInput for an unknown kind or dtype, TooMuchMemory for shapes that would not fit the limit.
    """
    if kind not in KINDS:
        raise BadInput(f"inputs '{kind}' is none of {', '.join(KINDS)}")
    sizes = [math.prod(tensor.shape) * _DRAWN_BYTES for tensor in inputs]
    memory.require(sum(sizes) + 2 * max(sizes, default=0), "making the inputs")
    rng = np.random.default_rng([seed, version])
    drawn = wide if kind == "wide" else gaussian
    feed = []
    for operand, tensor in enumerate(inputs):
        if tensor.dtype == "float32":
            array = watermark(tensor, operand, version) if kind == "watermark" else drawn(tensor, rng)
        elif tensor.dtype == "float16":
            array = gaussian(tensor, rng).astype(np.float16)
        elif tensor.dtype == "bool":
            array = rng.random(tensor.shape) < 0.5
        elif tensor.dtype.startswith(("int", "uint")) and tensor.dtype not in ("int4", "uint4", "int2"):
            low, high = _integers_of(tensor)
            array = rng.integers(low, high, tensor.shape, endpoint=True).astype(tensor.dtype)
        else:
            raise BadInput(f"input '{tensor.name}' has dtype {tensor.dtype}, for which no inputs are made")
        feed.append(np.asarray(array, order="C"))  # ascontiguousarray would turn a scalar into a vector
    return tuple(feed)


def standard_feeds(inputs: Sequence[Tensor], seed: int, kind: str = "gaussian") -> tuple[Feed, Feed, Feed]:
    """(a, b, c): three different feeds.

    With two, a run that holds what the run before the last one gave (two buffers taken in turns) would be right.
    """
    return make_feed(inputs, seed, kind, 0), make_feed(inputs, seed, kind, 1), make_feed(inputs, seed, kind, 2)
