"""`repro fix`: known workarounds for known hazards, proven before anything is written."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from repro import api
from repro.commands import options
from repro.commands.file_path import FilePath
from repro.commands.outputs import keep_apart
from repro.display.console import Screen, print_lines
from repro.fixes.proof import Fixed, NotProven, op_line
from repro.hazards.hazard import Hazard, Level
from repro.hazards.rules import RULES
from repro.records.canonical_json import finite_or_none
from repro.records.lines import Tone, line
from runner import targets
from runner.cache import write_atomically
from runner.encoding import json_text

MENDED_RISKS = [rule.id for rule in RULES.values() if rule.level is Level.RISKY and rule.workaround]
"""What only some adapters show, and a workaround is known for."""


@click.command()
@click.argument("model", type=FilePath())
@click.option("-o", "--out", required=True, type=click.Path(path_type=Path), help="Where the mended model goes.")
@options.target
@options.runtime
@options.both_precisions
@options.inputs
@options.input_seed
@options.signature
@options.shapes
@click.option("--also", multiple=True, type=click.Choice(MENDED_RISKS), help="Mend this risk, too. May be repeated.")
@click.option("--json", "as_json", is_flag=True, help="One summary object on stdout.")
@options.memory
@click.pass_context
def command(
    ctx: click.Context,
    model: Path,
    out: Path,
    target_name: str,
    runtime: str | None,
    precision: str,
    input_files: tuple[Path, ...],
    input_words: tuple[str, ...],
    seed: int,
    signature: str | None,
    shapes: dict[str, tuple[int, ...]],
    also: tuple[str, ...],
    as_json: bool,
) -> None:
    """Apply the smallest known workaround for each hazard of MODEL, prove it, and write it to OUT.

    The proof: the cpu gives the same bits, the target has every output right, and nothing that was right
    before is wrong. Names, order and shapes of inputs and outputs stay. Exit 0: proven and written, or
    nothing to mend. Exit 1: refused, and why; nothing is written. Exit 3 where the target fails
    its own controls (UNFIT).

    \b
    1. repro fix naive.tflite -o mended.tflite --target gpu:lavapipe
    2. repro fix naive.tflite -o mended.tflite --precision fp32 --inputs x.npz --json
    3. repro fix silu.tflite -o mended.tflite --target gpu:pocl@Mali-G610 --also fast-math-division
    """
    console = Screen(stderr=as_json, soft_wrap=True)
    keep_apart({"--out": out}, (model, *input_files))
    name = targets.resolve_one(target_name)
    inputs = options.given_inputs(input_files, input_words)
    try:
        fixed = api.fix(
            model,
            target=name,
            precision=precision,
            inputs=inputs,
            seed=seed,
            runtime=runtime,
            signature=signature,
            shapes=shapes,
            also=also,
        )
    except NotProven as refused:
        fixed = refused.fixed
    print_lines(console, fixed.lines())
    proof = fixed.proof
    proven = proof is not None and not proof.refusals
    if proven:
        write_atomically(out, fixed.model)
        where = f" and written to {out} (inputs {fixed.subject.plan.words}, {name})"
        print_lines(console, [line(("proven", Tone.GOOD), where)])
    if as_json:
        click.echo(json_text(_summary(model, out if proven else None, fixed)))
    ctx.exit(0 if proven or proof is None else 1)


def _named(risks: Sequence[Hazard]) -> list[dict[str, str]]:
    return [{"rule": risk.rule, "tensor": risk.tensor, "fix": risk.fix} for risk in risks]


def _summary(model: Path, out: Path | None, fixed: Fixed) -> dict[str, object]:
    common = {"model": str(model), "out": str(out) if out else None, "left_alone": _named(fixed.left_alone)}
    mended, proof = fixed.mended, fixed.proof
    if proof is None:
        return {**common, "hazards": [], "proven": None}
    return {
        **common,
        "proven": not proof.refusals,
        "hazards": [{"rule": hazard.rule, "tensor": hazard.tensor, "done": what} for hazard, what in mended.done],
        "cpu_exact": proof.is_exact,
        "cpu": [{"output": d.name, "exact": d.exact, "max_abs": finite_or_none(d.max_abs)} for d in proof.cpu],
        "target": {
            str(precision): {
                "before": [str(v.status) for v in proof.before[precision].verdicts],
                "after": [str(v.status) for v in checked.verdicts],
            }
            for precision, checked in proof.after.items()
        },
        "removed": [op_line(op, mended.before) for op in mended.removed],
        "added": [op_line(op, mended.graph) for op in mended.added],
        "refusals": list(proof.refusals),
        "notes": list(proof.notes),
    }
