"""What runs a model inside a worker: the interface of its engines, and what they answer with.

Only numpy and the standard library are imported, as in the whole of a worker.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

Feeds = list[list[np.ndarray]]


class Refused(Exception):
    """The runtime would not take the model; the text says which step and why."""


class Ended(Exception):
    """What ran the model is gone while its worker is not, as a page of a browser; the text says how it ended."""


@dataclass(frozen=True)
class Companion:
    """A second model of the same process: it runs before each run of a job's own and before its outputs are read."""

    model: bytearray
    feed: list[np.ndarray]
    precision: str
    options: Mapping[str, Any]


class Engine(Protocol):
    """What runs a model inside the worker: the C API, or the reference interpreter."""

    def run(self, model: bytearray, feeds: Feeds, precision: str, options: Mapping[str, Any]) -> JobResult: ...


class JobResult:
    """What one job gave: outputs[k][i] is output i after feed k, in the file's order."""

    def __init__(self) -> None:
        self.outputs: list[list[np.ndarray]] = []
        self.names: list[str] = []
        self.fully_accelerated: bool | None = None
        self.stages: dict[str, float] = {}

    def time_runs(self, runs: list[float], reads: list[float]) -> None:
        """Fill the stages from seconds per feed."""
        if runs:
            self.stages["first_run"] = runs[0]
            self.stages["read"] = sum(reads) / len(reads)
        if len(runs) > 1:
            self.stages["repeat_run"] = sum(runs[1:]) / (len(runs) - 1)


def one_line(error: BaseException) -> str:
    return " ".join(str(error).split())


def check_feeds(feeds: Feeds, inputs: list[tuple[str, str, tuple[int, ...]]]) -> None:
    """Raises Refused where a feed does not fit the model's inputs (name, dtype, shape; -1 where it is open)."""
    for feed in feeds:
        if len(feed) != len(inputs):
            raise Refused(f"the model has {len(inputs)} inputs, {len(feed)} arrays were given")
        for i, ((name, dtype, shape), array) in enumerate(zip(inputs, feed, strict=True)):
            if array.dtype.name != dtype or not _fits(array.shape, shape):
                raise Refused(
                    f"input {i} '{name}' is {dtype}{list(shape)}, was given {array.dtype.name}{list(array.shape)}"
                )


def _fits(given: tuple[int, ...], declared: tuple[int, ...]) -> bool:
    """Whether a shape is the declared one, in which -1 stands for any extent."""
    return len(given) == len(declared) and all(want in (-1, got) for got, want in zip(given, declared, strict=True))
