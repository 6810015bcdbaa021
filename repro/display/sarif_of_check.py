"""What a check found wrong as a SARIF log: one rule for each kind of verdict that is no PASS."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from repro.display.check_report import Shown, Unread
from repro.display.sarif import log_of, result, rule_name
from repro.verdicts.verdict import Status

_DESCRIBED = {
    Status.FAIL: ("wrong-output", "error", "The GPU delegate returns other values than the file's own ops compute."),
    Status.CRASH: ("crash", "error", "The process that ran the model died."),
    Status.HANG: ("hang", "error", "The run overran its deadline."),
    Status.REFUSED: ("refused", "error", "The GPU delegate would not compile the model, and said so."),
    Status.NOT_RESIDENT: ("not-resident", "error", "Part of the model did not run on the GPU, so nothing is proved."),
    Status.INVALID: ("not-judged", "warning", "The comparison could not have told a wrong output from a right one."),
    Status.PASS: ("unsound", "warning", "The values are right, and how they were made is not."),
}
_UNREAD = ("unreadable", "error", "The file could not be checked.")
_RULES = [*_DESCRIBED.values(), _UNREAD]


def check_log(shown: Sequence[Shown], unread: Sequence[Unread] = (), *, root: Path | None = None) -> dict[str, Any]:
    """The log of all models, targets and precisions. What is expected, and what a target says that fails its own
    controls, is no result."""
    models = list(dict.fromkeys([*(one.path for one in shown), *(one.path for one in unread)]))
    results = [found for one in shown if not one.checked.is_unfit for found in _of(one, models.index(one.path))]
    for one in unread:
        place = models.index(one.path)
        results.append(_result(_UNREAD, one.reason, place, "", (_UNREAD[0], str(one.path)), {}))
    return log_of("check", [_rule(*rule) for rule in _RULES], models, results, root=root)


def _of(shown: Shown, model: int) -> Iterator[dict[str, Any]]:
    of = shown.checked.run.fingerprint
    where = f"{of.target} {of.precision}"
    wrong = [(verdict, "output") for index, verdict in enumerate(shown.checked.verdicts) if shown.is_bad(index)]
    wrong += [(border.verdict, border.way) for border in shown.wrong_borders if border.verdict is not None]
    for verdict, role in wrong:
        rule = _DESCRIBED[verdict.status]
        whole = verdict.output < 0 and role == "output"
        subject = "the model" if whole else f"{role} '{verdict.name}'"
        yield _result(
            rule,
            f"On {where} {subject} is {verdict.said}: {verdict.held or '; '.join(verdict.marks)}",
            model,
            "" if whole else verdict.name,
            (rule[0], verdict.name, str(of.target), str(of.precision)),
            {"target": of.target, "precision": of.precision, "runtime": of.runtime, "adapter": of.adapter}
            | {"signature": str(verdict.signature or ""), "again": shown.again},
        )


def _rule(identifier: str, level: str, meaning: str) -> dict[str, Any]:
    return {
        "id": identifier,
        "name": rule_name(identifier),
        "shortDescription": {"text": meaning},
        "defaultConfiguration": {"level": level},
    }


def _result(
    rule: tuple[str, str, str],
    message: str,
    model: int,
    tensor: str,
    matched: Sequence[str],
    properties: dict[str, Any],
) -> dict[str, Any]:
    identifier, level, _ = rule
    position = [one for one, _, _ in _RULES].index(identifier)
    return result(
        identifier, position, level, message, model=model, tensor=tensor, matched=matched, properties=properties
    )
