"""What commands take from the project that they run in (repro.toml): own cases by option, and one line that says so."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, TypeVar

import click

from cases.case import Case
from repro.display.console import echo_line
from repro.own_cases import choice
from repro.own_cases.choice import Mine
from runner.errors import BadInput

Command = TypeVar("Command", bound="Callable[..., Any] | click.Command")
_KEPT = "repro.mine"


def _keep(ctx: click.Context, parameter: click.Parameter, given: bool) -> None:
    ctx.meta[_KEPT] = replace(_taken(ctx), **{str(parameter.name): given})


def _taken(ctx: click.Context) -> Mine:
    taken: Mine = ctx.meta.get(_KEPT, Mine())
    return taken


def mine(command: Command) -> Command:
    """--mine and --no-python; `chosen_cases` does what they say."""
    only = click.option(
        "--mine",
        "only",
        is_flag=True,
        callback=_keep,
        expose_value=False,
        help="Only the own cases of the project (repro.toml) that this runs in, those in Python among them.",
    )
    no_python = click.option(
        "--no-python",
        is_flag=True,
        callback=_keep,
        expose_value=False,
        help="With --mine: refuse own cases in Python instead of running them.",
    )
    return only(no_python(command))


def chosen_cases(patterns: Sequence[str], family: str | None = None) -> tuple[Case, ...]:
    """The cases that the command line asks for, built in and own. Raises as `repro.own_cases.choice.select`."""
    taken = _taken(click.get_current_context())
    if taken.no_python and not taken.only:
        raise BadInput("--no-python is about own cases in Python, which run with --mine only; leave it out")
    say_own_catalogue(taken)
    return choice.select(patterns, family, taken)


def say_own_catalogue(taken: Mine | None = None) -> None:
    """One line on stderr: which project's own catalogue takes part. Nothing outside of any. taken: of its cases."""
    said = choice.notice(taken)
    if said:
        echo_line(said, err=True)
