"""Hazards and risks of the lint as a SARIF log: one rule each of the lint's."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from repro.display.sarif import log_of, result, rule_name
from repro.hazards.hazard import Hazard, Level, Rule
from repro.hazards.linted import Linted
from repro.hazards.rules import RULES
from runner.installation import documentation

LEVELS = {Level.HAZARD: "error", Level.RISKY: "warning"}


def lint_log(linted: Sequence[tuple[Path, Linted]], *, root: Path | None = None) -> dict[str, Any]:
    """The log of several models. linted: (the file as it was named, what the lint says of it); a file that has
    several signatures comes several times."""
    rules = list(RULES.values())
    positions = {rule.id: index for index, rule in enumerate(rules)}
    models = list(dict.fromkeys(path for path, _ in linted))
    results = [_result(hazard, models.index(path), positions[hazard.rule]) for path, one in linted for hazard in one]
    return log_of("lint", [_rule(rule) for rule in rules], models, results, root=root)


def _rule(rule: Rule) -> dict[str, Any]:
    described: dict[str, Any] = {
        "id": rule.id,
        "name": rule_name(rule.id),
        "shortDescription": {"text": rule.pattern},
        "fullDescription": {"text": rule.message.replace("{", "<").replace("}", ">")},
        "help": {"text": rule.advice.replace("{", "<").replace("}", ">")},
        "defaultConfiguration": {"level": LEVELS[rule.level]},
        "properties": {"runtimes": rule.runtimes, "where": rule.where, "finding": rule.finding},
    }
    page = documentation(f"rules/{rule.id}") or rule.upstream
    if page:
        described["helpUri"] = page
    return described


def _result(hazard: Hazard, model: int, rule: int) -> dict[str, Any]:
    return result(
        hazard.rule,
        rule,
        LEVELS[hazard.level],
        f"{hazard.message}. {hazard.fix}",
        model=model,
        tensor=hazard.tensor,
        matched=(hazard.rule, hazard.tensor, hazard.consumer),
        properties={
            "output": hazard.output,
            "affectedOutputs": list(hazard.affected),
            "producer": hazard.producer,
            "consumer": hazard.consumer,
            "where": hazard.where,
        },
    )
