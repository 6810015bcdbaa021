"""The gate: a layout passes on a target, or is refused with the reason and the tensor it is about.

Six questions, in the order in which an answer makes the next one worth asking: structure, residency, every output,
the chain, the control, the baseline. Everything that can be asked is asked: a refusal does not hide the next one.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace

from repro.layouts.baseline import baseline_check
from repro.layouts.chain import chain_checks
from repro.layouts.control import control_checks
from repro.layouts.layout import Layout
from repro.layouts.miswiring import mending
from repro.layouts.result import KINDS, GateAnswer, GateCheck, Report, timed
from repro.layouts.structure import passed_on_checks, structure_checks
from repro.layouts.walk import Ground, Say, Walk, prepare, walk_on
from runner.errors import BadInput
from runner.run import Precision
from runner.target import Target

NO_WHOLE_MODEL = (
    "not checked: no whole model is named as [reference] chain, so that a tensor passed to the wrong input and a factor"
    " that one side forgot stay unseen; against the graphs' own references one behind the other: "
)


def chosen_size(layout: Layout, asked: int | None) -> int | None:
    """The size to gate at. Raises BadInput for one that the layout does not have."""
    if asked is None:
        return layout.sizes[0] if layout.sizes else None
    if asked not in layout.sizes:
        known = ", ".join(map(str, layout.sizes)) or "no sizes at all"
        raise BadInput(f"layout '{layout.path}': --size {asked}: it has {known}")
    return asked


def require_precision(layout: Layout, precision: Precision) -> None:
    """Raise BadInput where the layout has no thresholds for a precision."""
    if precision not in layout.precisions:
        known = ", ".join(layout.precisions)
        raise BadInput(f"layout '{layout.path}': no thresholds for {precision}; it is gated in {known}")


def gate(layout: Layout, target: Target, precision: Precision, size: int | None, say: Say) -> Report:
    """Gate one layout on one activated target."""
    started = time.monotonic()
    ground = prepare(layout, size, precision, say)
    checks = [check for model in ground.models.values() for check in timed(structure_checks(model, layout.allowed))]
    checks += timed(passed_on_checks(layout, ground.models))
    walk = walk_on(target, ground, say)
    checks += walk.checks
    checks += timed(_chain(ground, walk, say))
    began = time.monotonic()
    control, control_seconds = control_checks(ground, target, say)
    checks += [replace(check, seconds=time.monotonic() - began) for check in control]
    if walk.fingerprint is not None:
        checks += timed(iter([baseline_check(layout, walk.fingerprint, size, checks)]))
    checks.sort(key=lambda check: KINDS.index(check.kind))
    return Report(
        layout.name,
        target.name,
        str(precision),
        size,
        walk.fingerprint,
        tuple(checks),
        time.monotonic() - started,
        walk.seconds + control_seconds,
        ", ".join(f"{key} {value}" for key, value in layout.parameters.items()),
    )


def _chain(ground: Ground, walk: Walk, say: Say) -> Iterator[GateCheck]:
    """Check 4; where every graph is right and the chain is not, also what would mend it."""
    layout = ground.layout
    if walk.actual is None:
        yield GateCheck("chain", "chain", "", GateAnswer.REFUSED, f"no result to compare: {walk.broken}")
        return
    say(f"{layout.name}: the chain against its reference")
    refused = []
    for check in chain_checks(layout, ground.chain_references(), walk.actual, layout.thresholds[ground.precision]):
        if check.answer is GateAnswer.REFUSED:
            refused.append(check)
        elif not layout.references.chain:
            check = replace(check, answer=GateAnswer.NOTE, reason=NO_WHOLE_MODEL + check.reason)
        yield check
    if refused and not any(check.answer is GateAnswer.REFUSED for check in walk.checks):
        yield mending(ground, refused[0], say)
