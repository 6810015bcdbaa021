"""`repro check`: any .tflite on a target, judged against what its own ops compute."""

from __future__ import annotations

from pathlib import Path

import click
from rich.console import Console
from rich.markup import escape

from repro.campaigns import expectations
from repro.campaigns.expectations import Comparison, Standing, compare
from repro.display import json_lines
from repro.display.campaign_table import wrong_line
from repro.trials.check import Checked, Subject, check, load_subject
from repro.verdicts import saved_run
from repro.verdicts.verdict import Status
from runner import targets
from runner.run import Precision
from runner.target import Target
from runner.targets import PRECISION_CHOICES, precisions_for


@click.command(context_settings={"max_content_width": 110})
@click.argument("model", type=click.Path(path_type=Path))
@click.option("--target", "target_names", multiple=True, default=("gpu",), show_default=True, help="May be repeated.")
@click.option("--device", help="For --target adb: SERIAL, 'all' or 'loopback'.")
@click.option("--engine", type=click.Choice(["native", "run_model"]), help="For --target adb: what runs on the phone.")
@click.option("--runtime", help="LiteRT version, default the installed one.")
@click.option("--precision", type=click.Choice(PRECISION_CHOICES), default="both", show_default=True)
@click.option("--inputs", "inputs_file", type=click.Path(path_type=Path), help=".npz with one array an input.")
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of inputs that are made.")
@click.option("--deadline", type=float, help="Seconds for one run; default grows with the model.")
@click.option("--taps", is_flag=True, help="Expose intermediates one at a time to find the first wrong tensor.")
@click.option("--blame", "blamed", is_flag=True, help="Run it on cpu and every driver to say whose fault it is.")
@click.option("--expect", "expected_as", help="Compare with the expectations of this catalogue case.")
@click.option("--save", type=click.Path(path_type=Path), help="Keep each run here, to be judged again.")
@click.option("--json", "as_json", is_flag=True, help="One object an output on stdout.")
@click.pass_context
def command(
    ctx: click.Context,
    model: Path,
    target_names: tuple[str, ...],
    device: str | None,
    engine: str | None,
    runtime: str | None,
    precision: str,
    inputs_file: Path | None,
    seed: int,
    deadline: float | None,
    taps: bool,
    blamed: bool,
    expected_as: str | None,
    save: Path | None,
    as_json: bool,
) -> None:
    """Run MODEL on a target and judge every output; no expectations, so anything but PASS exits 1.

    The reference is a float64 evaluation of the file's own ops (the cpu where an op is unknown to it).
    With --expect CASE, known bugs of that case are expected and exit 0, as in `repro run`.

    \b
    1. repro check model.tflite
    2. repro check model.tflite --target gpu:swiftshader --precision fp32 --inputs x.npz --json
    3. repro check model.tflite --taps              which tensor is the first wrong one
    """
    subject = load_subject(model, inputs_file, seed)
    names = targets.resolve(target_names, device)
    console = Console(stderr=as_json, soft_wrap=True)
    console.print(f"{escape(subject.name)}: {len(subject.graph.ops)} ops, inputs {subject.feeds_from}", highlight=False)
    unexpected = 0
    unclean: Checked | None = None
    with targets.open_target("cpu", runtime=runtime) as cpu:
        for name in names:
            with targets.open_target(name, runtime=runtime, engine=engine) as target:
                for chosen in precisions_for(name, precision):
                    checked = check(subject, target, cpu, chosen, deadline)
                    comparisons = _compare(checked, expected_as, runtime)
                    unexpected += _show(console, checked, comparisons, as_json)
                    if save is not None:
                        _save(save, checked)
                    if taps and not checked.is_clean:
                        _show_taps(console, subject, target, chosen)
                    if not checked.is_clean:
                        unclean = checked
    if blamed and unclean is not None:
        _show_blame(console, unclean, precision, runtime)
    ctx.exit(1 if unexpected else 0)


