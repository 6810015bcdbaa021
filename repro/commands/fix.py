"""`repro fix`: known workarounds for known hazards, proven before anything is written."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import click
from rich.console import Console
from rich.markup import escape

from repro.fixes.proof import Proof, op_line, prove
from repro.fixes.workarounds import Fixed, avoid_hazards
from repro.hazards.hazard import Hazard
from repro.hazards.lint import adapter_risks, find_hazards
from repro.hazards.rules import RULES
from repro.trials.check import load_subject
from repro.verdicts.verdict import Status
from runner import targets
from runner.cache import write_atomically
from runner.precisions import CHOICES, precisions_for


@click.command(context_settings={"max_content_width": 110})
@click.argument("model", type=click.Path(path_type=Path))
@click.option("-o", "--out", required=True, type=click.Path(path_type=Path), help="Where the mended model goes.")
@click.option("--target", "target_name", default="gpu", show_default=True, help="Where the proof is made.")
@click.option("--runtime", help="LiteRT version, default the installed one.")
@click.option("--precision", type=click.Choice(CHOICES), default="both", show_default=True)
@click.option("--inputs", "inputs_file", type=click.Path(path_type=Path), help=".npz with one array an input.")
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of inputs that are made.")
@click.option("--json", "as_json", is_flag=True, help="One summary object on stdout.")
@click.pass_context
def command(
    ctx: click.Context,
    model: Path,
    out: Path,
    target_name: str,
    runtime: str | None,
    precision: str,
    inputs_file: Path | None,
    seed: int,
    as_json: bool,
) -> None:
    """Apply the smallest known workaround for each hazard of MODEL, prove it, and write it to OUT.

    The proof: the cpu gives the same bits, the target has every output right, and nothing that was right
    before is wrong. Names, order and shapes of inputs and outputs stay. Exit 0: proven and written, or
    nothing to mend. Exit 1: refused, and why; nothing is written.

    \b
    1. repro fix naive.tflite -o mended.tflite --target gpu:lavapipe
    2. repro fix naive.tflite -o mended.tflite --precision fp32 --inputs x.npz --json
    """
    console = Console(stderr=as_json, soft_wrap=True, highlight=False)
    subject = load_subject(model, inputs_file, seed)
    hazards, risks = find_hazards(subject.graph), adapter_risks(subject.graph)
    if not hazards:
        console.print(f"{escape(subject.name)}: no known hazard; nothing to mend, nothing written")
        show_left_alone(console, risks)
        if as_json:
            nothing = {"hazards": [], "left_alone": _named(risks), "proven": None, "out": None}
            click.echo(json.dumps({"model": str(model), **nothing}))
        ctx.exit(0)
    fixed = avoid_hazards(subject.graph)
    name = targets.resolve([target_name])[0]
    with targets.open_target("cpu", runtime=runtime) as cpu, targets.open_target(name, runtime=runtime) as target:
        chosen = list(precisions_for(name, precision))
        new, proof = prove(subject, fixed, target, cpu, chosen)
    show(console, fixed, proof, subject.graph.outputs)
    show_left_alone(console, risks)
    proven = not proof.refusals
    if proven:
        out.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(out, new.model)
        console.print(f"[green]proven[/] and written to {escape(str(out))} (inputs {subject.feeds_from}, {name})")
    if as_json:
        click.echo(json.dumps(_summary(model, out if proven else None, fixed, proof, risks)))
    ctx.exit(0 if proven else 1)


def show(console: Console, fixed: Fixed, proof: Proof, outputs: tuple[str, ...]) -> None:
    """What was done, the diff of ops, and what was shown on cpu and on the target."""
    for hazard, told in fixed.done:
        console.print(f"[yellow]{hazard.rule}[/] at '{escape(hazard.tensor)}': {escape(told)}")
    for op in fixed.removed:
        console.print(f"  [red]- {escape(op_line(op, fixed.before))}[/]")
    for op in fixed.added:
        console.print(f"  [green]+ {escape(op_line(op, fixed.graph))}[/]")
    if proof.is_exact:
        console.print(f"cpu: all {len(outputs)} outputs are the same, bit for bit")
    for difference in proof.cpu:
        if not difference.exact:
            console.print(
                f"cpu: '{escape(difference.name)}' differs by at most {difference.max_abs:.3g} "
                f"({difference.share:.2g} of its range); host-side factor 1"
            )
    for precision, checked in proof.after.items():
        for old, new in zip(proof.before[precision].verdicts, checked.verdicts, strict=False):
            style = "green" if new.status is Status.PASS else "red"
            was = f"{old.status} {old.signature}".strip()
            now = f"{new.status} {new.signature}".strip()
            console.print(f"{precision}: output {new.output} '{escape(new.name)}': {was} -> [{style}]{now}[/]")
    for note in proof.notes:
        console.print(f"[yellow]note[/] {escape(note)}")
    for refusal in proof.refusals:
        console.print(f"[red]refused[/] {escape(refusal)}")


def show_left_alone(console: Console, risks: Sequence[Hazard]) -> None:
    """What shows on some adapters only, which a file does not know: it is said, and the file left as it is."""
    for risk in risks:
        console.print(f"  left alone: {risk.rule}, {RULES[risk.rule].where}; {escape(risk.fix)}")


def _named(risks: Sequence[Hazard]) -> list[dict[str, str]]:
    return [{"rule": risk.rule, "tensor": risk.tensor, "fix": risk.fix} for risk in risks]


def _summary(model: Path, out: Path | None, fixed: Fixed, proof: Proof, risks: Sequence[Hazard]) -> dict[str, object]:
    return {
        "model": str(model),
        "out": str(out) if out else None,
        "proven": not proof.refusals,
        "hazards": [{"rule": hazard.rule, "tensor": hazard.tensor, "done": told} for hazard, told in fixed.done],
        "left_alone": _named(risks),
        "cpu_exact": proof.is_exact,
        "cpu": [{"output": d.name, "exact": d.exact, "max_abs": d.max_abs} for d in proof.cpu],
        "target": {
            str(precision): {
                "before": [str(v.status) for v in proof.before[precision].verdicts],
                "after": [str(v.status) for v in checked.verdicts],
            }
            for precision, checked in proof.after.items()
        },
        "removed": [op_line(op, fixed.before) for op in fixed.removed],
        "added": [op_line(op, fixed.graph) for op in fixed.added],
        "refusals": list(proof.refusals),
        "notes": list(proof.notes),
    }
