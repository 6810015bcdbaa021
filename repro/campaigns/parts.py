"""The results of one run in a file of their own, and several such files put together again.

Key insight: a part says of itself what it is a part of (which shard, of which list of cases, judged by which judge), so
that parts of different things are never taken for one: what is missing, what contradicts and what may not be mixed has
a name. The file is a journal, like those of the cache.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from repro.campaigns.campaign import CaseResult, from_record, to_record
from repro.campaigns.shards import WHOLE, Shard, missing_shards, require_one_cut
from repro.records.journal import Journal
from repro.records.journal_reader import read_journal
from repro.records.strict import fitted_or_none
from repro.verdicts.fitness import Fitness
from repro.verdicts.version import judge_version
from runner.errors import BadInput

_HEAD = "what this is a part of"
"""The key of the record that says so. No hash looks like it."""


@dataclass(frozen=True)
class Head:
    """What a part is a part of.

    shard: `2/5`. judge: version of the judge. cases: all names of the campaign, in its order. precisions: target ->
    precisions. expectations: target -> (name of its expectations, model of the phone). asked: other options that decide
    results (inputs, seed). unfit: where the target failed its controls.
    """

    shard: str
    judge: str
    cases: tuple[str, ...]
    precisions: Mapping[str, tuple[str, ...]]
    expectations: Mapping[str, tuple[str, str]]
    asked: Mapping[str, str]
    unfit: tuple[Fitness, ...] = ()


@dataclass(frozen=True)
class Part:
    """One file: its head and its results, without what is expected of them."""

    path: Path
    head: Head
    results: tuple[CaseResult, ...]


def write_part(path: Path, head: Head, results: Iterable[CaseResult]) -> None:
    """Write the results of one run. Raises BadInput where the file is there already or cannot be written."""
    if path.exists():
        raise BadInput(f"{path} is there already; name a new file for the results")
    with Journal(path) as journal:
        journal.add(_HEAD, {_HEAD: asdict(head)})
        for result in results:
            journal.add(_key(result), to_record(result))


def read_part(path: Path) -> Part:
    """Read what `write_part` wrote. Raises BadInput for anything else."""
    records = read_journal(path)
    heads = [fitted_or_none(Head, record[_HEAD]) for record in records if _HEAD in record]
    if len(heads) != 1 or heads[0] is None:
        raise BadInput(f"{path}: no results of `repro run --results`; give a file that it wrote")
    results = [from_record(record) for record in records if _HEAD not in record]
    damaged = sum(result is None for result in results)
    if damaged:
        raise BadInput(f"{path}: {damaged} of its records cannot be read; run that shard again")
    return Part(path, heads[0], tuple(result for result in results if result is not None))


def new_head(shard: Shard | None, **fields: Any) -> Head:
    """The head of a run of today's judge."""
    return Head(str(shard or WHOLE), judge_version(), **fields)


@dataclass(frozen=True)
class Merged:
    """Several parts as one run.

    results: in the order of the whole run. head: as the whole run would have written it. missing: shards that no file
    is of, and results that no file holds.
    """

    head: Head
    results: tuple[CaseResult, ...]
    missing: tuple[str, ...]


def merge(parts: Sequence[Part]) -> Merged:
    """Put parts together.

    Raises BadInput, naming the two files, where they are parts of different campaigns, were measured on different
    drivers or runtimes, or say different things of one case.
    """
    if not parts:
        raise BadInput("no file was given, so nothing is merged; name those that `repro run --results` wrote")
    first = parts[0]
    for part in parts[1:]:
        _require_same(first, part)
    require_one_cut([(part.path, Shard.parse(part.head.shard)) for part in parts])
    _require_one_environment(parts)
    found: dict[tuple[str, str, str], tuple[Part, CaseResult]] = {}
    for part in parts:
        for result in part.results:
            where = (result.target, result.case, result.precision)
            earlier = found.setdefault(where, (part, result))
            if _said(earlier[1]) != _said(result):
                raise BadInput(
                    f"{earlier[0].path} and {part.path} say different things of {result.case} on {result.target} "
                    f"{result.precision}: {_words(earlier[1])} and {_words(result)}; find out which one is right, and "
                    "merge without the other"
                )
    order = [
        (target, case, precision)
        for target, precisions in first.head.precisions.items()
        for case in first.head.cases
        for precision in precisions
    ]
    absent = missing_shards(Shard.parse(part.head.shard) for part in parts)
    if not absent:
        absent = [f"{where[1]} on {where[0]} {where[2]}" for where in order if where not in found]
    unfit = tuple(dict.fromkeys(one for part in parts for one in part.head.unfit))
    head = replace(first.head, shard="1/1", unfit=unfit)
    return Merged(head, tuple(found[where][1] for where in order if where in found), tuple(absent))


def _require_same(one: Part, other: Part) -> None:
    same = {"judge": "judges", "cases": "lists of cases", "precisions": "targets or precisions", "asked": "inputs"}
    for name, what in same.items():
        if getattr(one.head, name) != getattr(other.head, name):
            raise BadInput(f"{one.path} and {other.path} are of different {what}, so they are no parts of one run")


def _require_one_environment(parts: Sequence[Part]) -> None:
    """Raise BadInput where one target means two drivers, runtimes or libraries."""
    seen: dict[str, tuple[Path, Mapping[str, Any]]] = {}
    for part in parts:
        for result in part.results:
            here = {name: result.fingerprint[name] for name in ("runtime", "libraries", "driver", "adapter", "device")}
            path, there = seen.setdefault(result.target, (part.path, here))
            differs = [name for name in here if here[name] != there[name]]
            if differs:
                name = differs[0]
                said = f": {there[name]!r} and {here[name]!r}" if isinstance(here[name], str) else ""
                raise BadInput(
                    f"{result.target} of {path} and of {part.path} differ in their {name}{said}; results of two "
                    "environments may not be mixed: run both with the same"
                )


def _said(result: CaseResult) -> list[tuple[str, str]]:
    return [(verdict.name, verdict.said) for verdict in result.verdicts]


def _words(result: CaseResult) -> str:
    return ", ".join(verdict.said for verdict in result.verdicts)


def _key(result: CaseResult) -> str:
    return hashlib.sha256("\n".join((result.target, result.case, result.precision)).encode()).hexdigest()
