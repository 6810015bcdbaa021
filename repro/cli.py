"""The `repro` command: finds the subcommand's module, runs it, turns errors into one line and an exit code.

Subcommands are imported only when called, so that `repro list` does not pay for torch.
"""

from __future__ import annotations

import importlib
import sys
from importlib.metadata import PackageNotFoundError, version

import click

from runner.errors import ReproError

# name -> one line of help. The module is repro.commands.<name>, its click command is called `command`.
# The help stands here so that `--help` imports nothing. The order is the order of `--help`.
COMMANDS = {
    "doctor": "What can run here, and the exact command that mends what cannot.",
    "list": "The catalogue of cases.",
    "run": "Run the catalogue on targets, compared with what is expected.",
    "check": "Any .tflite on a target, judged without expectations.",
    "judge": "Judge saved runs, or bare arrays, again.",
    "lint": "Hazards of a .tflite, by reading only.",
    "reduce": "The smallest graph with the same failure.",
    "fix": "Apply the smallest known workaround to a .tflite, and prove it.",
    "fuzz": "Draw new graphs, and reduce each new bug found.",
    "compare": "What changed between two runs.",
    "matrix": "Measure cases on runtimes x drivers x precisions.",
    "expect": "Rewrite expectations from results.",
    "finding": "Findings: list, show, new, measure, verify.",
    "report": "Write the upstream issue of a finding, with its attachments.",
    "gate": "Pass or refuse a layout before a release.",
    "detect": "Boxes found in an image by torch and by a target, side by side.",
    "device": "Phones over adb: list, setup, clean.",
    "prepare": "Convert what the catalogue needs converted, ahead of time.",
}


class LazyCommands(click.Group):
    """A group whose commands are imported on first use."""

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


def _version() -> str:
    try:
        return version("mali-delegate-repro")
    except PackageNotFoundError:
        return "not installed"


@click.group(cls=LazyCommands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.option("--debug", is_flag=True, help="Show a traceback instead of the one-line error.")
@click.version_option(_version(), prog_name="repro")
def main(debug: bool) -> None:
    """Reproduce, explain and gate silent miscompiles of the LiteRT GPU delegate (ML Drift)."""


def entry() -> None:
    """Console script. Exit codes: 0 as expected, 1 findings, 2 wrong usage or input, 3 nothing to run (on)."""
    debug = "--debug" in sys.argv
    try:
        code = main(standalone_mode=False)
    except ReproError as error:
        if debug:
            raise
        click.echo(f"repro: {error}", err=True)
        sys.exit(error.exit_code)
    except click.exceptions.NoArgsIsHelpError as error:
        # A group without a subcommand: its message is the group's whole help, which is no one line.
        click.echo(error.format_message(), err=True)
        sys.exit(error.exit_code)
    except click.ClickException as error:
        context = getattr(error, "ctx", None)
        path = context.command_path if context is not None else "repro"
        message = " ".join(error.format_message().split())
        click.echo(f"repro: {message.rstrip('.')}; see `{path} --help`", err=True)
        sys.exit(2)
    except (KeyboardInterrupt, click.Abort):
        click.echo("repro: interrupted; what was measured is kept, the same command resumes", err=True)
        sys.exit(130)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(0)
    sys.exit(code if isinstance(code, int) else 0)
