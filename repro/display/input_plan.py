"""What each input is fed, and why, for people and for programs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from cases.input_plan.planned import AnyFeedPlan, PlannedFeeds
from repro.records.lines import Line, Tone, line
from runner.encoding import shown_name

_MOST_LINES = 20


def plan_lines(plan: AnyFeedPlan) -> Iterator[Line]:
    """One line per input that is made by what the graph says, or as the command line says."""
    if not isinstance(plan, PlannedFeeds):
        return
    roles = list(plan.by_role.values())
    for planned in roles[:_MOST_LINES]:
        yield line(f"  input '{shown_name(planned.name)}': {planned.numbers}", (f" ({planned.reason})", Tone.ASIDE))
    if len(roles) > _MOST_LINES:
        yield line((f"  ... and {len(roles) - _MOST_LINES} more", Tone.ASIDE))


def plan_json(plan: AnyFeedPlan) -> list[dict[str, Any]]:
    """One object per input for `--json`; none where the arrays were given."""
    return [planned.as_json() for planned in plan.inputs] if isinstance(plan, PlannedFeeds) else []
