"""What a step of the replay reports: a tensor, what became of it, by which rule, and the two nodes involved."""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterable
from typing import NamedTuple

from repro.delegate.adapters import Adapter
from repro.delegate.graph import DelegateGraph, Node, Value


class Effect(enum.StrEnum):
    """What becomes of a tensor or, in the last four, of more than that."""

    LOST = "lost"
    """A graph output that nothing writes, or that is left as stale memory."""
    WRONG = "wrong"
    """Other values than the file's ops make."""
    VOID = "void"
    """A kernel is invalid, and with it every output of the graph."""
    REFUSED = "refused"
    """Compilation fails."""
    ABORT = "abort"
    """The process ends while the graph is compiled."""
    RISK = "risk"
    """Nothing is known to happen, or a graph output is lost on some adapters only."""


class Sighting(NamedTuple):
    """One thing that a step did to the meaning of the graph; `producer` and `consumer` are the nodes that met."""

    rule: str
    effect: Effect
    value: Value
    producer: Node
    consumer: Node


class OnAdapters(NamedTuple):
    """A sighting, and the adapters on which it is so."""

    sighting: Sighting
    adapters: tuple[Adapter, ...]


Step = Callable[[DelegateGraph], Iterable[Sighting] | None]
"""One step of the replay: it changes the graph in place and yields what it does to its meaning; None if nothing."""
