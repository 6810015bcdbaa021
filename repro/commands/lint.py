"""`repro lint`: hazards in .tflite files, by reading only."""

from __future__ import annotations

import json
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import click
from rich.console import Console
from rich.markup import escape

from cases.tflite.read import read_tflite
from repro.display.sarif import sarif_log
from repro.hazards.hazard import Hazard
from repro.hazards.lint import lint
from repro.hazards.rules import RULES
from runner.errors import BadInput, NothingRan


@click.command(context_settings={"max_content_width": 110})
@click.argument("models", nargs=-1, type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="One object a hazard on stdout.")
@click.option("--sarif", "sarif_file", type=click.Path(path_type=Path), help="Write SARIF 2.1.0 to FILE ('-': stdout).")
@click.option("--no-risky", is_flag=True, help="Leave out the lower level: what may go wrong but was not seen to.")
@click.pass_context
def command(
    ctx: click.Context, models: tuple[Path, ...], as_json: bool, sarif_file: Path | None, no_risky: bool
) -> None:
    """Find hazards in MODELS without running them: outputs the delegate loses, values it gets wrong.

    Exit 0: no hazard (risks alone do not fail). Exit 1: a hazard. Exit 2: a file that is no .tflite. Exit 3:
    no file at all, as from a pattern that matches nothing.

    \b
    1. repro lint model.tflite
    2. repro lint *.tflite --json
    3. repro lint model.tflite --sarif lint.sarif       for code-scanning annotations
    """
    if as_json and str(sarif_file) == "-":
        raise BadInput("--json and --sarif - both write to stdout; give --sarif a file")
    if not models:
        raise NothingRan("no model was given, so none was read; name .tflite files")
    results: list[tuple[str, tuple[Hazard, ...]]] = []
    for path in models:
        found = lint(read_tflite(read_model(path), str(path)))
        results.append((str(path), tuple(h for h in found if h.level == "hazard" or not no_risky)))
    if sarif_file is not None:
        text = json.dumps(sarif_log(results, _version()), indent=2) + "\n"
        if str(sarif_file) == "-":
            click.echo(text, nl=False)
        else:
            sarif_file.parent.mkdir(parents=True, exist_ok=True)
            sarif_file.write_text(text, encoding="utf-8")
    if as_json:
        for path_name, hazards in results:
            for hazard in hazards:
                click.echo(json.dumps(lint_object(path_name, hazard)))
    elif str(sarif_file) != "-":
        show(Console(soft_wrap=True, highlight=False), results)
    ctx.exit(1 if any(h.level == "hazard" for _, hazards in results for h in hazards) else 0)


def read_model(path: Path) -> bytes:
    """The bytes of a file that the user named. Raises BadInput."""
    try:
        return path.read_bytes()
    except FileNotFoundError as error:
        raise BadInput(f"{path}: no such file; give a .tflite model") from error
    except OSError as error:
        raise BadInput(f"{path}: cannot be read ({error.strerror}); give a .tflite model") from error


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


def show(console: Console, results: Sequence[tuple[str, Sequence[Hazard]]]) -> None:
    """The text form: one block a model, hazards before risks, risks of one rule counted after the third."""
    for path, hazards in results:
        counts = {level: sum(h.level == level for h in hazards) for level in ("hazard", "risky")}
        if not hazards:
            console.print(f"[green]clean[/] {escape(path)}")
            continue
        style = "red" if counts["hazard"] else "yellow"
        plural = "" if counts["hazard"] == 1 else "s"
        console.print(f"[{style}]{counts['hazard']} hazard{plural}, {counts['risky']} risky[/] {escape(path)}")
        shown: dict[str, int] = {}
        for hazard in hazards:
            shown[hazard.rule] = shown.get(hazard.rule, 0) + 1
            if hazard.level == "risky" and shown[hazard.rule] > 3:
                continue
            _show_one(console, hazard)
        for rule, count in shown.items():
            if RULES[rule].level == "risky" and count > 3:
                console.print(f"  ... and {count - 3} more of {rule} (--json lists them all)")


def _show_one(console: Console, hazard: Hazard) -> None:
    rule = RULES[hazard.rule]
    style = "red" if hazard.level == "hazard" else "yellow"
    where = f"output {hazard.output}" if hazard.output is not None else "tensor"
    ops = " -> ".join(dict.fromkeys(kind for kind in (hazard.producer, hazard.consumer) if kind))
    console.print(f"  [{style}]{hazard.level}[/] {hazard.rule}: {where} '{escape(hazard.tensor)}' ({escape(ops)})")
    console.print(f"    {escape(hazard.message)}")
    console.print(f"    fix: {escape(hazard.fix)}")
    if rule.where:
        console.print(f"    where: {escape(rule.where)}")
    if rule.finding or rule.upstream:
        console.print(f"    see: {escape(' '.join(part for part in (rule.finding, rule.upstream) if part))}")


def _version() -> str:
    try:
        return version("mali-delegate-repro")
    except PackageNotFoundError:
        return "0.0.0"
