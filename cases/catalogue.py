"""All cases, and finding some of them by name or pattern."""

from __future__ import annotations

import difflib
import fnmatch
import functools
from collections.abc import Sequence

from cases.case import Case
from cases.drawn_ops import cases as one_op
from cases.families import fanout, fuzzed, other_types, output_plus_consumer, public_reports, quantised, token_tensor
from cases.findings import cases
from runner.errors import BadInput, NothingRan


@functools.cache
def catalogue() -> tuple[Case, ...]:
    """Every case, in a stable order. Raises ValueError for two cases of one name or a control of nothing."""
    modules = (output_plus_consumer, fanout, token_tensor, public_reports, cases, fuzzed, quantised, other_types)
    every = [case for module in (*modules, one_op) for case in module.cases()]
    unique = {case.name: case for case in every}
    if len(unique) != len(every):
        names = [case.name for case in every]
        raise ValueError(f"two cases are called {next(n for n in names if names.count(n) > 1)}")
    for case in every:
        if case.control_of and case.control_of not in unique:
            raise ValueError(f"{case.name} is the control of '{case.control_of}', which is no case")
    return tuple(every)


def families(every: Sequence[Case] | None = None) -> tuple[str, ...]:
    """Of these cases, or of the catalogue."""
    return tuple(dict.fromkeys(case.family for case in (catalogue() if every is None else every)))


def select(patterns: Sequence[str], family: str | None = None, every: Sequence[Case] | None = None) -> tuple[Case, ...]:
    """Cases whose name matches one of the shell patterns (all without a pattern), of one family if given.

    every: the cases to choose from; else the catalogue. A pattern without a wildcard must be a name, a family, or a
    name without its family. Raises BadInput for one that matches nothing, with the
    nearest names; NothingRan where there is no case at all.
    """
    every = catalogue() if every is None else every
    if not every:
        raise NothingRan("the catalogue holds no case, so there is nothing to run; add one (see CONTRIBUTING.md)")
    if family is not None and family not in families(every):
        raise BadInput(f"no family '{family}'; there are: {', '.join(families(every))}")
    pool = [case for case in every if family is None or case.family == family]
    if not patterns:
        return tuple(pool)
    chosen: dict[str, Case] = {}
    for pattern in patterns:
        matching = [c for c in pool if fnmatch.fnmatchcase(c.name, pattern)]
        matching = matching or [c for c in pool if pattern in (c.family, c.name.partition("/")[2])]
        if not matching:
            near = difflib.get_close_matches(pattern, [c.name for c in pool], n=3, cutoff=0.4)
            hint = f"; near it: {', '.join(near)}" if near else "; `repro list` shows them all"
            raise BadInput(f"no case '{pattern}'{hint}")
        chosen |= {case.name: case for case in matching}
    return tuple(case for case in pool if case.name in chosen)
