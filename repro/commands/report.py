"""`repro report`: the upstream issue of a finding, with its attachments."""

from __future__ import annotations

from pathlib import Path

import click

from repro.commands.outputs import keep_apart
from repro.display.console import Screen
from repro.findings.reader import load
from repro.findings.report import write_report
from repro.findings.seal import check_seal


@click.command()
@click.argument("slug", metavar="FINDING")
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), help="Folder. Default: build/report/FINDING.")
def command(slug: str, out: Path | None) -> None:
    """Write the folder to attach to an upstream issue about FINDING.

    issue.md, a self-contained repro.py, the model (also as base64), raw inputs and expected outputs, the
    evidence, the C runner with a batch for a phone, and a Kotlin snippet. A finding whose files are not what
    was sealed is refused (exit 2).

    \b
    1. repro report add-output-feeds-reduction
    2. repro report add-output-feeds-reduction --out issue && python issue/repro.py
    """
    finding = load(slug)
    check_seal(finding)
    folder = out or Path("build") / "report" / slug
    keep_apart({"--out": folder}, [finding.folder])
    names = write_report(finding, folder)
    console = Screen()
    console.print(f"{folder}: {len(names)} files")
    console.print(f"  the issue's text: {folder / 'issue.md'}")
    console.print(f"  try it: python {folder / 'repro.py'} (exit 1 and BUG where it shows)")
