"""What `make dist` tries of a wheel leaves no command out."""

from __future__ import annotations

import click

from repro.cli import COMMANDS, main
from tests.wheel import own_steps, steps, suite_steps


def _names() -> set[str]:
    """Every command of `repro --help`, and every one below it."""
    context = click.Context(main)
    names = set()
    for name in COMMANDS:
        command = main.get_command(context, name)
        below = command.list_commands(context) if isinstance(command, click.Group) else []
        names |= {f"{name} {one}" for one in below} or {name}
    return names


def test_every_command_is_tried_from_the_wheel():
    every = [step.words for step in (*steps(False), *own_steps(), *suite_steps())]
    left_out = {name for name in _names() if not any(f"{words} ".startswith(f"{name} ") for words in every)}
    assert left_out == set()
