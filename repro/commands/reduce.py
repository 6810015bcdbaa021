"""`repro reduce`: the smallest graph with the same failure."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.markup import escape

from repro.display import json_lines
from repro.records.journal import Journal
from repro.reducer import history
from repro.reducer.problem import Specimen
from repro.reducer.search import Reduced, Search, Step
from repro.trials.check import Subject, load_subject
from repro.trials.trial import Reference, prepare, try_all
from repro.verdicts.verdict import Status
from runner import targets
from runner.errors import BadInput
from runner.run import Precision
from runner.target import Target


@click.command(context_settings={"max_content_width": 110})
@click.argument("model", type=click.Path(path_type=Path))
@click.option("--target", "target_name", default="gpu", show_default=True)
@click.option("--runtime", help="LiteRT version, default the installed one.")
@click.option("--precision", type=click.Choice(["fp32", "fp16"]), default="fp32", show_default=True)
@click.option("--output", type=int, help="Index of the failing output; default the first that fails.")
@click.option("--inputs", "inputs_file", type=click.Path(path_type=Path), help=".npz with one array an input.")
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of inputs that are made.")
@click.option("--out", type=click.Path(path_type=Path), help="Folder for history and result; default MODEL.reduced.")
@click.option("--max-runs", type=click.IntRange(min=3), default=200, show_default=True, help="Delegate runs at most.")
@click.option("--workers", type=click.IntRange(min=1), help="Candidates that run at once; default one a core.")
@click.option("--json", "as_json", is_flag=True, help="One object a step on stdout, the summary last.")
@click.pass_context
def command(
    ctx: click.Context,
    model: Path,
    target_name: str,
    runtime: str | None,
    precision: str,
    output: int | None,
    inputs_file: Path | None,
    seed: int,
    out: Path | None,
    max_runs: int,
    workers: int | None,
    as_json: bool,
) -> None:
    """Reduce MODEL to the smallest graph with the same signature on the same output's role.

    Interrupt it at will: the same command goes on where it stopped, from OUT/tried.sqlite. On
    --target cpu it reduces converter and kernel bugs the same way. Exits 0 with a reduced model.

    \b
    1. repro reduce model.tflite
    2. repro reduce model.tflite --target gpu:swiftshader --precision fp16 --output 1 --out small
    3. sh model.reduced/reductions/0003/replay.sh         any step again
    """
    subject = load_subject(model, inputs_file, seed)
    (name,) = targets.resolve([target_name])
    chosen = Precision.FP32 if name.startswith("cpu") else Precision(precision)
    folder = out or model.with_name(f"{model.stem}.reduced")
    console = Console(stderr=True, soft_wrap=True)
    with contextlib.ExitStack() as stack:

        def open_cpu() -> Target:
            return stack.enter_context(targets.open_target("cpu", runtime=runtime))

        target = stack.enter_context(
            targets.open_target(name, runtime=runtime, workers=workers or max(1, os.cpu_count() or 1))
        )
        journal = stack.enter_context(Journal(folder / history.JOURNAL))
        reference = Reference(open_cpu)
        failing = _failing_output(subject, target, chosen, reference, output)
        console.print(
            f"{escape(subject.name)}: {len(subject.graph.ops)} ops on {name} {chosen}, "
            f"inputs {escape(subject.feeds_from)}, {len(journal)} answers known",
            highlight=False,
        )
        progress = stack.enter_context(console.status("confirming the failure"))

        def on_step(step: Step) -> None:
            place = history.write_step(folder, step, name, chosen)
            role_note = f", roles changed: {len(step.specimen.drift)}" if step.specimen.drift else ""
            line = f"{place.name}  {len(step.specimen.graph.ops):4d} ops  {step.runs:4d} runs  {step.specimen.made_by}"
            console.print(escape(line + role_note), highlight=False)
            if as_json:
                click.echo(json_lines.dump(_step_record(step)))

        def on_runs(runs: int, current: Specimen) -> None:
            progress.update(f"{len(current.graph.ops)} ops, {runs} of at most {max_runs} runs")

        search = Search(target, chosen, reference, journal, max_runs=max_runs, on_step=on_step, on_runs=on_runs)
        reduced = search.reduce(Specimen(subject.graph, subject.feeds, failing))
    record = history.summary(reduced, name, chosen, folder, seed)
    history.write_result(folder, reduced, record)
    _show(Console(stderr=as_json, soft_wrap=True), reduced, record)
    if as_json:
        click.echo(json_lines.dump(record))
    ctx.exit(0)


def _failing_output(
    subject: Subject, target: Target, precision: Precision, reference: Reference, index: int | None
) -> str:
    """Name of the output to watch: the one asked for, else the first that fails; empty where the run itself fails."""
    graph = subject.graph
    if index is not None:
        if not 0 <= index < len(graph.outputs):
            raise BadInput(
                f"{subject.name} has outputs 0 to {len(graph.outputs) - 1}; --output {index} is none of them"
            )
        return graph.outputs[index]
    trial = prepare(graph, subject.feeds, precision, reference, subject.name)
    (tried,) = try_all([trial], target)
    failing = [v for v in tried.verdicts if v.status is Status.FAIL]
    if failing:
        return graph.outputs[failing[0].output]
    if all(v.output < 0 for v in tried.verdicts):
        return ""
    invalid = [v for v in tried.verdicts if v.status is Status.INVALID]
    why = f" (output {invalid[0].output} cannot be judged: {invalid[0].reason})" if invalid else ""
    raise BadInput(
        f"{subject.name}: no output fails on {target.name} at {precision}{why}; nothing to reduce, "
        "try another --target, --precision or --inputs"
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


def _show(console: Console, reduced: Reduced, record: dict[str, Any]) -> None:
    state = "" if reduced.complete else "  (stopped at --max-runs; the same command with more goes on)"
    head = f"{record['ops']} ops after {reduced.steps} steps and {reduced.runs} runs: {reduced.failure.describe()}"
    console.print(f"[bold]{escape(head)}[/]{state}", highlight=False)
    for line in history.describe_graph(reduced.specimen.graph):
        console.print(f"  {escape(line)}", highlight=False)
    if reduced.role_steps:
        console.print(f"  steps that changed the failing output's role: {escape(reduced.role_steps)}", highlight=False)
    for need in reduced.needs:
        console.print(f"  {escape(need.op)}: {escape(need.without)}", highlight=False)
    console.print(f"  {escape(record['model'])}; see it fail: {escape(record['replay'])}", highlight=False)
