"""`repro matrix`: cases x runtimes x drivers x precisions, and which runtime changed a verdict."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
from rich.table import Table

from cases import catalogue
from cases.case import Case
from repro.campaigns.shards import Shard
from repro.commands import completion, elsewhere, options
from repro.commands.outputs import keep_apart
from repro.commands.own_catalogue import chosen_cases, mine
from repro.commands.without_torch import runnable
from repro.display.console import Screen, cell, print_lines
from repro.display.json_lines import dump, unfit_object
from repro.display.progress import progress_line
from repro.matrix.bisect import bisect
from repro.matrix.document import to_document
from repro.matrix.environments import Environment, default_targets, environments_for
from repro.matrix.measure import Measured, OpenTarget, journal_path, measure
from repro.matrix.parts import PART, head_of, subjects_of
from repro.matrix.record import CellRecord, Row, RowCell
from repro.matrix.rows import PASSES, UNCLEAR, has_unclear, rows_of
from repro.matrix.subjects import failing_cases, with_controls
from repro.pages.of_matrix import matrix_page
from repro.pages.render import write_page
from repro.records.canonical_json import canonical
from repro.records.journal import Journal
from repro.records.lines import Tone, counted
from repro.remote.where import Elsewhere, Where
from repro.trials.check import require_comparison
from repro.trials.load import load_subject, open_installed_cpu
from repro.verdicts.subject import Subject, case_subject
from runner.cache import write_atomically
from runner.errors import BadInput, NothingRan
from runner.run import Precision
from runner.runtime_version import spoken, version_order
from runner.runtimes import KNOWN
from runner.targets import precisions_for


@click.command()
@click.argument("cases", nargs=-1, shell_complete=completion.cases)
@click.option(
    "--runtime", "runtimes", multiple=True, help=f"LiteRT version. May be repeated. Default: {', '.join(KNOWN)}."
)
@options.all_targets
@options.device
@options.both_precisions
@mine
@click.option("--bisect", "bisecting", is_flag=True, help="Find the first runtime in which a verdict changed.")
@click.option("--seed", type=options.SEED, default=0, show_default=True, help="Seed of the inputs of .tflite files.")
@options.again
@options.pool_workers
@elsewhere.where
@options.shard
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    default=Path("build/matrix.json"),
    show_default=True,
    help="Canonical JSON of all cells and rows.",
)
@click.option("--json", "as_json", is_flag=True, help="One object per row on stdout.")
@options.html
@click.option("-v", "--verbose", is_flag=True, help="Every row, not only those that show something.")
@options.memory
@click.pass_context
def command(
    ctx: click.Context,
    cases: tuple[str, ...],
    runtimes: tuple[str, ...],
    target_names: tuple[str, ...],
    device: str | None,
    precision: str,
    bisecting: bool,
    seed: int,
    again: bool,
    workers: int,
    where: Where,
    shard: Shard | None,
    out: Path,
    as_json: bool,
    html_file: Path | None,
    verbose: bool,
) -> None:
    """Measure CASES in every cell of runtimes x drivers x precisions, each beside its controls.

    CASES are catalogue names, shell patterns or .tflite files; without any, all cases that are expected to
    fail. Cells already measured for the same model, inputs, runtime, driver and judge are not measured
    again, so an interrupted run goes on where it was. The result is canonical JSON in --out.
    Exit 1 if a cell cannot tell because a control fails in it too or the target fails its own (UNFIT), or an asked
    environment was not available; 3 if none was.

    \b
    1. repro matrix                                        all failing cases on five runtimes and all drivers
    2. repro matrix model.tflite --runtime 2.1.3 --runtime nightly --target gpu:lavapipe
    3. repro matrix 'public-reports/*' --bisect            since which runtime
    4. repro matrix --shard 1/3 --out 1.json               a third of it; the others elsewhere, and then: repro merge
    5. repro matrix --target adb --device all              every phone, side by side
    """
    if shard is not None and bisecting:
        raise BadInput("--bisect asks one case after another, and --shard cuts a matrix: give one of them")
    started = time.monotonic()
    keep_apart({"--out": out, "--html": html_file}, [Path(name) for name in cases if name.endswith(".tflite")])
    if device and not target_names:
        raise BadInput(f"--device {device} is for phones, and without --target each one is measured; add --target adb")
    whole = choose_subjects(cases, seed, chosen_cases(()))
    subjects = subjects_of(shard, whole) if shard else whole
    if not subjects:
        raise NothingRan(f"shard {shard} of {counted(len(whole), 'model')} is empty; give fewer shards")
    names = where.resolve(target_names, device) if target_names else _every_target(where)
    open_target: OpenTarget | None = where.open_target if isinstance(where, Elsewhere) else None
    for subject in subjects if "cpu" in names else ():
        require_comparison(subject, "cpu")
    environments = environments_for(runtimes, names)
    console = Screen(stderr=as_json)
    with Journal(journal_path()) as journal:
        if bisecting:
            ctx.exit(_bisect(console, subjects, environments, precision, journal, as_json, open_target))
        per_environment = len(subjects) * (2 if precision == "both" else 1)
        with progress_line("matrix", len(environments) * per_environment) as line:

            def step(record: CellRecord) -> None:
                line.advance(f"{record['runtime']} {record['target']} {record['case']}")

            measured = measure(
                subjects,
                environments,
                precision,
                journal,
                again=again,
                workers=workers,
                open_target=open_target,
                on_record=step,
            )
    rows = rows_of(measured.records, measured.unfit_cells)
    document = stored(measured, rows)
    if shard is not None:
        document[PART] = head_of(shard, whole, environments, precision, seed, measured.unfit)
    write_atomically(out, canonical(document))
    if as_json:
        for row in rows:
            click.echo(dump(row))
    print_matrix(console, rows, measured, verbose)
    controls = sum(bool(s.control_of) for s in subjects)
    console.print(
        f"{counted(len(subjects) - controls, 'case')} and {counted(controls, 'control')} "
        f"in {counted(len(measured.environments), 'environment')}: "
        f"{counted(len(measured.records), 'cell')}, {measured.cached} unchanged; {time.monotonic() - started:.1f} s; "
        f"stored in {out}",
    )
    if html_file is not None and rows:
        page = matrix_page(rows, measured.records, measured.environments, measured.unavailable, options.typed())
        write_page(html_file, page)
    if not measured.records:
        raise NothingRan("no cell was measured: none of these runtimes and targets is available here; see above why")
    ctx.exit(1 if has_unclear(rows) or measured.unavailable else 0)


def stored(measured: Measured, rows: Sequence[Row]) -> dict[str, Any]:
    """What is kept of a matrix, as plain data."""
    unfit = [unfit_object(one) for one in measured.unfit]
    return {
        **to_document(measured.records, measured.environments, measured.unavailable),
        "rows": list(rows),
        "unfit": unfit,
    }


def _every_target(where: Where) -> list[str]:
    """What is measured where no target is named."""
    return where.gpus_and_phones() if isinstance(where, Elsewhere) else default_targets()


def choose_subjects(names: Sequence[str], seed: int, every: Sequence[Case]) -> list[Subject]:
    """The models the user named, with the controls of those that have some. every: the cases that there are.

    Raises BadInput for an unknown name.
    """
    files = [Path(name) for name in names if name.endswith(".tflite")]
    patterns = [name for name in names if not name.endswith(".tflite")]
    subjects = [load_subject(path, seed=seed) for path in files]
    twice = {s.name for s in subjects if sum(t.name == s.name for t in subjects) > 1}
    if twice:
        raise BadInput(f"two files are called {sorted(twice)[0]}; rename one, the matrix tells models by file name")
    if patterns:
        chosen = with_controls((c.name for c in catalogue.select(patterns, every=every)), every)
    elif not files:
        chosen = failing_cases(every)
    else:
        chosen = []
    return subjects + [
        case_subject(case, open_cpu=open_installed_cpu) for case in _alone(runnable(chosen) if chosen else ())
    ]


def _alone(chosen: Sequence[Case]) -> list[Case]:
    """A control that was named without its case is measured for itself."""
    present = {case.name for case in chosen}
    return [
        case if case.control_of in present or not case.control_of else replace(case, control_of="") for case in chosen
    ]


def print_matrix(console: Screen, rows: Sequence[Row], measured: Measured, verbose: bool) -> None:
    """One line per row: cells by target and precision over the runtimes, then the sentence."""
    for environment in measured.environments:
        adapter = f", {environment['adapter']}, {environment['driver']}" if environment["adapter"] else ""
        console.say((f"{environment['target']}  {spoken(environment['runtime'])}{adapter}", Tone.ASIDE))
    print_lines(console, [one.line() for one in measured.unfit])
    for gone in measured.unavailable:
        why = f"not available: {gone['target']} with {spoken(gone['runtime'])}: {gone['reason']}"
        console.say((why, Tone.WARN))
    order = sorted({r["runtime"] for r in measured.records}, key=version_order)
    table = Table(box=None, pad_edge=False, header_style="dim", show_edge=False)
    for heading in ("case", "output", "target", *order):
        table.add_column(heading, overflow="fold")
    hidden = 0
    for row in rows:
        if not verbose and not row["since"] and not row["unclear"]:
            hidden += 1
            continue
        by_place: dict[tuple[str, str], dict[str, tuple[str, Tone]]] = {}
        for each in row["cells"]:
            by_place.setdefault((each["target"], each["precision"]), {})[each["runtime"]] = _mark(each)
        for number, ((target, precision), marks) in enumerate(by_place.items()):
            head = (row["case"], row["name"]) if number == 0 else ("", "")
            table.add_row(*head, f"{target} {precision}", *(cell(*marks.get(version, ("",))) for version in order))
    if table.row_count:
        console.print(table)
    for row in rows:
        if verbose or row["since"] or row["unclear"]:
            output = f" output {row['output']} '{row['name']}'" if row["output"] is not None else ""
            console.print(f"{row['case']}{output}: {row['sentence']}", soft_wrap=True)
    if hidden:
        console.print(f"{hidden} cases pass everywhere (-v shows them)")


def _mark(one: RowCell) -> tuple[str, Tone]:
    if one["state"] == PASSES:
        return "pass", Tone.GOOD
    if one["state"] == UNCLEAR:
        return "unclear", Tone.WARN
    return one["said"].removeprefix("FAIL "), Tone.BAD


def _bisect(
    console: Screen,
    subjects: Sequence[Subject],
    environments: Sequence[Environment],
    precision: str,
    journal: Journal,
    as_json: bool,
    open_target: OpenTarget | None,
) -> int:
    """Bisect every case on every target and precision; 1 if a verdict changed somewhere."""
    changed = False
    for target in dict.fromkeys(e.target for e in environments):
        versions = sorted({e.runtime for e in environments if e.target == target}, key=version_order)
        for subject in (s for s in subjects if not s.control_of):
            for each in precisions_for(target, precision):
                bisected = bisect(versions, _verdict_of(subject, target, each, journal, open_target))
                changed = changed or bool(bisected.first_changed)
                if as_json:
                    fields = {k: v for k, v in bisected.__dict__.items() if k != "tried"}
                    click.echo(dump({"case": subject.name, "target": target, "precision": str(each), **fields}))
                text = f"{subject.name} on {target} {each}: {bisected.sentence}"
                console.print(text, soft_wrap=True)
    return 1 if changed else 0


def _verdict_of(
    subject: Subject, target: str, precision: Precision, journal: Journal, open_target: OpenTarget | None
) -> Callable[[str], str]:
    def said(version: str) -> str:
        environment = Environment(version, target)
        one = measure([subject], [environment], str(precision), journal, workers=1, open_target=open_target)
        if one.unavailable:
            raise BadInput(f"cannot bisect over {spoken(version)}: {one.unavailable[0]['reason']}")
        return verdict_line(one.records[0])

    return said


def verdict_line(record: CellRecord) -> str:
    """What one cell says of all outputs: `PASS`, or the failing outputs with their signatures."""
    bad = [o for o in record["outputs"] if o["verdict"] != "PASS"]
    return ", ".join(f"{o['name']} {o['verdict']} {o['signature']}".strip() for o in bad) or "PASS"
