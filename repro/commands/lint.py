"""`repro lint`: hazards in .tflite files, by reading only."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import click

from repro import api
from repro.commands import options
from repro.commands.outputs import keep_apart
from repro.display import model_explorer
from repro.display.console import Screen, print_lines
from repro.display.sarif import sarif_log
from repro.hazards.hazard import Hazard, Level
from repro.hazards.linted import Linted
from repro.hazards.rules import RULES
from repro.records.lines import Line, Tone, counted, line
from repro.trials.load import signatures_of
from runner.cache import write_atomically
from runner.encoding import json_text, shell_command
from runner.errors import BadInput, NothingRan


@click.command()
@click.argument("models", nargs=-1, type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="One object per hazard on stdout.")
@click.option("--sarif", "sarif_file", type=click.Path(path_type=Path), help="Write SARIF 2.1.0 here ('-': stdout).")
@options.model_explorer
@click.option("--no-risky", is_flag=True, help="Leave out risks: what may go wrong but was not seen to.")
@options.signature
@options.memory
@click.pass_context
def command(
    ctx: click.Context,
    models: tuple[Path, ...],
    as_json: bool,
    sarif_file: Path | None,
    explorer_file: Path | None,
    no_risky: bool,
    signature: str | None,
) -> None:
    """Find hazards in MODELS without running them: outputs the delegate loses, values it gets wrong.

    Exit 0: no hazard (risks alone do not fail). Exit 1: a hazard. Exit 2: a file that is no .tflite. Exit 3:
    no file at all, as from a pattern that matches nothing.

    \b
    1. repro lint model.tflite
    2. repro lint *.tflite --json
    3. repro lint model.tflite --sarif lint.sarif       for code-scanning annotations
    4. repro lint model.tflite --model-explorer hazards.json    node data for Model Explorer
    """
    if as_json and str(sarif_file) == "-":
        raise BadInput("--json and --sarif - both write to stdout; give --sarif a file")
    if not models:
        raise NothingRan("no model was given, so none was read; name .tflite files")
    if explorer_file is not None and len(models) > 1:
        raise BadInput("--model-explorer is about one model; name one .tflite file")
    keep_apart({"--sarif": sarif_file, "--model-explorer": explorer_file}, models)
    results = [
        api.lint(path, signature=key) for path in models for key in ([signature] if signature else signatures_of(path))
    ]
    if no_risky:
        results = [Linted((h for h in one if h.level is Level.HAZARD), one.name, one.unexamined) for one in results]
    if explorer_file is not None:
        if len(results) > 1:
            raise BadInput(
                f"--model-explorer is about one signature, and {models[0]} has several; give --signature NAME"
            )
        model_explorer.write_node_data(explorer_file, model_explorer.hazards(results[0], "hazards"))
    if sarif_file is not None:
        text = json_text(sarif_log([(one.name, one) for one in results], _version()), indent=2) + "\n"
        if str(sarif_file) == "-":
            click.echo(text, nl=False)
        else:
            write_atomically(sarif_file, text.encode())
    if as_json:
        for one in results:
            for hazard in one:
                click.echo(json_text(lint_object(one.name, hazard)))
    elif str(sarif_file) != "-":
        print_lines(Screen(soft_wrap=True), [*(shown for one in results for shown in one.lines()), *_next(results)])
    ctx.exit(0 if all(one.passed for one in results) else 1)


def _next(results: Sequence[Linted]) -> Iterator[Line]:
    """What to do about the first model that has a hazard."""
    unclean = [one.name for one in results if not one.passed]
    if unclean:
        said = f"{len(unclean)} of {counted(len(results), 'model')} with a hazard"
        yield line((said, Tone.BAD), f"; next: {shell_command(['repro', 'fix', unclean[0], '-o', 'fixed.tflite'])}")


def lint_object(model: str, hazard: Hazard) -> dict[str, object]:
    """The `--json` form of one hazard; `output` is the graph output's index, or null."""
    rule = RULES[hazard.rule]
    return {
        "model": model,
        "tensor": hazard.tensor,
        "output": hazard.output,
        "rule": hazard.rule,
        "producer": hazard.producer,
        "consumer": hazard.consumer,
        "message": hazard.message,
        "fix": hazard.fix,
        "level": hazard.level,
        "effect": hazard.effect,
        "affected": list(hazard.affected),
        "finding": rule.finding,
        "upstream": rule.upstream,
        "runtimes": rule.runtimes,
        "where": rule.where,
    }


def _version() -> str:
    try:
        return version("mali-delegate-repro")
    except PackageNotFoundError:
        return "0.0.0"
