"""What a bundle says of itself, in its `bundle.json`: which model ran in which precision under which number.

Key insight: results come back with a copy of it, and from a stranger. So it names everything by hash, and whoever
judges makes models and inputs anew and believes it only where the hashes agree.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Annotated

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError

from runner.cache import canonical_json
from runner.errors import BadInput
from runner.run import Precision

FORMAT = 1
SELF_TEST = 0
"""The number of the first run: a sum, which every device can do."""
MOST_RUNS = 60_000
"""The runner's zip holds 65,000 files: of each run its outputs, of each batch two more."""

Sha256 = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
Name = Annotated[str, Field(min_length=1, max_length=300)]


@dataclass(frozen=True)
class BundledRun:
    """One model in one precision. model: its sha256. inputs: the key of the plan that makes them. feeds: theirs."""

    case: Name
    precision: Precision
    model: Sha256
    inputs: str
    feeds: tuple[tuple[Sha256, ...], ...]


@dataclass(frozen=True)
class Contents:
    """All that decides results but the device.

    device: the kind it was made for. accelerator: gpu or cpu. libraries: file name -> sha256. note: why the runner is
    not the supported build, or empty. options: of the delegate. batches: how many runs each has, in order; a run's
    number is its place among all of them, from 0, the self-test. inputs, seed: of
    all runs, where they are not the cases' own.
    """

    format: int
    device: Name
    accelerator: Name
    runtime: Name
    libraries: Mapping[Name, Sha256]
    runner: Sha256
    note: Annotated[str, Field(max_length=300)]
    options: Mapping[Name, str | int | bool]
    inputs: Annotated[str, Field(max_length=50)]
    seed: Annotated[int, Field(ge=0, lt=1 << 64)] | None
    batches: tuple[Annotated[int, Field(ge=1)], ...]
    runs: Annotated[tuple[BundledRun, ...], Field(max_length=MOST_RUNS)]

    __pydantic_config__ = ConfigDict(strict=True, extra="forbid")

    @cached_property
    def id(self) -> str:
        """Short name of exactly this bundle."""
        return hashlib.sha256(self.to_json()).hexdigest()[:12]

    def to_json(self) -> bytes:
        """Canonical."""
        return canonical_json(asdict(self))

    @cached_property
    def batch_of(self) -> tuple[int, ...]:
        """The batch of each run."""
        return tuple(batch for batch, count in enumerate(self.batches) for _ in range(count))


_CONTENTS = TypeAdapter(Contents)


def read_contents(data: bytes, where: str) -> Contents:
    """Read back what `Contents.to_json` wrote. Raises BadInput for anything else."""
    try:
        contents = _CONTENTS.validate_json(data)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(map(str, first["loc"]))
        raise BadInput(f"{where}: bundle.json is not what `repro bundle` writes ({place}: {first['msg']})") from error
    if contents.format != FORMAT:
        raise BadInput(f"{where} is of a bundle of format {contents.format}, this version reads {FORMAT}")
    if sum(contents.batches) != len(contents.runs):
        raise BadInput(f"{where}: bundle.json has {len(contents.runs)} runs, its batches have {sum(contents.batches)}")
    return contents


def batch_folder(number: int) -> str:
    """Its folder, in a bundle and in results: `batches/0003`."""
    return f"batches/{number:04}"
