"""`repro merge` of the shards of a hunt."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from repro.display.console import Screen
from repro.display.json_lines import dump
from repro.fuzzer.parts import merge, read_part
from repro.records.journal import Journal
from repro.records.lines import Tone, counted
from runner.errors import BadInput


def merge_hunts(folders: Sequence[Path], out: Path | None, *, as_json: bool) -> tuple[int, tuple[str, ...]]:
    """Show and keep the bugs of all shards; the exit code as `repro fuzz` has it, and what is missing."""
    merged = merge([read_part(folder) for folder in folders])
    if out is not None:
        if out.exists():
            raise BadInput(f"{out} is there already; name a new file for the bugs")
        with Journal(out) as journal:
            for bug in merged.bugs:
                journal.add(f"{bug.signature} {bug.pattern}", bug.__dict__)
    console = Screen(stderr=as_json, soft_wrap=True)
    for bug in merged.bugs:
        word = f"known ({bug.known})" if bug.known else ("NEW", Tone.BAD)
        kept = f"  {bug.candidate}" if bug.candidate else ""
        console.say(word, f"  {bug.signature}: {bug.pattern}  graph {bug.graph_index}, {bug.origin}{kept}")
    new = sum(not bug.known for bug in merged.bugs)
    for record in [bug.__dict__ for bug in merged.bugs] if as_json else []:
        click.echo(dump(record))
    if as_json:
        summary = {"seed": merged.seed, "graphs": merged.graphs, "distinct": len(merged.bugs), "new": new}
        click.echo(dump({**summary, "missing": list(merged.missing)}))
    bugs = counted(len(merged.bugs), "distinct bug")
    console.print(f"seed {merged.seed}: {counted(merged.graphs, 'graph')}, {bugs}, {new} new (of {len(folders)})")
    return (1 if new else 0), merged.missing
