"""How the numbers of one input are made: in which range, of which kind, and why.

Key insight: an input about which the graph says nothing keeps the array of `StandardFeeds`, bit by bit. So a plan
changes only what was found out, and whatever was measured with standard feeds can still be compared.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

import numpy as np

from cases.graph import Tensor
from cases.input_plan.pictures import picture
from cases.inputs import FeedPlan, StandardFeeds
from runner import memory
from runner.cache import canonical_json
from runner.run import Feed
from runner.source_version import source_version


class Kind(StrEnum):
    """How numbers are drawn."""

    STANDARD = "standard"  # as `StandardFeeds` does
    UNIFORM = "uniform"  # real numbers from low to high
    INTEGERS = "integers"  # whole numbers from low to high, both included
    AWAY_FROM_ZERO = "away from zero"  # real numbers whose magnitude is low to high, of both signs
    MASK = "mask"  # 0 and 1; the first element of each row is `low`, so that no row is masked whole
    SHARE = "truth values"  # 0 and 1, a share `high` of them 1
    NORMAL = "normal"  # mean `low`, standard deviation `high`
    PICTURE = "pictures"  # made ones, darkest `low`, brightest `high`


@dataclass(frozen=True)
class PlannedInput:
    """One input of a graph.

    low, high: see `Kind`. high holds one number, or one per index along the last axis. reason: what says so. is_image:
    it is the pixels of a picture, whatever is drawn for them.
    """

    name: str
    kind: Kind = Kind.STANDARD
    low: float = 0.0
    high: tuple[float, ...] = (0.0,)
    reason: str = ""
    is_image: bool = False

    @property
    def numbers(self) -> str:
        """What is drawn, in words."""
        high = f"{min(self.high):g}" if min(self.high) == max(self.high) else f"{min(self.high):g}..{max(self.high):g}"
        match self.kind:
            case Kind.MASK:
                return f"0 and 1, the first of each row {self.low:g}"
            case Kind.SHARE:
                return f"{100 * max(self.high):g} % ones"
            case Kind.AWAY_FROM_ZERO:
                return f"magnitudes {self.low:g} to {high}, of both signs"
            case Kind.NORMAL:
                return f"normal, mean {self.low:g}, standard deviation {high}"
            case Kind.STANDARD:
                return "standard"
        return f"{self.kind} {self.low:g} to {high}"

    def as_json(self) -> dict[str, Any]:
        """For `--json`."""
        return {**asdict(self), "high": list(self.high), "numbers": self.numbers}

    def draw(self, shape: tuple[int, ...], dtype: str, rng: np.random.Generator) -> np.ndarray:
        """An array of this kind. Raises ValueError for STANDARD, which is not drawn here, and for an empty range."""
        high = np.asarray(self.high if len(self.high) > 1 else self.high[0])
        drawn: np.ndarray
        match self.kind:
            case Kind.UNIFORM:
                drawn = rng.uniform(self.low, high, shape)
            case Kind.INTEGERS:
                drawn = rng.integers(int(self.low), high.astype(np.int64), shape, endpoint=True)
            case Kind.AWAY_FROM_ZERO:
                drawn = rng.uniform(self.low, high, shape) * np.where(rng.random(shape) < 0.5, -1.0, 1.0)
            case Kind.MASK:
                drawn = (rng.random(shape) < 0.5).astype(np.int64)
                if shape:
                    drawn[..., :1] = int(self.low)
            case Kind.SHARE:
                drawn = rng.random(shape) < high
            case Kind.NORMAL:
                drawn = rng.normal(self.low, high, shape)
            case Kind.PICTURE:
                drawn = self.low + (high - self.low) * picture(shape, rng)
                drawn = np.rint(drawn) if np.dtype(dtype).kind in "iu" else drawn
            case Kind.STANDARD:
                raise ValueError("a standard input is made by StandardFeeds")
        return np.asarray(drawn, dtype=dtype, order="C")


_DRAWN_BYTES = 24  # of one number while it is drawn: the numbers, their signs, the result


@dataclass(frozen=True)
class PlannedFeeds:
    """Standard feeds in which the inputs with a role are drawn as their role says.

    inputs: all inputs of the graph, in its order. is_asked_for: whether somebody said how some are to be drawn.
    """

    standard: StandardFeeds
    inputs: tuple[PlannedInput, ...]
    is_asked_for: bool = False

    @property
    def by_role(self) -> dict[str, PlannedInput]:
        """The inputs with a role, by name."""
        return {planned.name: planned for planned in self.inputs if planned.kind is not Kind.STANDARD}

    @property
    def words(self) -> str:
        roles = len(self.by_role)
        return self.standard.words + (f", {roles} of {len(self.inputs)} by what the graph says" if roles else "")

    @property
    def key(self) -> str:
        """Everything that decides the arrays; without roles, the key of the standard feeds, which they are."""
        if not self.by_role:
            return self.standard.key
        roles = canonical_json([asdict(planned) for planned in self.by_role.values()]).decode()
        return f"{self.standard.key}/{roles}/{source_version(__name__)}"

    def make(self, declared: Sequence[Tensor]) -> tuple[Feed, ...]:
        """Three different feeds, and the first one again where the standard feeds have it so."""
        roles = self.by_role
        made = self.standard.make(declared)
        memory.require(
            max((int(np.prod(t.shape)) * _DRAWN_BYTES for t in declared if t.name in roles), default=0),
            "making the inputs",
        )
        feeds: list[Feed] = []
        for version, feed in enumerate(made[:3]):
            arrays = []
            for operand, (tensor, array) in enumerate(zip(declared, feed, strict=True)):
                planned = roles.get(tensor.name)
                rng = np.random.default_rng([self.standard.seed, version, operand])
                arrays.append(array if planned is None else planned.draw(tensor.shape, tensor.dtype, rng))
            feeds.append(tuple(arrays))
        return (*feeds, feeds[0]) if self.standard.again else tuple(feeds)


AnyFeedPlan = FeedPlan | PlannedFeeds
"""Which feeds a model gets, whether they are standard, planned or given."""
