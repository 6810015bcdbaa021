"""`repro list`: the catalogue, without running or importing anything heavy."""

from __future__ import annotations

import click
from rich.table import Table

from cases.case import Case
from cases.tflite.read import read_tflite
from cases.with_torch.convert import model_bytes
from repro.commands import completion
from repro.commands.own_catalogue import chosen_cases, mine
from repro.display.console import Screen
from repro.display.json_lines import dump
from repro.records.lines import counted


def as_object(case: Case) -> dict[str, object]:
    """What `--json` says of a case."""
    return {
        "case": case.name,
        "family": case.family,
        "reason": case.reason,
        "control_of": case.control_of,
        "link": case.link,
        "source": _source(case),
        "inputs": case.inputs,
        "seed": case.seed,
        **shape_of(case),
    }


def _source(case: Case) -> str:
    if case.file is not None:
        return f"file {case.file.name}"
    return "graph" if case.graph is not None else "torch module through litert-torch"


def shape_of(case: Case) -> dict[str, object]:
    """rank: the largest of any tensor; ops: kinds in execution order. None for a torch module, whose ops are
    the converter's choice. Raises BadInput for a file that is no model."""
    if case.file is not None:
        graph = read_tflite(model_bytes(case), case.name)
    elif case.graph is not None:
        graph = case.graph()
    else:
        return {"rank": None, "ops": None}
    return {
        "rank": max((len(t.shape) for t in graph.tensors.values()), default=0),
        "ops": [op.kind for op in graph.ops],
    }


@click.command()
@click.argument("cases", nargs=-1, shell_complete=completion.cases)
@click.option("--family", help="Only this family.")
@mine
@click.option("--json", "as_json", is_flag=True, help="One object per case on stdout.")
def command(cases: tuple[str, ...], family: str | None, as_json: bool) -> None:
    """Show the catalogue: every case with its one-line reason; controls stand under their case.

    CASES are names or shell patterns ('fanout/*').
    """
    chosen = chosen_cases(cases, family)
    if as_json:
        for case in chosen:
            click.echo(dump(as_object(case)))
        return
    console = Screen(soft_wrap=True)
    for name in dict.fromkeys(case.family for case in chosen):
        members = [case for case in chosen if case.family == name]
        table = Table(
            box=None, pad_edge=False, show_header=False, title=f"{name} ({len(members)})", title_justify="left"
        )
        for case in members:
            label = case.name.partition("/")[2]
            table.add_row(f"{'  ' if case.control_of else ''}{label}", case.reason)
        console.print(table)
    controls = sum(bool(case.control_of) for case in chosen)
    console.print(f"{counted(len(chosen), 'case')}, {controls} of them controls")
