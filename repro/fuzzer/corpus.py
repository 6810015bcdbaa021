"""What a hunt keeps on disk, so that it survives anything and goes on where it stopped.

CORPUS/state.json           seed, next graph, counts
CORPUS/lock                 held by the hunt that is at work here
CORPUS/bugs.sqlite          a journal: one record per distinct bug, keyed by (signature, role pattern)
CORPUS/suspects/N/          the failing graph number N, its reduction's history
CORPUS/candidates/SLUG/     a candidate finding: model.tflite, inputs.npz, candidate.json
"""

from __future__ import annotations

import contextlib
import fcntl
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click

from cases.graph import Graph
from cases.tflite.write import write_tflite
from repro.campaigns.shards import WHOLE, Shard
from repro.fuzzer.pattern import role_pattern
from repro.records.strict import fitted_or_none
from repro.reducer.history import write_specimen
from repro.reducer.problem import Specimen
from runner.cache import canonical_json, make_folder, read_json, write_atomically
from runner.encoding import one_line
from runner.errors import BadInput


@dataclass
class State:
    """Where a hunt is. graphs: judged so far (twins included), over all sessions.

    shard: which blocks of graphs are hunted. counts: verdicts and refusals; refusals: the reasons a delegate gave, with
    their numbers. alike: suspects that were not reduced because enough of their kind had been, by kind.
    """

    seed: int
    identity: str
    shard: str = str(WHOLE)
    next_index: int = 0
    graphs: int = 0
    seconds: float = 0.0
    counts: Counter[str] = field(default_factory=Counter)
    refusals: Counter[str] = field(default_factory=Counter)
    rules: Counter[str] = field(default_factory=Counter)
    overpredicted: Counter[str] = field(default_factory=Counter)
    alike: Counter[str] = field(default_factory=Counter)


@contextlib.contextmanager
def only_hunt_in(folder: Path) -> Iterator[None]:
    """One hunt at a time in a folder: two would count and number over each other. Raises BadInput for the second.

    The lock ends with the process, however that ends.
    """
    make_folder(folder)
    with (folder / "lock").open("ab") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise BadInput(
                f"another hunt is at work in {folder}; wait until it ends, or give another --corpus"
            ) from None
        except OSError as error:
            _say(f"{folder} cannot be locked ({error.strerror}): start no second hunt in it")
        yield


def _say(line: str) -> None:
    click.echo(one_line(line), err=True)


class Corpus:
    """The folder of one hunt. identity: what decides results (target, driver, runtime, precision). shard: its part.

    say: told of a damaged state, after which the hunt begins at graph 0; what it found is in the journal still.
    """

    def __init__(
        self, folder: Path, seed: int, identity: str, say: Callable[[str], None] = _say, *, shard: Shard = WHOLE
    ) -> None:
        self.folder = folder
        self.shard = shard
        self.state = self._load(seed, identity, say)

    def _load(self, seed: int, identity: str, say: Callable[[str], None]) -> State:
        path = self.folder / "state.json"
        state = fitted_or_none(State, read_json(path))
        if state is None:
            if path.exists():
                say(f"{path} is damaged: the hunt begins at graph 0 again, and knows the bugs that it found")
            return State(seed, identity, str(self.shard))
        held, asked = (state.seed, state.identity, state.shard), (seed, identity, str(self.shard))
        if held != asked:
            one, other = (f"seed {seed} on {identity}, shard {shard}" for seed, identity, shard in (held, asked))
            raise BadInput(f"{self.folder} holds a hunt of {one}; this one is {other}: give another --corpus")
        return state

    def save(self) -> None:
        write_atomically(self.folder / "state.json", canonical_json(dict(vars(self.state))))

    @property
    def bugs_file(self) -> Path:
        return self.folder / "bugs.sqlite"

    def suspect_folder(self, index: int) -> Path:
        return self.folder / "suspects" / f"{index:06d}"

    def keep_suspect(self, index: int, specimen: Specimen) -> None:
        write_specimen(self.suspect_folder(index), specimen)

    def write_candidate(self, name: str, specimen: Specimen, original: Graph, record: Mapping[str, Any]) -> Path:
        """A new bug as a candidate finding; a number is added where the name is taken."""
        place, number = self.folder / "candidates" / name, 2
        while place.exists():
            place, number = self.folder / "candidates" / f"{name}-{number}", number + 1
        write_specimen(place, specimen)
        write_atomically(place / "original.tflite", write_tflite(original))
        write_atomically(place / "candidate.json", canonical_json(dict(record)))
        return place


def known_patterns(models: Iterable[tuple[str, Graph]]) -> dict[str, str]:
    """Role pattern of every model that shows a finding's bug -> the finding's slug. models: (slug, graph)."""
    return {role_pattern(graph): slug for slug, graph in models}
