"""Mutants through one verb in a process of their own, which says how each ended and how much memory it took at most.

    python -m tests.trust.attack lint 2000 --seed 1

Key insight: what must not grow is the process that reads and judges, and workers are other processes. So the peak is
this process's own VmHWM, which unlike ru_maxrss does not remember the process that started it.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import re
import shutil
import tempfile
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

from repro import api
from repro.delegate.adapters import Adapter, Api
from runner import memory
from runner.errors import ReproError
from runner.run import Precision
from runner.target import Target
from tests.trust.mutants import mutants
from tests.trust.sharing import KINDS, sharing

LIMIT = "2GiB"
SPLIT = Path(__file__).parents[2] / "docs" / "examples" / "two_graphs"
DEADLINE_S = 3.0

Verb = Callable[[bytes], object]
ADAPTERS = tuple(
    Adapter(name, precision, Api.WEBGPU) for name in ("Mali-G715", "NVIDIA H100") for precision in Precision
)
ONLY_READ: dict[str, Verb] = {
    "lint": api.lint,
    "lint-adapters": lambda model: api.lint(model, adapters=ADAPTERS),
    "range": api.find_ranges,
    "sharing": api.lint,
}
"""What runs no model."""
VERBS = (*ONLY_READ, "check", "fix", "reduce", "gate")


def gate(cpu: Target, folder: Path, encoder: bytes) -> object:
    """The documentation's split with another encoder."""
    (folder / "encoder.tflite").write_bytes(encoder)
    return api.gate(folder / "split.toml", target=cpu)


@contextlib.contextmanager
def verb(name: str) -> Iterator[Verb]:
    """What a mutant is given to. The targets are opened once, for all of them."""
    if name in ONLY_READ:
        yield ONLY_READ[name]
        return
    with api.open_target("cpu") as cpu, tempfile.TemporaryDirectory() as scratch:
        folder = Path(shutil.copytree(SPLIT, Path(scratch) / "split"))
        yield {
            "check": lambda model: api.check(model, target=cpu, cpu=cpu, deadline=DEADLINE_S),
            "fix": lambda model: api.fix(model, target=cpu, precision="fp32"),
            "reduce": lambda model: api.reduce(model, target=cpu, max_runs=6),
            "gate": lambda model: gate(cpu, folder, model),
        }[name]


def attack(name: str, count: int, seed: int) -> dict[str, object]:
    """How often the mutants ended how; `tracebacks` has what was none of our errors, by the mutant's name."""
    models = [("encoder", (SPLIT / "encoder.tflite").read_bytes())] if name == "gate" else None
    drawn = ((kind, sharing(kind)) for kind in KINDS) if name == "sharing" else mutants(count, seed, models)
    ended: Counter[str] = Counter()
    tracebacks: dict[str, str] = {}
    with memory.limited(LIMIT), verb(name) as give:
        for mutant, data in drawn:
            try:
                give(data)
                ended["answered"] += 1
            except ReproError as error:
                ended[f"exit {error.exit_code}"] += 1
            except Exception:  # noqa: BLE001 - each is what the test is there to show
                tracebacks[mutant] = traceback.format_exc(limit=-3)
    return {"ended": ended, "tracebacks": tracebacks, "peak_bytes": peak_bytes()}


def peak_bytes() -> int:
    """The most resident memory that this process has had."""
    found = re.search(r"^VmHWM:\s+(\d+) kB$", Path("/proc/self/status").read_text(encoding="utf-8"), re.MULTILINE)
    assert found
    return int(found[1]) * 1024


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("verb", choices=VERBS)
    parser.add_argument("count", type=int, help="Of `sharing` there are as many as there are kinds.")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    print(json.dumps(attack(given.verb, given.count, given.seed)))