def _compare(checked: Checked, case: str | None, runtime: str | None) -> list[Comparison] | None:
    if case is None:
        return None
    fingerprint = checked.run.fingerprint
    known = expectations.load(fingerprint.target, runtime=runtime or fingerprint.runtime)
    return [
        compare(v, case, fingerprint.precision, fingerprint.target, fingerprint.runtime, known)
        for v in checked.verdicts
    ]


def _show(console: Console, checked: Checked, comparisons: list[Comparison] | None, as_json: bool) -> int:
    """Print one target and precision; the number of outputs that are not as they should be."""
    fingerprint = checked.run.fingerprint
    ran_on = f"LiteRT {fingerprint.runtime}  {fingerprint.adapter} {fingerprint.driver}"
    head = f"{fingerprint.target} {fingerprint.precision}  {ran_on}".rstrip()
    console.print(f"[bold]{escape(head)}[/]  reference: {checked.reference_from}", highlight=False)
    if checked.cpu_note:
        console.print(f"  [yellow]{escape(checked.cpu_note)}[/]", highlight=False)
    bad = 0
    for index, verdict in enumerate(checked.verdicts):
        comparison = comparisons[index] if comparisons is not None else None
        is_bad = comparison.outcome.is_news if comparison else verdict.status is not Status.PASS
        bad += is_bad
        if comparison is not None and comparison.message:
            console.print(f"  [red]{escape(comparison.message)}[/]", highlight=False)
        elif verdict.status is Status.PASS:
            power = f"would have noticed an RMS error of {verdict.power:.2g}"
            console.print(
                f"  [green]PASS[/] output {verdict.output} '{escape(verdict.name)}' ({power})", highlight=False
            )
        else:
            colour = "yellow" if comparison and comparison.outcome is Standing.KNOWN else "red"
            line = wrong_line("", "", verdict).strip()
            console.print(f"  [{colour}]{escape(line)}[/]", highlight=False)
            if verdict.holds:
                console.print(f"       {escape(verdict.reason)}", highlight=False, style="dim")
        if as_json:
            record = {
                "case": checked.subject.name,
                "target": fingerprint.target,
                "adapter": fingerprint.adapter,
                "runtime": fingerprint.runtime,
                "precision": fingerprint.precision,
                **json_lines.verdict_fields(verdict),
                "expected": comparison.expected if comparison else None,
                "reference": checked.reference_from,
                "model_sha256": fingerprint.model_sha256,
                "driver": fingerprint.driver,
                "stages": dict(checked.run.stages),
            }
            click.echo(json_lines.dump(record))
    return bad


def _save(folder: Path, checked: Checked) -> None:
    fingerprint = checked.run.fingerprint
    name = f"{Path(checked.subject.name).stem}--{fingerprint.precision}--{fingerprint.target.replace(':', '-')}"
    saved_run.save_judgeable(
        folder / name, checked.run, checked.subject.feeds, checked.references, checked.floors, checked.subject.model
    )


def _show_taps(console: Console, subject: Subject, target: Target, precision: Precision) -> None:
    from repro.trials.taps import localise

    report = localise(subject.graph, target, subject.feeds, precision)
    for line in report.lines():
        console.print(f"  {escape(line)}", highlight=False)


def _show_blame(console: Console, checked: Checked, precision: str, runtime: str | None) -> None:
    from repro.trials.blame import blame, gather

    subject = checked.subject
    found = gather(
        subject.name,
        subject.model,
        subject.graph,
        subject.feeds,
        checked.references,
        precisions=precision,
        runtimes=(runtime,),
    )
    for verdict in checked.verdicts:
        if verdict.status is not Status.PASS:
            observations = found[max(verdict.output, 0)]
            line = f"blame: output {verdict.output} '{verdict.name}': {blame(observations)}"
            console.print(f"  {escape(line)}", highlight=False)
