"""Shards of a matrix put together: what the whole matrix would have stored, byte for byte.

Key insight: a case and its controls are in one shard, so that every row of the answer is made where its cells are, and
merging makes no answer anew: it puts rows in order. A document that is a shard says of itself of what, under `part`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from repro.campaigns.shards import Shard, missing_shards, require_one_cut
from repro.matrix.document import from_document
from repro.matrix.environments import Environment, public_target
from repro.matrix.measure import Measured
from repro.matrix.record import CellRecord, EnvironmentRecord, Row, cell_of
from repro.records.strict import fitted_or_none
from repro.verdicts.fitness import Fitness
from repro.verdicts.subject import Subject
from repro.verdicts.version import judge_version
from runner.errors import BadInput
from runner.run import Precision
from runner.runtime_version import spoken

PART = "part"
"""The key of a document that is not the whole: what it is a part of."""


@dataclass(frozen=True)
class Head:
    """What a shard is a part of.

    shard: `2/5`. judge: version of the judge. cases: names of all models, in the order of the whole. environments: all
    that were asked for, target and runtime. unfit: where targets failed their controls.
    """

    shard: str
    judge: str
    cases: tuple[str, ...]
    environments: tuple[tuple[str, str], ...]
    precision: str
    seed: int
    unfit: tuple[Fitness, ...]


@dataclass(frozen=True)
class Part:
    """One file: its head, and the document of a matrix."""

    path: Path
    head: Head
    records: tuple[CellRecord, ...]
    environments: tuple[EnvironmentRecord, ...]
    unavailable: tuple[Mapping[str, str], ...]
    rows: tuple[Row, ...]


@dataclass(frozen=True)
class Merged:
    """Several shards as one matrix. missing: shards that no file is of."""

    measured: Measured
    rows: tuple[Row, ...]
    missing: tuple[str, ...]


def subjects_of(shard: Shard, subjects: Sequence[Subject]) -> list[Subject]:
    """The models of a shard, in their order; a model and its controls are never apart."""
    groups: dict[str, list[Subject]] = {}
    for subject in subjects:
        groups.setdefault(subject.control_of or subject.name, []).append(subject)
    chosen = set(shard.part(tuple(groups), str, lambda name: float(len(groups[name]))))
    return [subject for subject in subjects if (subject.control_of or subject.name) in chosen]


def head_of(
    shard: Shard,
    subjects: Sequence[Subject],
    environments: Sequence[Environment],
    precision: str,
    seed: int,
    unfit: Sequence[Fitness],
) -> dict[str, Any]:
    """The head of a shard, as plain data. subjects: those of the whole matrix."""
    names = tuple(subject.name for subject in subjects)
    asked = tuple((public_target(one.target), one.runtime) for one in environments)
    return asdict(Head(str(shard), judge_version(), names, asked, precision, seed, tuple(unfit)))


def read_part(path: Path) -> Part:
    """A shard that `repro matrix --shard` stored. Raises BadInput for anything else."""
    refused = BadInput(f"{path}: no shard of a matrix; give files that `repro matrix --shard I/N --out FILE` stored")
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        head = fitted_or_none(Head, document[PART])
        if head is None:
            raise refused
        kinds = (document["environments"], document["unavailable"], document["rows"])
        return Part(path, head, tuple(from_document(document)), *map(tuple, kinds))
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise refused from error


def merge(parts: Sequence[Part]) -> Merged:
    """Put shards together.

    Raises BadInput, naming the two files, where they are parts of different matrices, were measured on different
    drivers or runtimes, or say different things of one cell.
    """
    first = parts[0]
    for part in parts[1:]:
        _require_same(first, part)
    require_one_cut([(part.path, Shard.parse(part.head.shard)) for part in parts])
    head = first.head
    environments = _environments(parts)
    records = sorted(_records(parts), key=lambda record: _place(head, record))
    rows = {json.dumps(row, sort_keys=True): row for part in parts for row in part.rows}
    unavailable = {json.dumps(one, sort_keys=True): one for part in parts for one in part.unavailable}
    unfit = dict.fromkeys(one for part in parts for one in part.head.unfit)
    measured = Measured(
        tuple(records),
        tuple(environments),
        tuple(unavailable.values()),
        cached=0,
        unfit=tuple(sorted(unfit, key=lambda one: (_environment(head, one.target, one.runtime), one.precision))),
    )
    ordered = sorted(rows.values(), key=lambda row: head.cases.index(row["case"]))
    return Merged(measured, tuple(ordered), tuple(missing_shards(Shard.parse(part.head.shard) for part in parts)))


def _place(head: Head, record: CellRecord) -> tuple[int, int, int]:
    precisions = [str(precision) for precision in Precision]
    return (
        _environment(head, record["target"], record["runtime"]),
        head.cases.index(record["case"]),
        precisions.index(record["precision"]),
    )


def _environment(head: Head, target: str, runtime: str) -> int:
    """Its place in what was asked for; what calls itself otherwise stands behind all others."""
    asked = (target, runtime)
    return head.environments.index(asked) if asked in head.environments else len(head.environments)


def _require_same(one: Part, other: Part) -> None:
    same = {"judge": "judges", "cases": "models", "environments": "targets or runtimes", "seed": "inputs"}
    for name, what in {**same, "precision": "precisions"}.items():
        if getattr(one.head, name) != getattr(other.head, name):
            raise BadInput(f"{one.path} and {other.path} are of different {what}, so they are no parts of one matrix")


def _environments(parts: Sequence[Part]) -> list[EnvironmentRecord]:
    """Each environment once. Raises BadInput where one target and runtime mean two drivers or libraries."""
    seen: dict[tuple[str, str], tuple[Path, EnvironmentRecord]] = {}
    for part in parts:
        for here in part.environments:
            path, there = seen.setdefault((here["target"], here["runtime"]), (part.path, here))
            if here != there:
                name = next(key for key, value in here.items() if there.get(key) != value)
                raise BadInput(
                    f"{here['target']} with {spoken(here['runtime'])} of {path} and of {part.path} differ in their "
                    f"{name}; results of two environments may not be mixed: run both with the same"
                )
    return [record for _, record in seen.values()]


def _records(parts: Sequence[Part]) -> list[CellRecord]:
    """Each cell of each model once. Raises BadInput where two files say different things of one."""
    found: dict[tuple[str, ...], tuple[Part, CellRecord]] = {}
    for part in parts:
        for record in part.records:
            earlier, known = found.setdefault((record["case"], *cell_of(record)), (part, record))
            if known != record:
                runtime, target, precision = cell_of(record)
                raise BadInput(
                    f"{earlier.path} and {part.path} say different things of {record['case']} on {target} {precision} "
                    f"with {spoken(runtime)}; find out which one is right, and merge without the other"
                )
    return [record for _, record in found.values()]
