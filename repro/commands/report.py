"""`repro report`: the upstream issue of a finding, or of all, with its attachments and what to paste where."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import click

from repro.commands import completion
from repro.commands.outputs import keep_apart
from repro.commands.own_catalogue import say_own_catalogue
from repro.display.console import Screen
from repro.findings.finding import Finding
from repro.findings.reader import NO_FINDING, load, slugs
from repro.findings.report import report_files
from repro.findings.restart_finding import RestartFinding, load_restart, restart_slugs
from repro.findings.restart_report import restart_files
from repro.findings.seal import check_seal
from repro.findings.upstream import HOW_TO_FILE, INDEX, ISSUE, all_issues, host_expectations, issue_to_file, write_files
from repro.records.lines import counted
from runner.encoding import shell_command
from runner.errors import BadInput, NothingRan


@click.command()
@click.argument("slug", metavar="[FINDING]", required=False, shell_complete=completion.reported)
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), help="Folder. Default: build/report/FINDING.")
@click.option("--zip", "as_zip", is_flag=True, help="The attachments as one .zip, which GitHub takes.")
@click.option("--all", "everything", is_flag=True, help="One issue per root cause, in the order worth mending.")
def command(slug: str | None, out: Path | None, as_zip: bool, everything: bool) -> None:
    """Write what is attached to an upstream issue about FINDING.

    issue.md, a self-contained repro.py, the model (also as base64), raw inputs and expected outputs, the
    evidence, the C runner with a batch for a phone, and a Kotlin snippet. With --zip: issue.md, all else as
    one archive, and how-to-file.md, which says what to paste where. With --all: one such folder per root
    cause of all findings and per finding of two starts, those that hit most first, and an index. A finding
    whose files are not what was sealed is refused (exit 2).

    \b
    1. repro report add-output-feeds-reduction
    2. repro report add-output-feeds-reduction --out issue && python issue/repro.py
    3. repro report add-output-feeds-reduction --zip
    4. repro report --all --out build/issues
    """
    if everything == bool(slug):
        raise BadInput("name one finding, or give --all (`repro finding list` shows them)")
    say_own_catalogue()
    of_two_starts = restart_slugs()
    restarts = [load_restart(name) for name in of_two_starts if everything or name == slug]
    findings = [_sealed(name) for name in (slugs() if everything else [str(slug)]) if name not in of_two_starts]
    chosen: list[Finding | RestartFinding] = [*findings, *restarts]
    if not chosen:
        raise NothingRan(NO_FINDING)
    folder = out or Path("build") / "report" / (slug or "all")
    keep_apart({"--out": folder}, [finding.folder for finding in chosen])
    console = Screen(soft_wrap=True)
    if everything:
        names = write_files(all_issues(findings, restarts, host_expectations()), folder)
        issues = sum(name.endswith(f"/{ISSUE}") for name in names)
        console.print(f"{folder}: {counted(issues, 'issue')} for {counted(len(chosen), 'finding')}")
        console.print(f"  in which order, and why: {folder / INDEX}")
    elif as_zip:
        write_files(issue_to_file(chosen[0]), folder)
        console.print(f"{folder / ISSUE}: the issue's text")
        console.print(f"{folder / (chosen[0].slug + '.zip')}: to attach")
        console.print(f"{folder / HOW_TO_FILE}: what to paste where")
    else:
        _write(restart_files(restarts[0]) if restarts else report_files(findings[0]), folder, console)


def _write(files: Mapping[str, bytes], folder: Path, console: Screen) -> None:
    """One issue with its script, and what to do with them."""
    names = write_files(files, folder)
    console.print(f"{folder}: {counted(len(names), 'file')}")
    console.print(f"  the issue's text: {folder / ISSUE}")
    console.print(f"  try it: {shell_command(['python', str(folder / 'repro.py')])} (exit 1 and BUG where it shows)")


def _sealed(slug: str) -> Finding:
    finding = load(slug)
    check_seal(finding)
    return finding
