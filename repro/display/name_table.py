"""The outputs that differ between presented names: what `repro run` shows of a driver under several of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from repro.campaigns.campaign import CaseResult
from repro.campaigns.name_differences import Difference, differences
from repro.display.console import Screen
from repro.records.lines import Tone, counted
from runner.adapter_families import family_of

WHAT_IT_IS_NOT = (
    "A name is presented to this driver, which is not that vendor's: what differs is what the delegate chooses by the "
    "name. What such a GPU, its driver and its compiler make of it is not shown, and a pass is none on it."
)


def print_name_table(console: Screen, results: Sequence[CaseResult], *, verbose: bool = False) -> None:
    """One table per driver under several names, a row per group of outputs that differ alike; verbose: per output."""
    for target, (names, found) in differences(results).items():
        under = f"  {target} under {len(names)}: {', '.join(map(_short, names))}"
        console.say(("between names", Tone.HEAD), under, soft_wrap=True)
        for row in _rows(found, verbose) if found else [f"no output differs between the {len(names)} names"]:
            console.say("  ", row, soft_wrap=True)
        console.say((WHAT_IT_IS_NOT, Tone.ASIDE), soft_wrap=True)
        console.print()


def _rows(found: Iterable[Difference], verbose: bool) -> Iterator[str]:
    """The columns are as wide as what stands in them, however wide the terminal is, and the last one runs on."""
    groups: dict[tuple[object, ...], list[Difference]] = {}
    for each in found:
        alike = (each.finding, each.precision, tuple(each.verdicts.items()))
        groups.setdefault((*alike, each.case, each.output) if verbose else alike, []).append(each)
    rows = [("finding", "precision", "outputs", "for example", "verdicts")]
    for members in sorted(groups.values(), key=lambda group: (not group[0].finding, -len(group))):
        first = members[0]
        example = f"{first.case} {first.output}"
        rows.append((first.finding or "none", first.precision, str(len(members)), example, _said(first)))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for *cells, said in rows:
        yield "  ".join([*(f"{text:{width}}" for text, width in zip(cells, widths, strict=False)), said])


def _said(difference: Difference) -> str:
    """`PASS: 15 names; FAIL memory: intel, nvidia`."""
    (most, names), *others = difference.verdicts.items()
    return "; ".join(
        [f"{most}: {counted(len(names), 'name')}", *(f"{k}: {', '.join(map(_short, n))}" for k, n in others)]
    )


def _short(name: str) -> str:
    """A name's key in the table of families, or the name."""
    family = family_of(name)
    return family.key if family else name


def name_objects(results: Sequence[CaseResult]) -> Iterator[dict[str, Any]]:
    """The `--json` object of each driver that was presented under several names, behind the lines of all outputs."""
    for target, (names, found) in differences(results).items():
        outputs = [
            {
                "case": each.case,
                "output": each.output,
                "name": each.name,
                "precision": each.precision,
                "finding": each.finding,
                "verdicts": {kind: list(under) for kind, under in each.verdicts.items()},
            }
            for each in found
        ]
        yield {"target": target, "names": list(names), "differ": outputs, "note": WHAT_IT_IS_NOT}
