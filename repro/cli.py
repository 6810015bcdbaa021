"""The `repro` command: finds the subcommand's module, runs it, turns errors into one line and an exit code.

Subcommands are imported only when called, so that `repro list` does not pay for torch.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import click

from runner.encoding import one_line
from runner.errors import BadInput, ReproError, nowhere_to_write
from runner.installation import is_of_converter, own_version
from runner.scratch import sweep_all
from runner.stopping import exit_code, stop_as_interrupted

# name -> one line of help. The module is repro.commands.<name>, its click command is called `command`.
# The help stands here so that `--help` imports nothing. The order is the order of `--help`.
COMMANDS = {
    "doctor": "What can run here, and the exact command that mends what cannot.",
    "init": "Begin a catalogue of your own: repro.toml and its folders.",
    "list": "The catalogue of cases.",
    "run": "Run the catalogue on targets, compared with what is expected.",
    "check": "Any .tflite on a target, judged without expectations.",
    "judge": "Judge saved runs, or bare arrays, again.",
    "lint": "Hazards of a .tflite, by reading only.",
    "range": "Which tensor leaves fp16 first, inside of kernels too, by evaluation only.",
    "reduce": "The smallest graph with the same failure.",
    "fix": "Apply the smallest known workaround to a .tflite, and prove it.",
    "fuzz": "Draw new graphs, and reduce each new bug found.",
    "compare": "What changed between two runs.",
    "history": "What failed in many runs, since when, and what is flaky.",
    "restart": "Models started again from the delegate's caches of compiled programs, also foreign and damaged ones.",
    "scheduler": "Where the workers of several machines meet.",
    "worker": "Lend this machine's targets to a scheduler.",
    "merge": "The shards of a run, a matrix or a hunt as one.",
    "matrix": "Measure cases on runtimes x drivers x precisions.",
    "expect": "Rewrite expectations from results.",
    "finding": "Findings: list, show, grid, new, measure, verify, render.",
    "report": "Write the upstream issue of a finding, or of all, with its attachments.",
    "gate": "Pass or refuse a layout before a release.",
    "detect": "Boxes found in an image by torch and by a target, side by side.",
    "device": "Phones over adb: list, setup, clean.",
    "bundle": "An archive that runs cases on a device elsewhere, without Python.",
    "ingest": "Judge what came back of a bundle.",
    "suite": "The suite's own tests, here or on a phone, with pytest.",
    "docs": "The documentation, page by page.",
    "prepare": "Convert what the catalogue needs converted, ahead of time.",
}


READER_GONE = 141
"""The exit code a shell gives to what SIGPIPE ended. Not 0: `repro gate ... | head` must not pass for having passed."""


class ReaderGone(Exception):
    """Nobody reads stdout or stderr any more. click would turn a BrokenPipeError into exit 1, which means findings."""


@contextmanager
def _reader_gone() -> Iterator[None]:
    try:
        yield
    except BrokenPipeError as error:
        raise ReaderGone from error


class LazyCommands(click.Group):
    """A group whose commands are imported on first use."""

    def make_context(self, *args: Any, **options: Any) -> click.Context:
        with _reader_gone():
            return super().make_context(*args, **options)

    def invoke(self, ctx: click.Context) -> Any:
        with _reader_gone():
            return super().invoke(ctx)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        try:
            return super().resolve_command(ctx, args)
        except click.exceptions.NoSuchCommand as error:
            # click knows only commands that are imported already.
            raise click.exceptions.NoSuchCommand(error.command_name, possibilities=COMMANDS, ctx=ctx) from error

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = importlib.import_module(f"repro.commands.{cmd_name}").command
        command.name = cmd_name
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(cls=LazyCommands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.option("--debug", is_flag=True, help="Show a traceback instead of the one-line error.")
@click.version_option(own_version(), prog_name="repro")
def main(debug: bool) -> None:
    """Reproduce, explain and gate silent miscompiles of the LiteRT GPU delegate (ML Drift)."""


def entry() -> None:
    """Console script. Exit codes: 0 as expected, 1 findings, 2 wrong usage or input, 3 nothing to run (on).

    130 is an interrupt; 141 says that the reader of stdout or stderr went away, as `head` does. Asked to end by
    another signal: 128 and its number, after everything that was started is stopped.
    """
    stop_as_interrupted()
    sweep_all()
    for stream in (sys.stdout, sys.stderr):
        # What a terminal's encoding does not have is written as its escape, as Python does on stderr.
        if stream is not None and hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    try:
        with _reader_gone():
            code = _run()
    except ReaderGone:
        code = READER_GONE
        _let_go_of(1, 2)
    sys.exit(code)


def _run() -> int:
    """The exit code of the command line; a failure that is the user's to mend is said in one line."""
    try:
        code = main(standalone_mode=False)
        if sys.stdout is not None:
            sys.stdout.flush()
    except ReproError as error:
        if "--debug" in sys.argv:
            raise
        return _failed(str(error), error.exit_code)
    except click.exceptions.NoArgsIsHelpError as error:
        # A group without a subcommand: its message is the group's whole help, which is no one line.
        click.echo(error.format_message(), err=True)
        return error.exit_code
    except click.ClickException as error:
        context = getattr(error, "ctx", None)
        path = context.command_path if context is not None else "repro"
        message = " ".join(error.format_message().split())
        return _failed(f"{message.rstrip('.')}; see `{path} --help`", 2)
    except (KeyboardInterrupt, click.Abort) as error:
        return _failed("interrupted; what was measured is kept, the same command resumes", exit_code(error))
    except ImportError as error:
        if "--debug" in sys.argv or not is_of_converter(error):
            raise
        from runner.installation import converter_install

        return _failed(f"this needs {error.name}, which is not installed; install it: {converter_install()}", 3)
    except OSError as error:
        problem = nowhere_to_write(error)
        if "--debug" in sys.argv or problem is None:
            raise
        _let_go_of(1)
        return _failed(problem, BadInput.exit_code)
    return code if isinstance(code, int) else 0


def _failed(why: str, code: int) -> int:
    with contextlib.suppress(OSError):  # where even this cannot be written, the exit code says it
        click.echo(one_line(f"repro: {why}"), err=True)
    return code


def _let_go_of(*descriptors: int) -> None:
    """What could not be written is still waiting: the interpreter would try once more when it ends, and complain."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for descriptor in descriptors:
        os.dup2(nowhere, descriptor)
