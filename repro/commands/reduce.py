"""`repro reduce`: the smallest graph with the same failure."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from repro import api
from repro.commands import options
from repro.commands.file_path import FilePath
from repro.commands.outputs import keep_apart
from repro.commands.own_catalogue import say_own_catalogue
from repro.display import json_lines
from repro.display.console import Screen, print_lines
from repro.pages.of_reduce import reduce_page
from repro.pages.render import write_page
from repro.records.lines import counted, line
from repro.records.own_folders import own_folders
from repro.reducer import history
from repro.reducer.problem import Specimen
from repro.reducer.search import Reduced, Step
from repro.trials.known_bugs import known_bugs, next_command
from repro.verdicts.subject import Subject
from repro.verdicts.verdict import Status, Verdict
from runner import targets
from runner.encoding import shell_command
from runner.run import Precision

_OUT = "Folder for history and result; default MODEL.reduced, for a model of a project (repro.toml) in its folder."


@click.command()
@click.argument("model", type=FilePath())
@options.target
@options.runtime
@options.one_precision
@click.option("--output", type=int, help="Index of the failing output; default the first that fails.")
@options.inputs
@options.input_seed
@options.signature
@options.shapes
@click.option("--out", type=click.Path(path_type=Path), help=_OUT)
@click.option("--max-runs", type=click.IntRange(min=3), default=200, show_default=True, help="Delegate runs at most.")
@options.stream_workers
@options.html
@click.option("--json", "as_json", is_flag=True, help="One object per step on stdout, the summary last.")
@options.memory
@click.pass_context
def command(
    ctx: click.Context,
    model: Path,
    target_name: str,
    runtime: str | None,
    precision: str,
    output: int | None,
    input_files: tuple[Path, ...],
    input_words: tuple[str, ...],
    seed: int,
    signature: str | None,
    shapes: dict[str, tuple[int, ...]],
    out: Path | None,
    max_runs: int,
    workers: int | None,
    html_file: Path | None,
    as_json: bool,
) -> None:
    """Reduce MODEL to the smallest graph with the same signature on the same output's role.

    Interrupt it at will: the same command goes on where it stopped, from OUT/tried.sqlite. On
    --target cpu it reduces converter and kernel bugs the same way. Exit 0 with a reduced model.

    \b
    1. repro reduce model.tflite
    2. repro reduce model.tflite --target gpu:swiftshader --precision fp16 --output 1 --out small
    3. sh model.reduced/reductions/0003/replay.sh         any step again
    """
    name = targets.resolve_one(target_name)
    folder = out or _default_folder(model)
    keep_apart({"--out": folder, "--html": html_file}, (model, *input_files))
    console = Screen(stderr=True, soft_wrap=True)
    steps: list[Step] = []
    with console.status("confirming the failure") as progress:

        def on_start(subject: Subject, chosen: Precision, known: int) -> None:
            counts = f"{subject.name}: {counted(len(subject.graph.ops), 'op')} on {name} {chosen}"
            print_lines(console, [line(f"{counts}, inputs {subject.plan.words}, {known} runs kept from before")])

        def on_step(step: Step) -> None:
            role_note = f", roles changed: {len(step.specimen.drift)}" if step.specimen.drift else ""
            counts = f"{step.number:04d}  {len(step.specimen.graph.ops):4d} ops  {step.runs:4d} runs"
            print_lines(console, [line(f"{counts}  {step.specimen.made_by}{role_note}")])
            steps.append(step)
            if as_json:
                click.echo(json_lines.dump(_step_record(step)))

        def on_runs(runs: int, current: Specimen) -> None:
            progress.update(f"{counted(len(current.graph.ops), 'op')}, {runs} of at most {counted(max_runs, 'run')}")

        reduced = api.reduce(
            model,
            target=name,
            precision=precision,
            output=output,
            inputs=options.given_inputs(input_files, input_words),
            seed=seed,
            signature=signature,
            shapes=shapes,
            out=folder,
            max_runs=max_runs,
            workers=workers,
            runtime=runtime,
            on_start=on_start,
            on_step=on_step,
            on_runs=on_runs,
        )
    record = history.read_summary(folder)
    screen = Screen(stderr=as_json, soft_wrap=True)
    print_lines(screen, [*reduced.lines(), line(f"  {record['model']}; see it fail: {record['replay']}")])
    step = next_step(reduced, str(record["model"]), name, Precision(record["precision"]))
    print_lines(screen, [line(f"next: {step}")])
    if as_json:
        click.echo(json_lines.dump(record))
    if html_file is not None:
        write_page(html_file, reduce_page(model.name, reduced, steps, record, options.typed()))
    ctx.exit(0)


def _default_folder(model: Path) -> Path:
    """Beside the model; for one that lies in a project, in the project's own folder, by its place in the project."""
    own, place = own_folders(), model.resolve()
    if own is None or not place.is_relative_to(own.root):
        return model.with_name(f"{model.stem}.reduced")
    say_own_catalogue()
    return own.reductions / place.relative_to(own.root).with_suffix("")


def next_step(reduced: Reduced, model: str, target: str, precision: Precision) -> str:
    """What to do with the reduced model: mend what is known, change what is refused, keep what is new."""
    signature = reduced.failure.signature
    if signature == Status.REFUSED:
        return "replace the op that is refused, or see what the cpu takes: " + shell_command(
            ["repro", "check", model, "--partial"]
        )
    place = reduced.graph.outputs.index(reduced.specimen.output) if reduced.specimen.output else -1
    status = Status.CRASH if signature == Status.CRASH else Status.FAIL
    bugs = known_bugs(reduced.graph, [Verdict(place, reduced.specimen.output, status)], target, precision)
    if bugs:
        return shell_command(next_command(bugs, model, target))
    return "no known bug explains it; keep it: " + shell_command(
        ["repro", "finding", "new", "NAME", "--model", model, "--control", "CONTROL.tflite"]
    )


def _step_record(step: Step) -> dict[str, Any]:
    return {
        "step": step.number,
        "ops": len(step.specimen.graph.ops),
        "runs": step.runs,
        "by": step.specimen.made_by,
        "verdict": step.answer.text,
        "roles_changed": sorted(step.specimen.drift),
    }
