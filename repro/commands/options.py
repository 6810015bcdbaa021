"""Options that several commands share: the same name, meaning and words wherever one stands."""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click

from repro.campaigns.shards import Shard
from repro.commands import completion
from repro.trials.given_inputs import FORMS, GivenInputs
from runner.cache import write_atomically
from runner.delegate_settings import Settings
from runner.encoding import json_text, shell_command
from runner.errors import BadInput
from runner.memory import limited
from runner.run import Precision
from runner.targets import PRECISION_CHOICES, with_settings

Command = TypeVar("Command", bound="Callable[..., Any] | click.Command")
Given = TypeVar("Given", str, tuple[str, ...])


class NumberRange(click.FloatRange):
    """click.FloatRange without NaN, which no comparison finds outside any range."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        number = super().convert(value, param, ctx)
        if math.isnan(number):
            self.fail(f"{value} is no number", param, ctx)
        return number


TARGETS = "cpu, gpu, gpu:lavapipe, adb and the like"
_SETTINGS = "repro.delegate-settings"


def _keep_settings(ctx: click.Context, parameter: click.Parameter, words: tuple[str, ...]) -> None:
    ctx.meta[_SETTINGS] = Settings.parse(words)


def _add_settings(ctx: click.Context, parameter: click.Parameter, given: Given) -> Given:
    settings: Settings = ctx.meta[_SETTINGS]
    if isinstance(given, str):
        return with_settings(given, settings)
    if settings and not given:
        raise BadInput(f"--option changes a target, and none is named here; add --target gpu for {settings}")
    return tuple(with_settings(name, settings) for name in given)


def _target_option(name: str, help_text: str, **kind: Any) -> Callable[[Command], Command]:
    """`--target` with the `--option` that changes it: the settings are in the names that the command gets."""
    settings = click.option(
        "--option",
        multiple=True,
        metavar="KEY=VALUE",
        callback=_keep_settings,
        is_eager=True,
        expose_value=False,
        help="A setting of the GPU's delegate (`repro docs settings`), such as buffer_storage_type=1. May be repeated.",
    )
    chosen = click.option(
        "--target", name, callback=_add_settings, help=help_text, shell_complete=completion.targets, **kind
    )
    return lambda command: chosen(settings(command))


target = _target_option("target_name", f"Where to run: {TARGETS}.", default="gpu", show_default=True)
targets = _target_option(
    "target_names", f"Where to run: {TARGETS}. May be repeated.", multiple=True, default=("gpu",), show_default=True
)


def _use_server(ctx: click.Context, parameter: click.Parameter, place: str | None) -> None:
    if place is not None:
        from runner.adb.server import using_server

        ctx.with_resource(using_server(place))


adb_server = click.option(
    "--adb",
    metavar="HOST:PORT",
    callback=_use_server,
    expose_value=False,
    is_eager=True,
    help="The adb server to ask for phones, such as another machine's; default the one that `adb` itself uses.",
)


def device(command: Command) -> Command:
    """--device, and --adb for where to look for it."""
    chosen = click.option(
        "--device", help="For --target adb: SERIAL, HOST:PORT (of the phone), 'all', 'loopback' or 'loopback:pocl'."
    )
    return chosen(adb_server(command))


engine = click.option(
    "--engine", type=click.Choice(["native", "run_model"]), help="For --target adb: what runs on the phone."
)
runtime = click.option("--runtime", help="LiteRT version; default the installed one.")
one_precision = click.option(
    "--precision", type=click.Choice([str(each) for each in Precision]), default="fp32", show_default=True
)
fp32_or_more = click.option("--precision", type=click.Choice(PRECISION_CHOICES), default="fp32", show_default=True)
both_precisions = click.option("--precision", type=click.Choice(PRECISION_CHOICES), default="both", show_default=True)
_input_files = click.option(
    "--inputs",
    "input_files",
    multiple=True,
    type=click.Path(path_type=Path),
    help=".npz with one array per input. May be repeated: each is one feed, and nothing else is mixed in.",
)
_input_words = click.option(
    "--input",
    "input_words",
    multiple=True,
    metavar="NAME=WORDS",
    help=f"What one input gets: {FORMS}. May be repeated.",
)


def inputs(command: Command) -> Command:
    """--inputs and --input."""
    return _input_files(_input_words(command))


def given_inputs(files: Sequence[Path], words: Sequence[str]) -> GivenInputs | None:
    """What was given for --inputs and --input; None where nothing was."""
    return GivenInputs(tuple(files), tuple(words)) if files or words else None


SEED = click.IntRange(0)
"""What a seed may be: numpy's generators take no negative one."""
input_seed = click.option("--seed", type=SEED, default=0, show_default=True, help="Seed of the inputs that are made.")
signature = click.option("--signature", metavar="NAME", help="Which signature of a file that has several.")


