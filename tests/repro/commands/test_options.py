"""Options that commands share: a setting of the delegate is part of the target that a command gets."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import click
import pytest
from click.testing import CliRunner

from repro.cli import main
from repro.commands import options
from runner.errors import BadInput


def names(decorator: Any, *words: str) -> object:
    """What a command gets as its target, or targets, under these words."""
    got: list[object] = []

    @click.command()
    @decorator
    def command(**given: object) -> None:
        got.extend(given.values())

    result = CliRunner().invoke(command, words, standalone_mode=False)
    if result.exception is not None:
        raise result.exception
    (only,) = got
    return only


def test_a_setting_goes_into_every_target_wherever_it_is_written():
    words = ["--target", "gpu:lavapipe@Mali-G715", "--option", "buffer_storage_type=1", "--target", "adb"]
    assert names(options.targets, *words) == ("gpu:lavapipe+buffers@Mali-G715", "adb+buffers")
    assert names(options.target, "--option", "buffers", "--option", "wait_type=2") == "gpu+buffers+wait_type=2"
    assert names(options.target) == "gpu"
    assert names(options.targets) == ("gpu",)


@pytest.mark.parametrize("decorator", [options.layout_targets, options.all_targets])
def test_a_setting_without_a_target_to_put_it_in_is_refused(decorator: Any):
    assert names(decorator) == ()
    with pytest.raises(BadInput, match=r"none is named here; add --target gpu for \+buffers"):
        names(decorator, "--option", "buffers")


def test_an_unknown_setting_is_refused_before_anything_runs():
    with pytest.raises(BadInput, match="did you mean 'buffer_storage_type'"):
        names(options.target, "--option", "buffer_storage=1")


def with_a_seed(group: click.Group, *path: str) -> Iterator[tuple[str, ...]]:
    """The words of every command that takes a seed."""
    context = click.Context(group)
    for name in group.list_commands(context):
        found = group.get_command(context, name)
        if isinstance(found, click.Group):
            yield from with_a_seed(found, *path, name)
        elif found is not None and any("--seed" in parameter.opts for parameter in found.params):
            yield (*path, name)


SEEDED = list(with_a_seed(main))


def test_many_commands_take_a_seed():
    assert len(SEEDED) > 7


@pytest.mark.parametrize("words", SEEDED, ids=" ".join)
def test_no_command_takes_a_negative_seed(words: tuple[str, ...]):
    result = CliRunner().invoke(main, [*words, "--seed", "-1"])
    assert result.exit_code == 2
    assert "'--seed': -1 is not in the range x>=0" in result.output
