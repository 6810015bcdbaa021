"""Shards of a hunt put together: the bugs that all of them found, each once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from repro.campaigns.shards import Shard, missing_shards, require_one_cut
from repro.fuzzer.corpus import State
from repro.fuzzer.hunt import Bug
from repro.records.journal_reader import read_journal
from repro.records.strict import fitted_or_none
from runner.cache import read_json
from runner.errors import BadInput


@dataclass(frozen=True)
class Part:
    """The corpus of one shard: where its hunt is, and the bugs that it found, reduced and believed."""

    folder: Path
    state: State
    bugs: tuple[Bug, ...]


@dataclass(frozen=True)
class Merged:
    """bugs: each once, of the lowest graph that has it, in the order of graphs. missing: shards without a corpus."""

    seed: int
    graphs: int
    bugs: tuple[Bug, ...]
    missing: tuple[str, ...]


def read_part(folder: Path) -> Part:
    """The corpus that a hunt left. Raises BadInput for a folder that is none."""
    state = fitted_or_none(State, read_json(folder / "state.json"))
    if state is None:
        raise BadInput(f"{folder}: no corpus of a hunt; give folders that `repro fuzz --shard I/N --corpus` wrote")
    file = folder / "bugs.sqlite"
    records = read_journal(file) if file.exists() else []
    return Part(folder, state, tuple(bug for bug in map(_bug, records) if bug is not None))


def _bug(record: Mapping[str, Any]) -> Bug | None:
    """None for what was met and is no find (unstable, doubtful)."""
    found = fitted_or_none(Bug, {each.name: record[each.name] for each in fields(Bug) if each.name in record})
    return None if found is None or found.signature in ("unstable", "doubtful") else found


def merge(parts: Sequence[Part]) -> Merged:
    """Put shards together.

    Raises BadInput, naming the two folders, where they are of different hunts, or one knows as new what the other
    knows by a name.
    """
    first = parts[0]
    for part in parts[1:]:
        for name, what in (("seed", "seeds"), ("identity", "targets, drivers, runtimes or precisions")):
            one, other = getattr(first.state, name), getattr(part.state, name)
            if one != other:
                raise BadInput(f"{first.folder} and {part.folder} are of different {what} ({one} and {other})")
    require_one_cut([(part.folder, Shard.parse(part.state.shard)) for part in parts])
    found: dict[tuple[str, str], tuple[Part, Bug]] = {}
    for part in parts:
        for bug in part.bugs:
            earlier, known = found.setdefault((bug.signature, bug.pattern), (part, bug))
            if known.known != bug.known:
                raise BadInput(
                    f"{earlier.folder} and {part.folder} know '{bug.signature}: {bug.pattern}' by different names "
                    f"({known.known or 'new'} and {bug.known or 'new'}): hunt both with one version of this tool"
                )
            if bug.graph_index < known.graph_index:
                found[bug.signature, bug.pattern] = (part, bug)
    bugs = sorted((bug for _, bug in found.values()), key=lambda bug: bug.graph_index)
    distinct = {part.state.shard: part for part in parts}.values()
    return Merged(
        first.state.seed,
        sum(part.state.graphs for part in distinct),
        tuple(bugs),
        tuple(missing_shards(Shard.parse(part.state.shard) for part in parts)),
    )
