"""`repro expect`: keep the expectations, built-in or a project's own, in step with what was measured."""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path
from typing import Any

import click

from cases.tflite.read import read_tflite
from cases.with_torch import convert
from repro.campaigns import expectations
from repro.campaigns.expectation_update import Reason, update
from repro.commands.own_catalogue import say_own_catalogue
from repro.display.console import echo_line
from repro.hazards.lint import find_hazards
from repro.hazards.rules import RULES
from repro.own_cases.choice import select
from repro.records.folders import expectation_folders, require_own_folders
from repro.trials.load import read_bytes
from runner.cache import write_atomically
from runner.errors import BadInput, NothingRan


@click.group()
def command() -> None:
    """Rewrite expectations from results."""


@command.command(name="update")
@click.argument("results", type=click.Path(path_type=Path))
@click.option("--reason", help="Why failures that are new or changed are expected.")
@click.option("--finding", default="", help="The finding that documents them.")
@click.option("--link", default="", help="Upstream issue.")
@click.option("--from-lint", is_flag=True, help="Take reason and finding from the hazard that the lint sees there.")
@click.option("--shared", is_flag=True, help="Write to gpu.toml (every driver) instead of the target's own file.")
@click.option("--dry-run", is_flag=True, help="Say what would change, write nothing.")
@click.pass_context
def update_command(
    ctx: click.Context,
    results: Path,
    reason: str | None,
    finding: str,
    link: str,
    from_lint: bool,
    shared: bool,
    dry_run: bool,
) -> None:
    """Bring expectations up to date with RESULTS.

    RESULTS is a file of the lines that `repro run --json` prints. Comments in the expectations are kept. A failure
    that is new or changed its signature is refused (exit 1) unless --reason, or with --from-lint a known hazard,
    says why it is expected. Of a target that fails its controls (UNFIT) nothing is taken but those controls.
    """

    folder = expectation_folders()[-1]
    if not dry_run:
        require_own_folders("expectations", folder)

    def explain(case: str, output: int) -> Reason | None:
        if from_lint:
            hazard_reason = _lint_reason(case, output)
            if hazard_reason is not None:
                return hazard_reason
        return Reason(reason, finding, link) if reason else None

    say_own_catalogue()
    refused, changed = 0, 0
    for target, records in read_results(results).items():
        stem = target.partition(":")[0] if shared else expectations.file_stem(target)
        path = folder / f"{stem}.toml"
        text = path.read_text(encoding="utf-8") if path.exists() else f"# What is expected on {target}.\n"
        if not shared:
            # What the shared file already says of this target needs no line in the target's own.
            known = expectations.load(target)
            in_own_file = {(e.case, e.output) for e in expectations.read_entries(path)} if path.exists() else set()
            records = [r for r in records if (r["case"], r["output"]) in in_own_file or not _is_as_known(r, known)]
        outcome = update(text, records, explain)
        for line in outcome.changes:
            echo_line(f"{path.name}: {line}")
        for line in outcome.refusals:
            echo_line(f"{path.name}: refused: {line}", err=True)
        refused += len(outcome.refusals)
        changed += len(outcome.changes)
        if not dry_run and outcome.changes:
            write_atomically(path, outcome.text.encode())
    if not refused and not changed:
        echo_line("nothing changes: all of it is expected already")
    ctx.exit(1 if refused else 0)


def _is_as_known(record: dict[str, Any], known: expectations.Expectations) -> bool:
    entry = known.lookup(record["case"], record["output"], record["precision"])
    said = f"{record['verdict']} {record['signature']}".strip()
    return said == expectations.expected_text(entry)


def read_results(path: Path) -> dict[str, list[dict[str, Any]]]:
    """Records by target from a file of JSON lines.

    Raises BadInput naming the line that is none, NothingRan for a file without a line.
    """
    data = read_bytes(path, f"what `repro run --json > {path}` writes")
    by_target: dict[str, list[dict[str, Any]]] = defaultdict(list)
    unfit: dict[tuple[str, str, str], set[str]] = {}
    for number, line in enumerate(data.splitlines(), start=1):
        try:
            record = json.loads(line)
            if "unfit" in record and "case" not in record:
                unfit[_cell(record)] = set(record["unfit"]["failed"])
                continue
            if "differ" in record and "case" not in record:
                continue
            by_target[record["target"]].append(record)
            if not {"case", "output", "precision", "verdict", "signature", "runtime"} <= set(record):
                raise KeyError("a field")
        except (ValueError, KeyError, TypeError) as error:  # bytes that are no text are a ValueError too
            raise BadInput(f"{path}, line {number}: not a line of `repro run --json` ({error})") from error
    if not by_target:
        raise NothingRan(f"{path} holds no results, so there is nothing to expect; write it with: repro run --json")
    return {target: [r for r in records if _counts(r, unfit)] for target, records in by_target.items()}


def _cell(record: dict[str, Any]) -> tuple[str, str, str]:
    return (record["target"], record["runtime"], record["precision"])


def _counts(record: dict[str, Any], unfit: dict[tuple[str, str, str], set[str]]) -> bool:
    """Of a target that failed its controls only those controls: what is known to fail there makes it unfit no more."""
    failed = unfit.get(_cell(record))
    return failed is None or record["case"] in failed


def _lint_reason(case_name: str, output: int) -> Reason | None:
    case = next(iter(select([case_name])))
    graph = read_tflite(convert.model_bytes(case), case_name)
    for hazard in find_hazards(graph):
        if output in hazard.affected or output == hazard.output:
            rule = RULES[hazard.rule]
            return Reason(f"{rule.id}: {rule.pattern}", rule.finding, rule.upstream)
    return None
