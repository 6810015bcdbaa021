"""Which place of one run is held against which of the other. Pure.

Key insight: the same place is compared with itself wherever both runs have it. Only where they share none is the
question about the places themselves (two runtimes, two drivers, two phones), and then it has to be a question with one
answer, or it is the user's to ask.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import replace

from repro.changes.answer import Place, Side
from runner.errors import BadInput


def chosen(side: Side, words: Sequence[str], option: str) -> Side:
    """The part of a side that was measured on the named targets, in the named runtimes; without words all of it.

    words: targets and runtimes; those of one kind are alternatives. Raises BadInput for a word that is neither there.
    """
    places = side.places
    targets, runtimes = {p.target for p in places}, {p.runtime for p in places}
    for word in words:
        if word not in targets | runtimes:
            raise BadInput(
                f"{option} {word}: {side.source} has no such target or runtime; it has {_listed(side.places)}"
            )
    wanted = [(set(words) & targets or targets), (set(words) & runtimes or runtimes)]
    kept = tuple(a for a in side.answers if a.target in wanted[0] and a.runtime in wanted[1])
    if not kept:
        raise BadInput(f"{option} {' '.join(words)}: {side.source} has no such pair; it has {_listed(side.places)}")
    return replace(side, answers=kept)


def paired_places(a: Side, b: Side) -> list[tuple[Place, Place]]:
    """The places that are compared: the same ones, else those of one target, else of one runtime, else the only two.

    Raises BadInput where that leaves it open which is compared with which.
    """
    ways: tuple[Callable[[Place], Hashable], ...] = (
        lambda place: place,
        lambda place: place.target,
        lambda place: place.runtime,
        lambda place: None,
    )
    for way in ways:
        pairs = [(left, right) for left in a.places for right in b.places if way(left) == way(right)]
        if pairs and len({left for left, _ in pairs}) == len(pairs) == len({right for _, right in pairs}):
            return pairs
    raise BadInput(
        f"which is compared with which? {a.source} has {_listed(a.places)}; {b.source} has {_listed(b.places)}; choose "
        f"with --a and --b, for example --a {a.places[0].runtime}"
    )


def _listed(places: Sequence[Place]) -> str:
    shown = ", ".join(map(str, places[:6]))
    return shown + (f" and {len(places) - 6} more" if len(places) > 6 else "")
