"""`repro prepare`: convert what the catalogue needs converted, ahead of time, so that runs start at once."""

from __future__ import annotations

import importlib.util

import click

from cases import catalogue, convert, inputs, reference
from cases.tflite_read import read_tflite
from repro.progress import progress_line
from runner.errors import BadInput


@click.command()
@click.argument("cases", nargs=-1)
@click.option("--force", is_flag=True, help="Convert again what is converted already.")
def command(cases: tuple[str, ...], force: bool) -> None:
    """Convert the torch cases with litert-torch and compute all float64 references, both cached by content."""
    chosen = catalogue.select(cases)
    modules = [case for case in chosen if case.module is not None]
    missing = [case for case in modules if force or not convert.is_converted(case)]
    if missing and importlib.util.find_spec("litert_torch") is None:
        raise BadInput(
            f"{len(missing)} cases need litert-torch, which is not installed; run make setup, or: "
            "pip install -c constraints.txt -e '.[convert]'"
        )
    with progress_line("converting", len(missing)) as line:
        for case in missing:
            line.advance(case.name)
            convert.convert_module(case, convert.converted_path(case))
    with progress_line("references", len(chosen)) as line:
        for case in chosen:
            line.advance(case.name)
            graph = read_tflite(convert.model_bytes(case), case.name)
            feeds = inputs.standard_feeds([graph.tensors[n] for n in graph.inputs], case.seed, case.inputs)
            reference.reference_outputs(case, feeds)
    click.echo(f"{len(modules)} torch cases: {len(missing)} converted now; references of {len(chosen)} cases are there")
