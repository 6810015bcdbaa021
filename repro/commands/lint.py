"""`repro lint`: hazards in .tflite files, by reading only."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import click

from repro import api
from repro.commands import completion, options
from repro.commands.file_path import FilePath
from repro.commands.outputs import keep_apart
from repro.delegate.adapters import Adapter, Api
from repro.display import model_explorer
from repro.display.console import Screen, print_lines
from repro.display.sarif_of_lint import lint_log
from repro.hazards.hazard import Hazard, Level
from repro.hazards.linted import Linted
from repro.hazards.rules import RULES
from repro.records.lines import Line, Tone, counted, line
from repro.trials.load import models_in, signatures_of
from runner.adapter_families import presented_names
from runner.encoding import json_text, shell_command
from runner.errors import BadInput
from runner.run import Precision
from runner.targets import PRECISION_CHOICES


@click.command()
@click.argument("models", nargs=-1, type=FilePath())
@click.option("--json", "as_json", is_flag=True, help="One object per hazard on stdout.")
@options.sarif
@options.model_explorer
@click.option("--no-risky", is_flag=True, help="Leave out risks: what may go wrong but was not seen to.")
@click.option(
    "--adapter",
    "names",
    multiple=True,
    shell_complete=completion.adapters,
    help="Where it will run: the GPU's name, or a family of `repro docs adapter-families`. May be repeated.",
)
@click.option(
    "--precision", type=click.Choice(PRECISION_CHOICES), help="With --adapter: which arithmetic; default both."
)
@click.option(
    "--backend", type=click.Choice([str(each) for each in Api]), help="With --adapter: which API; default both."
)
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
    names: tuple[str, ...],
    precision: str | None,
    backend: str | None,
    signature: str | None,
) -> None:
    """Find hazards in MODELS without running them: outputs the delegate loses, values it gets wrong.

    A folder stands for every .tflite below it. Some branches of the delegate depend on the adapter: with --adapter what
    goes wrong there is a hazard and what does not is left out, without it such an output is a risk that names the
    adapters.

    Exit 0: no hazard (risks alone do not fail). Exit 1: a hazard. Exit 2: a file that is no .tflite. Exit 3:
    no file at all, as from a pattern that matches nothing.

    \b
    1. repro lint model.tflite
    2. repro lint models/ other.tflite --json
    3. repro lint model.tflite --sarif lint.sarif       for code-scanning annotations
    4. repro lint model.tflite --model-explorer hazards.json    node data for Model Explorer
    5. repro lint model.tflite --adapter Mali-G715 --precision fp16
    """
    if as_json and options.is_stdout(sarif_file):
        raise BadInput("--json and --sarif - both write to stdout; give --sarif a file")
    paths = models_in(models)
    if explorer_file is not None and len(paths) > 1:
        raise BadInput("--model-explorer is about one model; name one .tflite file")
    keep_apart({"--sarif": options.as_file(sarif_file), "--model-explorer": explorer_file}, paths)
    adapters = _adapters(names, precision, backend)
    linted = [
        (path, api.lint(path, adapters=adapters, signature=key))
        for path in paths
        for key in ([signature] if signature else signatures_of(path))
    ]
    if no_risky:
        linted = [(path, one.without_risks()) for path, one in linted]
    results = [one for _, one in linted]
    if explorer_file is not None:
        if len(results) > 1:
            raise BadInput(
                f"--model-explorer is about one signature, and {paths[0]} has several; give --signature NAME"
            )
        model_explorer.write_node_data(explorer_file, model_explorer.hazards(results[0], "hazards"))
    if sarif_file is not None:
        options.write_sarif(sarif_file, lint_log(linted))
    if as_json:
        for one in results:
            for hazard in one:
                click.echo(json_text(lint_object(one.name, hazard)))
    elif not options.is_stdout(sarif_file):
        print_lines(Screen(soft_wrap=True), [*(shown for one in results for shown in one.lines()), *_next(results)])
    ctx.exit(0 if all(one.passed for one in results) else 1)


def _adapters(names: Sequence[str], precision: str | None, backend: str | None) -> tuple[Adapter, ...]:
    if not names and (precision or backend):
        option = "--precision" if precision else "--backend"
        raise BadInput(f"{option} is about an adapter, and none is named; add --adapter, such as --adapter Mali-G715")
    precisions = list(Precision) if precision in (None, "both") else [Precision(precision)]
    full = dict.fromkeys(name for asked in names for name in presented_names(asked))
    apis = [Api(backend)] if backend else list(Api)
    return tuple(Adapter(name, each, api) for name in full for each in precisions for api in apis)


def _next(results: Sequence[Linted]) -> Iterator[Line]:
    """What to do about the first model that has a hazard."""
    unclean = [one.name for one in results if not one.passed]
    mendable = [one.name for one in results if any(RULES[hazard.rule].level is Level.HAZARD for hazard in one)]
    if unclean:
        said = f"{len(unclean)} of {counted(len(results), 'model')} with a hazard"
        first = next((name for name in unclean if name in mendable), "")
        command = shell_command(["repro", "fix", first, "-o", "fixed.tflite"])
        yield line((said, Tone.BAD), f"; next: {command}" if first else "")


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
        "where": hazard.where or rule.where,
        "adapters": [{"name": a.name, "precision": a.precision, "api": a.api} for a in hazard.adapters],
    }
