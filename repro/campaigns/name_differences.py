"""What differs between the names under which one driver was presented. Pure.

Key insight: under two names only the delegate's choice of kernels and fusions differs, the driver and all below it are
the same. So an output that differs between names is the delegate's doing, and which names share a verdict says which
branch. What garbage an output holds is no difference where memory decides it: that changes with every allocation.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from repro.campaigns.campaign import CaseResult
from repro.verdicts.verdict import Verdict, is_of_memory

WHOLE_RUN = -1
"""The output of a verdict on a run that gave none: REFUSED, CRASH, HANG."""


@dataclass(frozen=True)
class Difference:
    """One output that has not the same verdict under every name.

    verdicts: the names for each verdict, the most frequent first. finding: what it is known by under some name, or
    empty.
    """

    case: str
    output: int
    name: str
    precision: str
    verdicts: Mapping[str, tuple[str, ...]]
    finding: str


def differences(results: Iterable[CaseResult]) -> dict[str, tuple[tuple[str, ...], list[Difference]]]:
    """For each target that was presented under several names: those names, and the outputs that differ between them.

    The key is the target without a name, `gpu:lavapipe+buffers`.
    """
    by_target: dict[str, dict[str, list[CaseResult]]] = {}
    for result in results:
        target, at, name = result.target.partition("@")
        if at:
            by_target.setdefault(target, {}).setdefault(name, []).append(result)
    return {target: (tuple(by_name), _between(by_name)) for target, by_name in by_target.items() if len(by_name) > 1}


def verdict_kind(verdict: Verdict) -> str:
    """`PASS`, `CRASH`, `FAIL memory` or `FAIL unwritten`: a verdict without what memory decides."""
    return f"{verdict.status} {'memory' if is_of_memory(verdict.signature) else verdict.signature}".strip()


def _between(by_name: Mapping[str, Sequence[CaseResult]]) -> list[Difference]:
    cells: dict[tuple[str, str], dict[str, CaseResult]] = {}
    for name, results in by_name.items():
        for result in results:
            cells.setdefault((result.case, result.precision), {})[name] = result
    return [each for runs in cells.values() if len(runs) > 1 for each in _of_one_case(runs)]


def _of_one_case(runs: Mapping[str, CaseResult]) -> list[Difference]:
    """runs: of one case in one precision, by presented name. A run without outputs says the same of each of them."""
    given = {v.output: v.name for result in runs.values() for v in result.verdicts}
    outputs = {output: name for output, name in given.items() if output != WHOLE_RUN} or given
    found = []
    for output, output_name in sorted(outputs.items()):
        said: dict[str, list[str]] = {}
        known = ""
        for name, result in runs.items():
            for verdict, comparison in zip(result.verdicts, result.comparisons, strict=True):
                if verdict.output in (output, WHOLE_RUN):
                    said.setdefault(verdict_kind(verdict), []).append(name)
                    known = known or (comparison.expectation.finding if comparison.expectation else "")
        if len(said) > 1:
            ordered = sorted(said.items(), key=lambda pair: -len(pair[1]))
            verdicts = {kind: tuple(names) for kind, names in ordered}
            first = next(iter(runs.values()))
            found.append(Difference(first.case, output, output_name, first.precision, verdicts, known))
    return found