def _shapes(ctx: click.Context, parameter: click.Parameter, given: tuple[str, ...]) -> dict[str, tuple[int, ...]]:
    shapes = {}
    for text in given:
        name, equals, extents = text.rpartition("=")
        if not equals or not re.fullmatch(r"[0-9]+(,[0-9]+)*", extents):
            raise BadInput(f"--shape {text}: give INPUT=EXTENT,EXTENT,... such as --shape x=1,64,256")
        shapes[name] = tuple(int(extent) for extent in extents.split(","))
    return shapes


shapes = click.option(
    "--shape",
    "shapes",
    metavar="INPUT=1,64,256",
    multiple=True,
    callback=_shapes,
    help="Shape of an input that the file leaves open; default the file's own. May be repeated.",
)
shard = click.option(
    "--shard",
    metavar="I/N",
    callback=lambda ctx, parameter, text: Shard.parse(text) if text else None,
    help="Only the I-th of N parts that cost about the same; each machine cuts alike.",
)
save = click.option("--save", type=click.Path(path_type=Path), help="Folder that keeps each run, for `repro judge`.")
layout_targets = _target_option(
    "target_names",
    f"Where to run: {TARGETS}. May be repeated. Default: the layout's own, else gpu.",
    multiple=True,
)
all_targets = _target_option(
    "target_names", "May be repeated. Default: every Vulkan driver and phone here.", multiple=True
)
again = click.option("--again", is_flag=True, help="Also measure what is unchanged since it was measured.")
pool_workers = click.option(
    "--workers", type=click.IntRange(1, 64), default=2, show_default=True, help="Models that run at once."
)
stream_workers = click.option(
    "--workers", type=click.IntRange(min=1), help="Graphs that run at once; default one per core."
)


def _limit_memory(ctx: click.Context, parameter: click.Parameter, size: str | None) -> None:
    ctx.with_resource(limited(size))


memory = click.option(
    "--memory",
    metavar="SIZE",
    callback=_limit_memory,
    expose_value=False,
    help="What this process may use for models and arrays, such as 2GiB; default half of what is available.",
)
json_per_output = click.option("--json", "as_json", is_flag=True, help="One object per output on stdout.")
junit = click.option(
    "--junit", "junit_file", type=click.Path(path_type=Path, dir_okay=False), help="Also write JUnit XML here."
)
sarif = click.option(
    "--sarif", "sarif_file", type=click.Path(path_type=Path), help="Write SARIF 2.1.0 here ('-': stdout)."
)


def is_stdout(file: Path | None) -> bool:
    """Whether `-` was given for a file."""
    return str(file) == "-"


def as_file(file: Path | None) -> Path | None:
    """The file that was given; None where it is stdout."""
    return None if is_stdout(file) else file


def write_sarif(file: Path, log: Mapping[str, Any]) -> None:
    """Write a log to a file, or to stdout for `-`. Raises Unwritable."""
    text = json_text(log, indent=2) + "\n"
    if is_stdout(file):
        click.echo(text, nl=False)
    else:
        write_atomically(file, text.encode())


model_explorer = click.option(
    "--model-explorer",
    "explorer_file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Also write node data for Model Explorer here (JSON).",
)
html = click.option(
    "--html", "html_file", type=click.Path(path_type=Path, dir_okay=False), help="Also write one self-contained page."
)


def typed() -> str:
    """The command as it was typed, for a page that says how it was made."""
    return shell_command(["repro", *sys.argv[1:]])


def typed_for(target: str) -> str:
    """The command as it was typed, for one of its targets alone, and so that it goes on where it stopped."""
    return shell_command(["repro", *_for_target(sys.argv[1:], target)])


def _for_target(typed_words: Sequence[str], target: str) -> list[str]:
    kept: list[str] = []
    words_left = iter(typed_words)
    for word in words_left:
        if word in ("--target", "--device"):
            next(words_left, None)
        elif not word.startswith(("--target=", "--device=")) and word != "--again":
            kept.append(word)
    return [*kept, "--target", target]


def words(given: Mapping[str, object]) -> list[str]:
    """Options as words of a command line. given: option -> what was given for it, a tuple where it may be repeated,
    None where nothing was."""
    several = {option: value if isinstance(value, tuple) else (value,) for option, value in given.items()}
    return [
        word for option, values in several.items() for one in values if one is not None for word in (option, str(one))
    ]
