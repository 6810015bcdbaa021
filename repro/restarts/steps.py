"""What is tried with one model and one cache: who wrote what it finds there, and what has happened to it since."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from cases.graph import Graph
from repro.restarts.damage import Damage, cut, flip, flip_weight
from repro.restarts.others import another_model, with_another_op, with_other_weights
from runner.delegate_settings import STORAGE, Settings
from runner.host.gpu import GpuName
from runner.run import Precision
from runner.targets import precisions_for, with_settings

CUTS = ((0, 1), (1, 2), (1, 1))
FLIPS = 4
_OTHER_NAMES = ("Mali-G715", "Adreno (TM) 740")
"""A name that stands for another phone: the first, or where it is that one already the second."""


@dataclass(frozen=True)
class Writer:
    """Who wrote the cache. Each field is what it had other than the reader; None or empty: the same.

    other: makes another graph of the reader's, or None where that cannot be.
    """

    other: Callable[[Graph], Graph | None] | None = None
    precision: Precision | None = None
    target: str = ""
    runtime: str = ""


ITSELF = Writer()


@dataclass(frozen=True)
class Step:
    """One start of an app that finds a cache. damage: of each file, the bytes that were written -> those found."""

    name: str
    words: str
    writer: Writer = ITSELF
    damage: Damage | None = field(default=None, compare=False)


def steps_for(graph: Graph, target: str, precision: Precision, runtimes: Sequence[str], seed: int) -> list[Step]:
    """All steps with a model on a target. runtimes: of LiteRT, that wrote what the reader's finds. seed: of damage."""
    other_precisions = [p for p in precisions_for(target, "both") if p is not precision]
    constants = [t.data for t in graph.tensors.values() if t.data is not None and t.data.dtype.kind == "f"]
    return [
        Step("warm", "its own"),
        Step("other-weights", "of the same graph with other weights", Writer(with_other_weights)),
        Step("other-op", "of the same shapes with another op", Writer(with_another_op)),
        Step("other-model", "of a model of other shapes", Writer(another_model)),
        *(Step(f"other-precision-{p}", f"its own in {p}", Writer(precision=p)) for p in other_precisions),
        Step("other-storage", "its own under another storage", Writer(target=_other_storage(target))),
        Step("other-name", "its own under another adapter's name", Writer(target=_other_name(target))),
        *(Step(f"runtime-{v}", f"its own, of LiteRT {v}", Writer(runtime=v)) for v in runtimes),
        *(Step(f"cut-{n}-of-{d}", f"its own, cut to {n}/{d} (never whole)", damage=cut(n, d)) for n, d in CUTS),
        *(
            Step(f"flip-{n + 1}-of-{FLIPS}", "its own with a flipped bit", damage=flip(n, FLIPS, seed))
            for n in range(FLIPS)
        ),
        Step("flip-weight", "its own with the sign of one weight flipped", damage=flip_weight(constants)),
    ]


BESIDE_STEPS = (
    Step("beside-itself", "the same model, compiled a second time"),
    Step("beside-other-weights", "the same graph with other weights", Writer(with_other_weights)),
    Step("beside-other-op", "the same shapes with another op", Writer(with_another_op)),
    Step("beside-other-model", "a model of other shapes", Writer(another_model)),
)
"""Of two models in one process: the writer is the other one."""


def _other_storage(target: str) -> str:
    name = GpuName.parse(target)
    now = name.settings.gpu_options.get(STORAGE, 1 if name.over_opencl and not name.presented else 2)
    others = [pair for pair in name.settings.chosen if pair[0] != STORAGE]
    plain = GpuName(name.key, Settings(tuple(others)), name.presented)
    return with_settings(str(plain), Settings.parse([f"{STORAGE}={3 - int(now)}"]))


def _other_name(target: str) -> str:
    name = GpuName.parse(target)
    first, second = _OTHER_NAMES
    return str(GpuName(name.key, name.settings, second if name.presented == first else first))
