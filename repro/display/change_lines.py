"""What changed between two runs, for people (lines), for programs (JSON lines) and for CI (JUnit rows)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

from repro.changes.answer import Answer, Side
from repro.changes.changes import Change, Compared, Kind, in_order
from repro.display.junit import TestRow
from repro.records.lines import Line, Tone, counted, line

SHOWN = 12
"""Changes of one kind that are shown without --verbose."""

_TONES = {Kind.NEW: Tone.BAD, Kind.OTHER: Tone.WARN, Kind.GONE: Tone.GOOD, Kind.OTHER_MODEL: Tone.WARN}
_ONE_SIDED = (Kind.ONLY_A, Kind.ONLY_B)


def tone_of(change: Change) -> Tone:
    """What a change is to its reader."""
    return Tone.BAD if change.worse else _TONES.get(change.kind, Tone.PLAIN)


def side_words(side: Side) -> str:
    """`results.jsonl (lines of --json): 12 outputs of 4 cases on gpu:a LiteRT 2.3.0`."""
    cases = len({answer.case for answer in side.answers})
    places = ", ".join(map(str, side.places[:6])) + (", ..." if len(side.places) > 6 else "")
    return (
        f"{side.source} ({side.kind}): {counted(len(side.answers), 'output')} of {counted(cases, 'case')} on {places}"
    )


def output_words(change: Change) -> str:
    """`case fp32 output 1 'acc'`."""
    answer = change.answer
    where = f" output {answer.output} '{answer.name}'" if answer.output >= 0 else ""
    fed = f" ({change.fed})" if change.fed else ""
    return f"{answer.case} {answer.precision}{fed}{where}"


def change_words(change: Change) -> str:
    """What happened to it: `PASS -> FAIL stale: holds ...`, or which numbers moved."""
    a, b = change.a, change.b
    if change.kind is Kind.OTHER_MODEL and a is not None and b is not None:
        return f"another model under this name ({a.model_sha256[:12]} and {b.model_sha256[:12]}): not compared"
    if a is None or b is None:
        return change.answer.said
    if change.moved:
        moved = ", ".join(f"{name} {a.numbers[name]:.4g} -> {b.numbers[name]:.4g}" for name in change.moved)
        return f"{b.said}: {moved}"
    if a.said == b.said:
        return b.said
    held = b.holds or b.reason
    return f"{a.said} -> {b.said}" + (f": {held}" if held else "")


def lines(compared: Compared, verbose: bool = False) -> Iterator[Line]:
    """The two sides, each kind of change with its members, and a last line that counts."""
    yield line(("A  ", Tone.HEAD), side_words(compared.a))
    yield line(("B  ", Tone.HEAD), side_words(compared.b))
    for left, right in compared.pairs:
        if left != right:
            yield line(f"   {left} against {right}")
    for one, other in compared.other_inputs:
        yield line((f"   other inputs: {one} in A, {other} in B; what changed may be theirs", Tone.WARN))
    for kind in Kind:
        members = [change for change in in_order(compared.changes) if change.kind is kind]
        if not members or kind is Kind.SAME:
            continue
        yield line((f"{kind}: {counted(len(members), 'output')}", Tone.HEAD), _about(members))
        shown = members if verbose else members[: 0 if kind in _ONE_SIDED else SHOWN]
        places = len(compared.pairs) > 1
        for change in shown:
            place = f" on {change.answer.place}" if places else ""
            yield line(f"  {output_words(change)}{place}  ", (change_words(change), tone_of(change)))
        if len(shown) < len(members) and kind not in _ONE_SIDED:
            yield line((f"  and {len(members) - len(shown)} more (-v shows them)", Tone.ASIDE))
    yield conclusion(compared)


def _about(members: list[Change]) -> str:
    if members[0].kind not in _ONE_SIDED:
        return ""
    said = Counter(str(change.answer.status) for change in members)
    cases = list(dict.fromkeys(change.answer.case for change in members))
    named = ", ".join(cases[:3]) + (f" and {len(cases) - 3} more" if len(cases) > 3 else "")
    return f" ({', '.join(f'{n} {status}' for status, n in sorted(said.items()))}) of {named}"


def conclusion(compared: Compared) -> Line:
    """What is worse, and how many outputs of each kind there are."""
    counts = Counter(change.kind for change in compared.changes)
    listed = ", ".join(f"{counts[kind]} {kind}" for kind in Kind if counts[kind])
    worse = len(compared.worse)
    answer = (f"{worse} worse", Tone.BAD) if worse else ("nothing is worse", Tone.GOOD)
    return line(f"{counted(compared.held, 'output')} compared: ", answer, f"; {listed}")


def json_objects(compared: Compared) -> Iterator[dict[str, Any]]:
    """One object per output that is not the same in both, then a summary object."""
    for change in in_order(compared.changes):
        if change.kind is not Kind.SAME:
            answer = change.answer
            yield {
                "case": answer.case,
                "output": answer.output,
                "name": answer.name,
                "precision": answer.precision,
                "inputs": answer.inputs,
                "change": str(change.kind),
                "worse": change.worse,
                "moved": list(change.moved),
                "a": _side(change.a),
                "b": _side(change.b),
            }
    counts = Counter(str(change.kind) for change in compared.changes)
    yield {
        "change": "summary",
        "compared": compared.held,
        "worse": len(compared.worse),
        "counts": {str(kind): counts[kind] for kind in Kind},
        "other_inputs": [list(pair) for pair in compared.other_inputs],
        "a": {"source": compared.a.source, "kind": compared.a.kind},
        "b": {"source": compared.b.source, "kind": compared.b.kind},
    }


def _side(answer: Answer | None) -> dict[str, Any] | None:
    if answer is None:
        return None
    return {
        "target": answer.target,
        "runtime": answer.runtime,
        "adapter": answer.adapter,
        "verdict": str(answer.status),
        "signature": answer.signature,
        "holds": answer.holds,
        "reason": answer.reason,
        "model_sha256": answer.model_sha256,
        **answer.numbers,
    }


def junit_rows(compared: Compared) -> Iterator[TestRow]:
    """One row per output; what is worse fails, what could not be compared is skipped."""
    for change in compared.changes:
        apart = change.a is None or change.b is None or change.kind is Kind.OTHER_MODEL
        said = f"{change.kind}: {change_words(change)}"
        place = change.answer.place
        yield TestRow(
            f"compare.{place}",
            output_words(change),
            failure=said if change.worse else "",
            skipped=said if apart else "",
        )
