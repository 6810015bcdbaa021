"""`repro prepare`: convert what the catalogue needs converted, ahead of time, so that runs start at once."""

from __future__ import annotations

import click

from cases.with_torch import convert
from repro.commands import completion, options
from repro.commands.own_catalogue import chosen_cases, mine
from repro.commands.without_torch import runnable
from repro.display.console import echo_line
from repro.display.progress import progress_line
from repro.verdicts.subject import case_subject
from runner.errors import BadInput
from runner.installation import converter_install
from runner.run import Precision


@click.command()
@click.argument("cases", nargs=-1, shell_complete=completion.cases)
@click.option("--force", is_flag=True, help="Convert again what is converted already.")
@mine
@options.memory
def command(cases: tuple[str, ...], force: bool) -> None:
    """Convert the torch cases with litert-torch; compute all float64 references and noise floors.

    CASES are names or shell patterns; without any the whole catalogue is prepared. Everything is cached by content:
    what is there already costs a moment.
    """
    chosen = runnable(chosen_cases(cases))
    modules = [case for case in chosen if case.module is not None]
    missing = [case for case in modules if force or not convert.is_converted(case)]
    if missing and not convert.has_converter():
        raise BadInput(f"--force converts again, which needs litert-torch; install it: {converter_install()}")
    with progress_line("converting", len(missing)) as line:
        for case in missing:
            line.advance(case.name)
            convert.convert_module(case, convert.converted_path(case))
    with progress_line("references", len(chosen)) as line:
        for case in chosen:
            line.advance(case.name)
            subject = case_subject(case)
            for precision in Precision:
                subject.floors(precision)
    echo_line(
        f"{len(modules)} torch cases, {len(missing)} of them converted now; "
        f"references and noise floors of {len(chosen)} cases are there"
    )
