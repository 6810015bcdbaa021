"""`repro range`: how large the numbers of a model become, and which tensor leaves fp16 first."""

from __future__ import annotations

from pathlib import Path

import click

from repro import api
from repro.commands import options
from repro.commands.file_path import FilePath
from repro.display.console import Screen, print_lines
from repro.display.input_plan import plan_json, plan_lines
from repro.display.json_lines import dump
from runner.encoding import shell_command


@click.command()
@click.argument("model", type=FilePath())
@options.inputs
@options.input_seed
@options.signature
@options.shapes
@click.option("--search", is_flag=True, help="Also look for the scale of the inputs at which something leaves fp16.")
@click.option("--most", type=click.IntRange(min=0), default=10, show_default=True, help="Tensors that are listed.")
@click.option("--json", "as_json", is_flag=True, help="One object with every tensor on stdout.")
@options.memory
@click.pass_context
def command(
    ctx: click.Context,
    model: Path,
    input_files: tuple[Path, ...],
    input_words: tuple[str, ...],
    seed: int,
    signature: str | None,
    shapes: dict[str, tuple[int, ...]],
    search: bool,
    most: int,
    as_json: bool,
) -> None:
    """Say which tensor of MODEL leaves the range of fp16 first; nothing is run.

    Each tensor's largest magnitude over the given or made inputs, in float64, and what the sums inside of its kernel
    may reach before they cancel. Headroom in bits is how often it could still double. Exit 1 where something leaves.

    \b
    1. repro range model.tflite
    2. repro range model.tflite --input x=image:photo.jpg --search
    3. repro range model.tflite --inputs mine.npz --json
    """
    inputs = options.given_inputs(input_files, input_words)
    found = api.find_ranges(model, inputs=inputs, seed=seed, search=search, signature=signature, shapes=shapes)
    console = Screen(stderr=as_json, soft_wrap=True)
    print_lines(console, found.lines(most))
    print_lines(console, plan_lines(found.subject.plan))
    if not found.passed:
        mend = shell_command(["repro", "fix", str(model), "-o", "fixed.tflite"])
        console.print(f"next: {mend}; what it cannot scale down wants smaller inputs or weights")
    if as_json:
        click.echo(
            dump({**found.as_json(), "inputs": found.subject.plan.words, "input_plan": plan_json(found.subject.plan)})
        )
    ctx.exit(0 if found.passed else 1)
