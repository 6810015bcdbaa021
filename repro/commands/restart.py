"""`repro restart`: whether what the delegate keeps of a compiled model gives back the same outputs."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

import click
from rich.table import Table

from cases import catalogue
from repro.commands import completion, options
from repro.commands.without_torch import runnable
from repro.display.console import Screen, cell
from repro.display.json_lines import dump
from repro.display.progress import progress_line
from repro.records.canonical_json import canonical
from repro.records.journal import Journal
from repro.records.lines import Tone, counted
from repro.restarts.measure import Answer, Machine, journal_path, measure
from repro.restarts.reading import Reading, State, faults
from repro.restarts.setups import SETUPS
from repro.trials.load import load_subject, open_installed_cpu
from repro.verdicts.subject import Subject, case_subject
from runner import targets
from runner.cache import write_atomically
from runner.errors import NothingRan
from runner.runtime_version import spoken
from runner.targets import precisions_for

HEALTHY = "findings/*-control"
"""The default: a healthy model per finding, of one to five ops, each another corner of the delegate."""
_SHOWN = 3


@click.command()
@click.argument("cases", nargs=-1, shell_complete=completion.cases)
@options.target
@options.runtime
@options.fp32_or_more
@click.option(
    "--cache",
    "caches",
    type=click.Choice(list(SETUPS)),
    multiple=True,
    help="Which cache: " + "; ".join(f"{one.name}: {one.keeps}" for one in SETUPS.values()) + ". Default: all.",
)
@click.option(
    "--written-by", "writers", multiple=True, metavar="VERSION", help="Also what this LiteRT wrote. May be repeated."
)
@click.option(
    "--seed", type=options.SEED, default=0, show_default=True, help="Seed of the damage, and of files' inputs."
)
@options.again
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="Also write canonical JSON here.")
@click.option("--json", "as_json", is_flag=True, help="One object per start on stdout.")
@click.option("-v", "--verbose", is_flag=True, help="Every fault, not only the first of each kind.")
@options.memory
@click.pass_context
def command(
    ctx: click.Context,
    cases: tuple[str, ...],
    target_name: str,
    runtime: str | None,
    precision: str,
    caches: tuple[str, ...],
    writers: tuple[str, ...],
    seed: int,
    again: bool,
    out: Path | None,
    as_json: bool,
    verbose: bool,
) -> None:
    """Run CASES out of the delegate's caches, as an app does that ships with serialization_dir and model_cache_key.

    CASES are catalogue names, shell patterns or .tflite files; default a healthy model per finding. Each is run
    without a cache, then cold, then by a new process from what was kept, then from what another model, precision,
    storage, adapter's name or LiteRT left under the same key, then from a cut file and from one with a flipped bit; and
    with a second model alive in the process. What is right without a cache must be right with it, in each run, or
    refused. Exit 1 where an output is wrong or the process dies. An interrupted campaign goes on where it was.

    \b
    1. repro restart --target gpu:lavapipe
    2. repro restart model.tflite --target gpu:pocl --cache graph --cache programs
    3. repro restart 'findings/*-control' --written-by 2.2.0 --out restarts.json
    """
    started = time.monotonic()
    subjects = _subjects(cases or (HEALTHY,), seed)
    (name,) = targets.resolve([target_name])
    setups = [SETUPS[cache] for cache in dict.fromkeys(caches or SETUPS)]
    console = Screen(stderr=as_json, soft_wrap=True)
    answers: list[Answer] = []
    with Journal(journal_path()) as journal, Machine(name, runtime) as machine:
        precisions = precisions_for(name, precision)
        with progress_line("restart", len(subjects) * len(setups) * len(precisions)) as line:
            for each in precisions:
                found = measure(subjects, setups, each, machine, journal, runtimes=writers, seed=seed, again=again)
                for answer in found:
                    answers.append(answer)
                    line.advance(f"{answer.setup} {answer.case}")
                    for one in answer.objects() if as_json else ():
                        click.echo(dump(one))
    if not any(one.state is not State.SKIPPED for answer in answers for one in answer.readings):
        raise NothingRan("nothing was run with a cache: no output of these models is right without one")
    _print(console, answers, verbose)
    known = sum(answer.cached for answer in answers)
    wrong = sum(len(faults(answer.readings)) for answer in answers)
    starts = sum(one.state is not State.SKIPPED for answer in answers for one in answer.readings)
    console.print(
        f"{counted(len(subjects), 'model')}, {counted(starts, 'start')}: {counted(wrong, 'fault')}; {known} of "
        f"{len(answers)} unchanged; {time.monotonic() - started:.1f} s; seed {seed}"
    )
    if out is not None:
        write_atomically(out, canonical({"answers": [answer.as_json() for answer in answers]}))
    ctx.exit(1 if wrong else 0)


def _subjects(names: Sequence[str], seed: int) -> list[Subject]:
    files = [load_subject(Path(name), seed=seed) for name in names if name.endswith(".tflite")]
    patterns = [name for name in names if not name.endswith(".tflite")]
    chosen = runnable(catalogue.select(patterns)) if patterns else ()
    return files + [case_subject(case, open_cpu=open_installed_cpu) for case in chosen]


def _print(console: Screen, answers: Sequence[Answer], verbose: bool) -> None:
    """A table per cache: a row per step with counts; behind it the faults."""
    first = answers[0]
    console.say((f"{first.target}  {spoken(first.runtime)}, {first.adapter}, {first.driver}", Tone.ASIDE))
    table = Table(box=None, pad_edge=False, header_style="dim", show_edge=False)
    for heading in ("cache", "it finds", "same", "read back", "refused", "wrong", "died", "skipped"):
        table.add_column(heading, justify="left" if heading in ("cache", "it finds") else "right", no_wrap=True)
    for setup in dict.fromkeys(answer.setup for answer in answers):
        readings = [one for answer in answers if answer.setup == setup for one in answer.readings]
        for number, step in enumerate(dict.fromkeys(one.step for one in readings)):
            counts = _counts([one for one in readings if one.step == step])
            table.add_row(setup if number == 0 else "", step, *(cell(*count) for count in counts))
    console.print(table)
    shown: dict[tuple[str, str], int] = {}
    for answer in answers:
        for one in faults(answer.readings):
            kind = (answer.setup, one.step)
            shown[kind] = shown.get(kind, 0) + 1
            if verbose or shown[kind] <= _SHOWN:
                console.say((f"{answer.case} {answer.precision} {answer.setup} {one.step} ", Tone.PLAIN), _said(one))
    if not verbose and (hidden := sum(max(0, number - _SHOWN) for number in shown.values())):
        console.print(f"{counted(hidden, 'more fault')} (-v shows them)")


def _counts(readings: Sequence[Reading]) -> list[tuple[str, Tone]]:
    same = [one for one in readings if one.state is State.SAME]
    read = sum(one.read for one in same)
    others = (
        ((State.REFUSED,), Tone.WARN),
        ((State.WRONG,), Tone.BAD),
        ((State.CRASH, State.HANG), Tone.BAD),
        ((State.SKIPPED,), Tone.ASIDE),
    )
    numbers = [(sum(one.state in states for one in readings), tone) for states, tone in others]
    toned = ((str(number), tone if number else Tone.ASIDE) for number, tone in numbers)
    return [(str(len(same)), Tone.PLAIN), (str(read), Tone.PLAIN), *toned]


def _said(one: Reading) -> tuple[str, Tone]:
    return f"{one.state}: {one.said}", Tone.BAD
