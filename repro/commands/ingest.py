"""`repro ingest`: what came back of a bundle, verified, judged and kept."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from pathlib import Path

import click

from cases.catalogue import catalogue
from repro.campaigns import expectations
from repro.campaigns.campaign import CaseResult
from repro.campaigns.claims import answers
from repro.campaigns.controls import journal_path
from repro.commands import options
from repro.commands.outputs import keep_apart
from repro.commands.own_catalogue import chosen_cases, mine
from repro.commands.without_torch import runnable
from repro.display import campaign_table, json_lines, junit
from repro.display.console import Screen
from repro.display.progress import progress_line
from repro.findings.note import note
from repro.findings.reader import finding_or_none
from repro.ingest.judged import in_words, judge_answers
from repro.ingest.kept import keep, seed_text
from repro.pages.of_run import run_page
from repro.pages.render import write_page
from repro.records.journal import Journal
from repro.records.lines import Tone, counted
from runner.bundle.answered import AnsweredTarget
from runner.bundle.archive import ResultsArchive
from runner.cache import make_folder
from runner.errors import BadInput, NothingRan


@click.command()
@click.argument("results", type=click.Path(path_type=Path, dir_okay=False))
@mine
@click.option("-o", "--out", type=click.Path(path_type=Path, file_okay=False), help="New folder for what is kept.")
@click.option("--by", required=True, help="Who measured, as expectations should name them.")
@click.option("--reason", help="Why failures are expected that no known bug of a host explains.")
@options.json_per_output
@options.junit
@options.html
@click.option("-v", "--verbose", is_flag=True, help="Every known bug, not one example per group.")
@options.memory
@click.pass_context
def command(
    ctx: click.Context,
    results: Path,
    out: Path | None,
    by: str,
    reason: str | None,
    as_json: bool,
    junit_file: Path | None,
    html_file: Path | None,
    verbose: bool,
) -> None:
    """Judge RESULTS, the results.zip of a bundle, as `repro run` judges a device here.

    Every hash is verified first; an archive that no bundle writes, or that was changed, is refused with the name of the
    file in it (exit 2). Says of each claim that others reported of this model of phone whether it is confirmed. With -o
    keeps results.sqlite (for `repro merge`), matrix.json, and the device's expectations, each marked with --by and the
    device's date. Exit as `repro run`; 3 also where runs are missing, after showing what is there.

    \b
    1. repro ingest results.zip --by "A. Colleague"
    2. repro ingest results.zip --by "A. Colleague" -o pixel-8a --html pixel-8a.html
    """
    if out is not None and out.exists():
        raise BadInput(f"{out} is there already; name a new folder")
    by = " ".join(by.split())
    if not by or not by.isprintable():
        raise BadInput("--by names nobody; say who measured")
    keep_apart({"--junit": junit_file, "--html": html_file}, [results])
    started, began = time.monotonic(), datetime.now(UTC)
    with ResultsArchive(results) as archive, AnsweredTarget(archive) as target:
        assert isinstance(target, AnsweredTarget)
        known = expectations.load_for(target, runtime=target.contents.runtime)
        cases = {case.name: case for case in runnable((*catalogue(), *chosen_cases(())))}
        with (
            Journal(journal_path("bundles")) as journal,
            progress_line(target.name, len(target.answered)) as line,
        ):

            def show(result: CaseResult) -> None:
                line.advance(f"{result.case} {result.precision}")
                for record in json_lines.result_objects(result) if as_json else ():
                    click.echo(json_lines.dump(record))

            judged = judge_answers(target, cases, known, journal, show)
        if not judged.results:
            raise NothingRan(f"{results}: none of its runs can be judged here; {_why_not(judged.left_out)}")
        console = Screen(stderr=as_json, soft_wrap=True)
        controls = {case.name: case.control_of for case in cases.values() if case.control_of}
        for one in judged.unfit if as_json else ():
            click.echo(json_lines.dump(json_lines.unfit_object(one)))
        campaign_table.print_campaign(
            console, judged.results, controls=frozenset(controls), note=note, verbose=verbose, unfit=judged.unfit
        )
        for claim in answers(known, judged.results):
            console.print(f"claim: {claim.text()}")
        seconds = time.monotonic() - started
        summary = campaign_table.summary_line(judged.results, seconds, seed_text(target.contents.seed))
        date = target.measured_on or "a day that the device does not say"
        console.print(f"{summary}; measured by {by} on {date}, bundle {target.contents.id}")
        if judged.left_out:
            console.say(("left out", Tone.BAD), f": {in_words(judged.left_out)}: {_why_not(judged.left_out)}")
        if judged.unanswered:
            count = counted(len(judged.unanswered), "run")
            console.say(("missing", Tone.BAD), f": {count} did not end there: {in_words(judged.unanswered)}")
        if out is not None:
            make_folder(out)
            under = expectations.kept_under(target)
            changed = keep(out, target, judged, controls, expected_under=under, by=by, reason=reason)
            for text in (*changed.changes, *(f"refused: {one}" for one in changed.refusals)):
                console.print(f"expectations: {text}")
    if junit_file is not None:
        junit.write_junit(junit_file, "repro ingest", campaign_table.junit_rows(judged.results, judged.unfit), began)
    if html_file is not None:
        lines = "; ".join([summary, *(one.line().text for one in judged.unfit)])
        write_page(html_file, run_page(judged.results, lines, options.typed(), finding_or_none))
    incomplete = 3 if judged.unanswered or judged.left_out else 0
    ctx.exit(campaign_table.exit_code(judged.results, judged.unfit) or incomplete)


def _why_not(left_out: object) -> str:
    if not left_out:
        return "it has none that ended"
    return "its models or inputs are not those of this catalogue; judge it with the version that made the bundle"
