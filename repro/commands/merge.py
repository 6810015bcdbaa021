"""`repro merge`: the shards of a run, a matrix or a hunt as one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import click

from cases.catalogue import catalogue
from repro.campaigns import expectations
from repro.campaigns.campaign import compared
from repro.campaigns.parts import merge, read_part, write_part
from repro.commands import options
from repro.commands.merge_fuzz import merge_hunts
from repro.commands.merge_matrix import is_matrix, merge_matrices
from repro.commands.outputs import keep_apart
from repro.display import campaign_table, json_lines, name_table
from repro.display.console import Screen, print_lines
from repro.display.junit import write_junit
from repro.findings.note import note
from repro.findings.reader import finding_or_none
from repro.pages.of_run import run_page
from repro.pages.render import write_page
from repro.records.lines import Tone, counted, line
from runner.errors import BadInput

_SHOWN = 5


@click.command()
@click.argument("files", nargs=-1, type=click.Path(path_type=Path))
@click.option("-o", "--results", type=click.Path(path_type=Path, dir_okay=False), help="Keep the whole here.")
@options.json_per_output
@options.junit
@options.html
@click.option("-v", "--verbose", is_flag=True, help="Every known bug, not one example per group.")
@options.memory
@click.pass_context
def command(
    ctx: click.Context,
    files: tuple[Path, ...],
    results: Path | None,
    as_json: bool,
    junit_file: Path | None,
    html_file: Path | None,
    verbose: bool,
) -> None:
    """Put FILES together that `--shard I/N` left, and say what one command would have said.

    FILES are results of `repro run --results`, documents of `repro matrix --out`, or folders of `repro fuzz --corpus`.
    Exit as the command whose shards they are; 2 where they are no parts of one, were measured on different drivers or
    runtimes, or contradict each other; 3 where a shard is missing, after showing what is there.

    \b
    1. repro run --shard 1/3 --results 1.results    on each of three machines, with 1/3, 2/3 and 3/3
    2. repro merge 1.results 2.results 3.results -o run.results --junit run.xml
    3. repro merge 1.json 2.json 3.json -o matrix.json     of repro matrix --shard
    4. repro merge 1 2 3                                   of repro fuzz --shard
    """
    if not files:
        raise BadInput("no file was given, so nothing is merged; name those that --shard left")
    keep_apart({"--results": results, "--junit": junit_file, "--html": html_file}, files)
    kinds = {"folder" if file.is_dir() else "matrix" if is_matrix(file) else "run" for file in files}
    if len(kinds) > 1:
        raise BadInput("shards of a run, of a matrix and of a hunt cannot be merged with each other; name one kind")
    (kind,) = kinds
    if (kind != "run" and junit_file is not None) or (kind == "folder" and html_file is not None):
        raise BadInput("--junit is of shards of `repro run`, --html of those and of `repro matrix`; leave it out here")
    if kind == "folder":
        code, missing = merge_hunts(files, results, as_json=as_json)
    elif kind == "matrix":
        code, missing = merge_matrices(files, results, html_file, as_json=as_json, verbose=verbose)
    else:
        code, missing = _merge_runs(files, results, junit_file, html_file, as_json=as_json, verbose=verbose)
    if missing:
        more = f" and {len(missing) - _SHOWN} more" if len(missing) > _SHOWN else ""
        text = f"missing: {', '.join(missing[:_SHOWN])}{more}"
        print_lines(Screen(stderr=as_json, soft_wrap=True), [line((text, Tone.BAD))])
    ctx.exit(code or (3 if missing else 0))


def _merge_runs(
    files: Sequence[Path],
    results: Path | None,
    junit_file: Path | None,
    html_file: Path | None,
    *,
    as_json: bool,
    verbose: bool,
) -> tuple[int, tuple[str, ...]]:
    """Show and keep the shards as one run; the exit code as `repro run` has it, and what is missing."""
    began = datetime.now(UTC)
    merged = merge([read_part(path) for path in files])
    runtimes = {result.target: result.runtime for result in merged.results}
    known = {
        target: expectations.load(name, device_model=model, runtime=runtimes.get(target, ""))
        for target, (name, model) in merged.head.expectations.items()
    }
    found = [replace(compared(result, known[result.target]), cached=False) for result in merged.results]
    if results is not None:
        write_part(results, merged.head, merged.results)
    if as_json:
        for result in found:
            for record in json_lines.result_objects(result):
                click.echo(json_lines.dump(record))
    console = Screen(stderr=as_json, soft_wrap=True)
    controls = frozenset(case.name for case in catalogue() if case.control_of)
    unfit = merged.head.unfit
    campaign_table.print_campaign(console, found, controls=controls, note=note, verbose=verbose, unfit=unfit)
    name_table.print_name_table(console, found, verbose=verbose)
    for record in name_table.name_objects(found) if as_json else ():
        click.echo(json_lines.dump(record))
    summary = campaign_table.summary_line(found, sum(sum(r.stages.values()) for r in found), merged.head.asked["seed"])
    console.print(f"{summary} (of {counted(len(files), 'file')}; the seconds are those of the runs alone)")
    if junit_file is not None:
        write_junit(junit_file, "repro run", campaign_table.junit_rows(found, unfit), began)
    if html_file is not None:
        lines = "; ".join([summary, *(one.line().text for one in unfit)])
        write_page(html_file, run_page(found, lines, options.typed(), finding_or_none))
    return campaign_table.exit_code(found, unfit), merged.missing
