"""Catalogue cases where torch is not installed: what can run still runs, and what cannot is counted and listed."""

from __future__ import annotations

from collections.abc import Sequence

from cases.case import Case
from cases.with_torch.convert import has_converter, is_converted
from cases.with_torch.reference import has_torch
from repro.display.console import echo_line
from runner.errors import BadInput
from runner.installation import converter_install

_LISTED = 5


def runnable(chosen: Sequence[Case]) -> tuple[Case, ...]:
    """The cases that can run here; says on stderr which are left out, and what stands for torch.

    Raises BadInput where none can.
    """
    left_out = () if has_converter() else tuple(case for case in chosen if not is_converted(case))
    kept = tuple(case for case in chosen if case not in left_out)
    if left_out:
        names = ", ".join(case.name for case in left_out[:_LISTED])
        more = f" and {len(left_out) - _LISTED} more" if len(left_out) > _LISTED else ""
        what = f"{len(left_out)} of {len(chosen)} cases need litert-torch, which is not installed: {names}{more}"
        if not kept:
            raise BadInput(f"{what}; install it: {converter_install()}")
        echo_line(f"left out: {what}; to have them: {converter_install()}", err=True)
    if not has_torch():
        echo_line(
            "torch is not installed: what is right is said by a float64 evaluation of each file's own ops", err=True
        )
    return kept
