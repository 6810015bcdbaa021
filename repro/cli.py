"""The `repro` command: finds the subcommand's module, runs it, turns errors into one line and an exit code.

Subcommands are imported only when called, so that `repro list` does not pay for torch.
"""

from __future__ import annotations

import importlib
import sys
from importlib.metadata import PackageNotFoundError, version

import click

from runner.errors import ReproError

# name -> module; the module's click command is called `command`. The order is the order of `--help`.
COMMANDS = {
    "doctor": "repro.commands.doctor",
    "list": "repro.commands.list",
    "run": "repro.commands.run",
    "check": "repro.commands.check",
    "judge": "repro.commands.judge",
    "lint": "repro.commands.lint",
    "reduce": "repro.commands.reduce",
    "fix": "repro.commands.fix",
    "fuzz": "repro.commands.fuzz",
    "matrix": "repro.commands.matrix",
    "expect": "repro.commands.expect",
    "finding": "repro.commands.finding",
    "report": "repro.commands.report",
    "gate": "repro.commands.gate",
    "detect": "repro.commands.detect",
    "device": "repro.commands.device",
    "prepare": "repro.commands.prepare",
}


class LazyCommands(click.Group):
    """A group whose commands are imported on first use."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        module = COMMANDS.get(cmd_name)
        if module is None:
            return None
        return importlib.import_module(module).command


def _version() -> str:
    try:
        return version("mali-delegate-repro")
    except PackageNotFoundError:
        return "not installed"


@click.group(cls=LazyCommands, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--debug", is_flag=True, help="Show a traceback instead of the one-line error.")
@click.version_option(_version(), prog_name="repro")
def main(debug: bool) -> None:
    """Reproduce, explain and gate silent miscompiles of the LiteRT GPU delegate (ML Drift)."""


def entry() -> None:
    """Console script. Exit codes: 0 as expected, 1 findings, 2 wrong usage or input, 3 target not available."""
    debug = "--debug" in sys.argv
    try:
        code = main(standalone_mode=False)
    except ReproError as error:
        if debug:
            raise
        click.echo(f"repro: {error}", err=True)
        sys.exit(error.exit_code)
    except click.ClickException as error:
        error.show()
        sys.exit(2)
    except (KeyboardInterrupt, click.Abort):
        click.echo("repro: interrupted; what was measured is kept, the same command resumes", err=True)
        sys.exit(130)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(0)
    sys.exit(code if isinstance(code, int) else 0)
