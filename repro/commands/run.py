"""`repro run`: the catalogue, or part of it, on one or more targets, compared with what is expected."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import click
from rich.console import Console

from cases import catalogue
from cases.case import Case
from repro.campaigns import expectations
from repro.campaigns.campaign import CaseResult, run_campaign
from repro.display import campaign_table, json_lines, junit
from repro.display.progress import progress_line
from repro.findings.note import note
from repro.records.journal import Journal
from runner import targets
from runner.cache import cache_root
from runner.errors import BadInput
from runner.targets import PRECISION_CHOICES, precisions_for


def journal_path(target_name: str) -> Path:
    return cache_root() / "journal" / f"{expectations.file_stem(target_name)}.sqlite"


@click.command(context_settings={"max_content_width": 110})
@click.argument("cases", nargs=-1)
@click.option("--family", help="Only this family of the catalogue.")
@click.option("--target", "target_names", multiple=True, default=("gpu",), show_default=True, help="May be repeated.")
@click.option("--device", help="For --target adb: SERIAL, 'all' or 'loopback'.")
@click.option("--engine", type=click.Choice(["native", "run_model"]), help="For --target adb: what runs on the phone.")
@click.option("--runtime", help="LiteRT version, default the installed one.")
@click.option("--precision", type=click.Choice(PRECISION_CHOICES), default="both", show_default=True)
@click.option("--inputs", "kind", type=click.Choice(["gaussian", "watermark"]), help="Input set instead of the case's.")
@click.option("--seed", type=int, help="Seed of the inputs instead of the case's own.")
@click.option("--again", is_flag=True, help="Run unchanged cases too.")
@click.option("--resume", is_flag=True, help="Continue an interrupted campaign (the default behaviour, said aloud).")
@click.option("--workers", type=click.IntRange(1, 64), default=2, show_default=True)
@click.option("--save", type=click.Path(path_type=Path), help="Keep each run here, to be judged again.")
@click.option("--json", "as_json", is_flag=True, help="One object per output on stdout.")
@click.option("--junit", "junit_file", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--html", "html_file", type=click.Path(path_type=Path, dir_okay=False))
@click.option("-v", "--verbose", is_flag=True, help="Every known bug, not one a group.")
@click.pass_context
def command(
    ctx: click.Context,
    cases: tuple[str, ...],
    family: str | None,
    target_names: tuple[str, ...],
    device: str | None,
    engine: str | None,
    runtime: str | None,
    precision: str,
    kind: str | None,
    seed: int | None,
    again: bool,
    resume: bool,
    workers: int,
    save: Path | None,
    as_json: bool,
    junit_file: Path | None,
    html_file: Path | None,
    verbose: bool,
) -> None:
    """Run catalogue cases and compare each output with what is expected of it.

    CASE is a name or a shell pattern ('fan-out/*'); without one the whole catalogue runs. A known bug
    that shows is expected. Exit 1 if one vanished, changed or is new; results already measured for the
    same model, inputs, options, runtime and driver are not measured again unless --again.

    \b
    1. repro run                                    the whole catalogue, plain gpu, both precisions
    2. repro run 'output-plus-consumer/*' --target gpu:lavapipe --precision fp32
    3. repro run --target cpu --target gpu --json > results.jsonl
    """
    if again and resume:
        raise BadInput("--again runs everything and --resume keeps what is measured: give one of them")
    chosen = catalogue.select(cases, family)
    names = targets.resolve(target_names, device)
    started, began = time.monotonic(), datetime.now(UTC)
    results: list[CaseResult] = []
    for name in names:
        results += run_on(
            name,
            chosen,
            precision,
            runtime,
            workers,
            engine=engine,
            again=again,
            kind=kind,
            seed=seed,
            save=save,
            lines=as_json,
        )
    seed_text = "of each case" if seed is None else str(seed)
    summary = campaign_table.summary_line(results, time.monotonic() - started, seed_text)
    console = Console(stderr=as_json, soft_wrap=True)
    controls = frozenset(c.name for c in chosen if c.control_of)
    campaign_table.print_campaign(console, results, controls=controls, note=note, verbose=verbose)
    console.print(summary, highlight=False)
    if junit_file is not None:
        junit.write_junit(junit_file, "repro run", campaign_table.junit_rows(results), began)
    if html_file is not None:
        campaign_table.write_html(html_file, results, summary)
    ctx.exit(1 if any(r.is_news for r in results) else 0)


def run_on(
    name: str,
    chosen: Sequence[Case],
    precision: str,
    runtime: str | None,
    workers: int,
    *,
    engine: str | None,
    again: bool,
    kind: str | None,
    seed: int | None,
    save: Path | None,
    lines: bool,
) -> list[CaseResult]:
    """The campaign on one target, with its journal and its progress line."""
    precisions = precisions_for(name, precision)
    with targets.open_target(name, runtime=runtime, workers=workers, engine=engine) as target:
        known = expectations.load_for(target, runtime=runtime or "")
        with (
            Journal(journal_path(target.name)) as journal,
            progress_line(target.name, len(chosen) * len(precisions)) as line,
        ):

            def show(result: CaseResult) -> None:
                line.advance(f"{result.case} {result.precision}")
                if lines:
                    for record in json_lines.result_objects(result):
                        click.echo(json_lines.dump(record))

            return run_campaign(
                chosen,
                target,
                precisions,
                known,
                journal,
                again=again,
                kind=kind,
                seed=seed,
                save=save,
                on_result=show,
            )
