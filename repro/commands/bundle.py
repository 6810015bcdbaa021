"""`repro bundle`: cases, runner and libraries in one archive, for a device that is not here."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import click

from cases.inputs import KINDS
from repro.campaigns.controls import control_cases
from repro.commands import completion, options
from repro.commands.device import provide, require_one_place
from repro.commands.own_catalogue import chosen_cases, mine
from repro.commands.without_torch import runnable
from repro.display.console import Screen
from repro.display.progress import progress_line
from repro.records.lines import counted
from repro.verdicts.subject import Subject, case_subject
from runner.adb import build
from runner.adb.android import android_libraries
from runner.adb.session import Supplies
from runner.bundle.kinds import CPU, GPU, Kind, supplies_for
from runner.bundle.kinds import KINDS as DEVICES
from runner.bundle.write import PlannedRun, megabytes, write_bundle
from runner.errors import BadInput, TargetUnavailable
from runner.run import Precision


@click.command()
@click.argument("cases", nargs=-1, shell_complete=completion.cases)
@click.option("--family", help="Only this family of the catalogue.")
@mine
@click.option("--device", required=True, type=click.Choice(list(DEVICES)), help="What it is for.")
@click.option("-o", "--out", required=True, type=click.Path(path_type=Path, dir_okay=False), help="The archive.")
@click.option("--cpu", is_flag=True, help="Run on the device's CPU, to try the way there and back where no GPU is.")
@options.runtime
@click.option("--from", "source", type=click.Path(path_type=Path), help="Folder or AAR with Android's libraries.")
@click.option("--from-pypi", is_flag=True, help="LiteRT-LM's library for Android (LITERT_CL), from PyPI's wheel.")
@click.option("--url", help="Where to fetch Android's libraries from, instead of the official place.")
@options.both_precisions
@click.option("--inputs", "inputs", type=click.Choice(KINDS), help="Input set instead of the case's.")
@click.option("--seed", type=options.SEED, help="Seed of the inputs instead of the case's own.")
@options.memory
def command(
    cases: tuple[str, ...],
    family: str | None,
    device: str,
    out: Path,
    cpu: bool,
    runtime: str | None,
    source: Path | None,
    from_pypi: bool,
    url: str | None,
    precision: str,
    inputs: str | None,
    seed: int | None,
) -> None:
    """Write an archive that runs catalogue cases on a device elsewhere, with no Python there.

    CASES are names or shell patterns ('fanout/*'); without any the whole catalogue. The controls of the findings are
    always in it: without them a failure counts for nothing. Send it to whoever has the device; what comes back goes
    into `repro ingest`.

    \b
    1. repro bundle --device android-arm64 --from-pypi -o suite.zip
    2. repro bundle 'findings/*' --device android-arm64 --runtime 2.3.0 --precision fp16 -o suite.zip
    3. repro bundle 'fanout/*' --device linux-aarch64 -o board.zip
    """
    kind = DEVICES[device]
    if out.exists():
        raise BadInput(f"{out} is there already; name a new file, or remove it")
    if cpu and precision == Precision.FP16:
        raise BadInput("--cpu computes in fp32 only; leave --precision fp16 out")
    precisions = [Precision.FP32] if cpu else list(Precision) if precision == "both" else [Precision(precision)]
    console = Screen(stderr=True, soft_wrap=True)
    supplies = _supplies(console, kind, runtime, source, from_pypi, url)
    if cpu:
        libraries = {name: path for name, path in supplies.libraries.items() if "Accelerator" not in name}
        supplies = replace(supplies, libraries=libraries, options={})
    chosen = list(runnable(chosen_cases(cases, family)))
    chosen += [] if cpu else [case for case in control_cases() if case not in chosen]
    with progress_line(out.name, len(chosen)) as line:

        def planned() -> Iterator[PlannedRun]:
            for case in chosen:
                yield from _runs_of(case_subject(case, kind=inputs, seed=seed), precisions)
                line.advance(case.name)

        written = write_bundle(
            out, kind, supplies, planned(), accelerator=CPU if cpu else GPU, inputs=inputs or "", seed=seed
        )
    runs = len(written.contents.runs) - 1
    console.print(
        f"{out}: {counted(runs, 'run')} of {counted(len(chosen), 'case')} for {device} with LiteRT "
        f"{supplies.version}, {megabytes(written.nbytes)} MB"
    )
    console.print(
        f"there: {megabytes(written.unpacked)} MB of disk, {megabytes(written.room)} MB more while it runs, and "
        f"{written.minutes} on a phone (an estimate); what comes back has about {megabytes(written.results)} MB"
    )
    if supplies.note:
        console.print(f"the runner is {supplies.note}")
    console.print(f"bundle {written.contents.id}; next: send it, then: repro ingest results.zip")


def _supplies(
    console: Screen, kind: Kind, runtime: str | None, source: Path | None, from_pypi: bool, url: str | None
) -> Supplies:
    """What the device needs, fetched where an option says from where. Raises BadInput and TargetUnavailable."""
    if source is None and not from_pypi and not url:
        if kind.is_android:
            _require_libraries(kind, runtime)
        return supplies_for(kind, runtime)
    if not kind.is_android:
        raise BadInput(f"--from, --from-pypi and --url are about Android's libraries; {kind.name} takes LiteRT's wheel")
    require_one_place(runtime, source, from_pypi, url)
    build.android_runner(kind.abi)  # what nothing here can build is said before anything is fetched
    return supplies_for(kind, provide(console, runtime, kind.abi, source, from_pypi, url))


def _require_libraries(kind: Kind, runtime: str | None) -> None:
    """Raise TargetUnavailable in words for a device that is not here to be set up."""
    try:
        android_libraries(kind.abi, runtime)
    except TargetUnavailable as error:
        raise TargetUnavailable(
            f"no LiteRT libraries for {kind.abi} here; add --from-pypi (15 MB), or --from DIR|AAR, or --url"
        ) from error


def _runs_of(subject: Subject, precisions: Sequence[Precision]) -> Iterator[PlannedRun]:
    for precision in precisions:
        yield PlannedRun(subject.job(precision), subject.plan.key)
