"""What a matrix measures: catalogue cases and any .tflite, each with its controls."""

from __future__ import annotations

from collections.abc import Iterable

from cases.case import Case
from repro.campaigns.expectations import load as load_expectations
from runner.errors import NothingRan


def failing_cases(catalogue: Iterable[Case], target: str = "gpu") -> list[Case]:
    """Cases that are expected to fail on every driver, and their controls, in the catalogue's order.

    Raises NothingRan where no case is expected to fail.
    """
    expected = {entry.case for entry in load_expectations(target).entries.values() if entry.origin == "measured"}
    chosen = with_controls(expected, catalogue)
    if not chosen:
        raise NothingRan(f"no case is expected to fail on {target}; name cases, or run `repro run` and `repro expect`")
    return chosen


def with_controls(names: Iterable[str], catalogue: Iterable[Case]) -> list[Case]:
    """The named cases and the controls of each, in the catalogue's order."""
    wanted = set(names)
    return [case for case in catalogue if case.name in wanted or case.control_of in wanted]
