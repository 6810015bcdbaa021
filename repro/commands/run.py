"""`repro run`: the catalogue, or part of it, on one or more targets, compared with what is expected."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from threading import Lock

import click

from cases.case import Case
from cases.inputs import KINDS
from repro.campaigns import expectations
from repro.campaigns.campaign import CaseResult, run_campaign
from repro.campaigns.controls import fitness, journal_path
from repro.campaigns.parts import new_head, write_part
from repro.campaigns.shards import Shard, cases_of
from repro.commands import completion, elsewhere, options
from repro.commands.outputs import keep_apart
from repro.commands.own_catalogue import chosen_cases, mine
from repro.commands.without_torch import runnable
from repro.display import campaign_table, json_lines, junit, name_table
from repro.display.console import Screen, print_lines
from repro.display.phone_lines import PhoneWork, phone_lines
from repro.display.progress import ProgressLine, progress_lines
from repro.findings.note import note
from repro.findings.reader import finding_or_none
from repro.matrix.environments import public_target
from repro.pages.of_run import run_page
from repro.pages.render import write_page
from repro.records.journal import Journal
from repro.records.lines import counted
from repro.remote.where import Elsewhere, Where
from repro.trials.load import open_installed_cpu
from repro.verdicts.fitness import Fitness
from repro.verdicts.subject import case_subject
from runner.adb.lanes import ALL, Lane, side_by_side
from runner.errors import BadInput, NothingRan
from runner.run import Precision
from runner.targets import gpu_of, late_phones, precisions_for


@click.command()
@click.argument("cases", nargs=-1, shell_complete=completion.cases)
@click.option("--family", help="Only this family of the catalogue.")
@mine
@options.targets
@options.device
@options.engine
@options.runtime
@options.both_precisions
@click.option("--inputs", "kind", type=click.Choice(KINDS), help="Input set instead of the case's.")
@click.option("--seed", type=options.SEED, help="Seed of the inputs instead of the case's own.")
@options.again
@click.option("--resume", is_flag=True, help="Go on with an interrupted campaign. This is the default.")
@options.pool_workers
@elsewhere.where
@options.save
@options.shard
@click.option(
    "--results",
    "results_file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Also keep the results of this run in a new file of their own, for `repro merge`.",
)
@options.json_per_output
@options.junit
@options.html
@click.option("-v", "--verbose", is_flag=True, help="Every known bug, not one example per group.")
@options.memory
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
    where: Where,
    save: Path | None,
    shard: Shard | None,
    results_file: Path | None,
    as_json: bool,
    junit_file: Path | None,
    html_file: Path | None,
    verbose: bool,
) -> None:
    """Run catalogue cases and compare each output with what is expected of it.

    CASES are names or shell patterns ('fanout/*'); without any the whole catalogue runs. A known bug that
    shows is expected. Exit 1 if one vanished or changed, or a new one shows; 3 if that is so only on a target that
    fails its controls (UNFIT), where it counts for nothing. What was already measured for the same model, inputs,
    options, runtime and driver is not measured again unless --again.

    \b
    1. repro run                                    the whole catalogue, plain gpu, both precisions
    2. repro run 'output-plus-consumer/*' --target gpu:lavapipe --precision fp32
    3. repro run --target cpu --target gpu --json > results.jsonl
    4. repro run --mine                             the own cases of your project (`repro init` begins one)
    5. repro run --shard 1/3 --results 1.results    a third of it; the others elsewhere, and then: repro merge
    6. repro run --target 'gpu:lavapipe@*'          one name per family of GPUs, and which outputs differ between them
    7. repro run --target adb --device all          every phone, side by side; one that is lost holds no other up
    8. repro run --scheduler tcp://127.0.0.1:8786   on the workers of `repro scheduler`
    """
    if again and resume:
        raise BadInput("--again runs everything and --resume keeps what is measured: give one of them")
    keep_apart({"--junit": junit_file, "--html": html_file, "--results": results_file})
    if results_file is not None and results_file.exists():
        raise BadInput(f"--results: {results_file} is there already; name a new file")
    whole = runnable(chosen_cases(cases, family))
    chosen = cases_of(shard, whole) if shard else whole
    if not chosen:
        raise NothingRan(f"shard {shard} of {counted(len(whole), 'case')} is empty; give fewer shards")
    names = where.resolve(target_names, device)
    started, began = time.monotonic(), datetime.now(UTC)
    kept_under: dict[str, tuple[str, str]] = {}
    came: dict[str, list[CaseResult]] = {name: [] for name in names}
    printing = Lock()
    with progress_lines() as progress:

        def work(name: str) -> list[Fitness]:
            return run_on(
                name,
                chosen,
                precision,
                runtime,
                workers,
                where=where,
                engine=engine,
                again=again,
                kind=kind,
                seed=seed,
                save=save,
                came=came[name],
                echo=echo if as_json else lambda record: None,
                progress=progress,
                kept_under=kept_under,
            )

        def echo(record: Mapping[str, object]) -> None:
            with printing:
                click.echo(json_lines.dump(record))

        lanes = side_by_side(names, work)
    results = [result for name in names for result in came[name]]
    unfit = [one for lane in lanes for one in lane.value or ()]
    seed_text = "of each case" if seed is None else str(seed)
    if results_file is not None:
        head = new_head(
            shard,
            cases=tuple(case.name for case in whole),
            precisions={name: tuple(map(str, precisions_for(name, precision))) for name in kept_under},
            expectations=kept_under,
            asked={"inputs": kind or "", "seed": seed_text},
            unfit=tuple(unfit),
        )
        write_part(results_file, head, results)
    summary = campaign_table.summary_line(results, time.monotonic() - started, seed_text)
    console = Screen(stderr=as_json, soft_wrap=True)
    controls = frozenset(c.name for c in chosen if c.control_of)
    campaign_table.print_campaign(console, results, controls=controls, note=note, verbose=verbose, unfit=unfit)
    name_table.print_name_table(console, results, verbose=verbose)
    held_up = [lane for lane in lanes if lane.error]
    phones = [_phone_work(lane, came[lane.target], chosen, precision, kept_under) for lane in lanes if lane.is_phone]
    if len(phones) > 1 or held_up:
        late = late_phones(names) if device == ALL and not isinstance(where, Elsewhere) else []
        print_lines(console, phone_lines(phones, late))
    for record in name_table.name_objects(results) if as_json else ():
        click.echo(json_lines.dump(record))
    console.print(summary)
    if junit_file is not None:
        rows = campaign_table.junit_rows(results, unfit)
        rows += [junit.TestRow(lane.target, "device", error=str(lane.error)) for lane in held_up]
        junit.write_junit(junit_file, "repro run", rows, began)
    if html_file is not None:
        named = {case.name: case for case in chosen}
        given = {"--runtime": runtime, "--inputs": kind, "--seed": seed}
        page = run_page(
            results,
            "; ".join([summary, *(one.line().text for one in unfit)]),
            options.typed(),
            finding_or_none,
            lambda case: case_subject(named[case]).graph,
            options.words(given),
        )
        write_page(html_file, page)
    # What a lost phone had shown was not held against its controls, and gates nothing.
    lost = {lane.target for lane in held_up}
    believed = [result for name in names if name not in lost for result in came[name]]
    ctx.exit(campaign_table.exit_code(believed, unfit) or (3 if held_up else 0))


def _phone_work(
    lane: Lane[list[Fitness]],
    came: Sequence[CaseResult],
    chosen: Sequence[Case],
    precision: str,
    kept_under: Mapping[str, tuple[str, str]],
) -> PhoneWork:
    name = lane.target
    return PhoneWork(
        target=name,
        shown=public_target(name),
        model="" if gpu_of(name) else kept_under.get(name, ("", ""))[1],
        done=len(came),
        wanted=len(chosen) * len(precisions_for(name, precision)),
        why=str(lane.error or ""),
        go_on=options.typed_for(name),
    )


def run_on(
    name: str,
    chosen: Sequence[Case],
    precision: str,
    runtime: str | None,
    workers: int,
    *,
    where: Where,
    engine: str | None,
    again: bool,
    kind: str | None,
    seed: int | None,
    save: Path | None,
    came: list[CaseResult],
    echo: Callable[[Mapping[str, object]], None],
    progress: Callable[[str, int], ProgressLine],
    kept_under: dict[str, tuple[str, str]],
) -> list[Fitness]:
    """The campaign on one target, with its journal and its progress line. Returns where its news count for nothing.

    came: gets each result as it comes, and in the end all in the order of the cases; what a lost phone had done is
    there. echo: gets each record of --json. kept_under: gets, by the target's full name, the name of its expectations
    and the model of the phone. Several phones run this side by side.
    """
    precisions = precisions_for(name, precision)
    with where.open_target(name, runtime=runtime, workers=workers, engine=engine) as target:
        known = expectations.load_for(target, runtime=runtime or "")
        kept_under[target.name] = expectations.kept_under(target)
        line = progress(target.name, len(chosen) * len(precisions))
        with Journal(journal_path(target.name)) as journal:

            def show(result: CaseResult) -> None:
                came.append(result)
                line.advance(f"{result.case} {result.precision}")
                for record in json_lines.result_objects(result):
                    echo(record)

            came[:] = run_campaign(
                chosen,
                target,
                precisions,
                known,
                journal,
                again=again,
                kind=kind,
                seed=seed,
                save=save,
                open_cpu=open_installed_cpu,
                on_result=show,
            )
        news = dict.fromkeys(Precision(r.precision) for r in came if r.is_news)
        unfit = [one for one in (fitness(target, chosen_precision) for chosen_precision in news) if one.is_unfit]
        for one in unfit:
            echo(json_lines.unfit_object(one))
        return unfit
