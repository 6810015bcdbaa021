"""Where the answers of a run are kept, told apart by what is in the file and never by its name.

Key insight: who compares two runs has whatever the commands left: a journal, the lines of `--json`, a folder of
`--save`, a matrix document. Each becomes the same `Answer`s; what holds none says what it is and what to give instead.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from repro.campaigns.campaign import CaseResult, from_record
from repro.changes.answer import NUMBERS, Answer, Place, Side
from repro.layouts.result import GateAnswer
from repro.matrix.document import from_document
from repro.matrix.record import CellRecord
from repro.records.journal_reader import SQLITE_HEAD, read_journal
from repro.records.lines import counted
from repro.records.strict import Misfit, Schema, fitted, fitted_or_none
from repro.verdicts.judge import judge
from repro.verdicts.saved_run import load_judgeable
from repro.verdicts.verdict import Status, Verdict
from runner.errors import BadInput
from runner.run import Fingerprint

TAKEN = "a journal, the lines of `run`, `check` or `gate --json`, a folder of `--save`, or a matrix document"
RUN_FILE = "meta.json"  # what every saved run has


def read_side(path: Path, on_run: Callable[[int, int], None] = lambda done, total: None) -> Side:
    """The answers that a file or folder holds. on_run: is told how many saved runs of how many are judged again.

    A later answer of the same output in the same place replaces an earlier one. Raises BadInput in one line for
    everything else, also where one name stands for two models.
    """
    if path.is_dir():
        side = _saved(path, on_run)
    else:
        data = _bytes(path)
        side = _journal(path) if data.startswith(SQLITE_HEAD) else _text(path, data)
    if not side.answers:
        raise BadInput(f"{path}: {side.kind} without a result; give {TAKEN}")
    return side


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise BadInput(f"{path}: cannot be read ({error.strerror}); give {TAKEN}") from error


def _latest(answers: Iterable[Answer]) -> tuple[Answer, ...]:
    """One answer per output, place and inputs: the last one. A run that ended without outputs replaces its outputs."""
    runs: dict[tuple[str, str, Place, str], dict[int, Answer]] = {}
    for answer in answers:
        outputs = runs.setdefault((answer.case, answer.precision, answer.place, answer.inputs), {})
        if (answer.output == -1) != (-1 in outputs):
            outputs.clear()
        outputs[answer.output] = answer
    return tuple(answer for outputs in runs.values() for answer in outputs.values())


# --- files of JSON ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Line:
    """What a line of `--json` must have to be an answer; it may have more."""

    case: str
    target: str
    runtime: str
    precision: str
    output: int
    verdict: Status
    adapter: str = ""
    name: str = ""
    signature: str = ""
    holds: str = ""
    reason: str = ""
    model_sha256: str = ""
    pearson: float | None = None
    max_abs: float | None = None
    power: float | None = None
    stages: dict[str, float] = field(default_factory=dict)
    inputs: str = ""


@dataclass(frozen=True)
class _GateLine:
    """What a line of `gate --json` must have to be an answer."""

    layout: str
    check: str
    part: str
    tensor: str
    answer: GateAnswer
    reason: str
    target: str
    runtime: str
    precision: str
    size: int | None = None
    adapter: str = ""


_NEEDED = {"case", "target", "runtime", "precision", "output", "verdict"}
_OTHERS: tuple[tuple[set[str], str], ...] = (
    ({"cells", "sentence"}, "lines of `matrix --json`; give the document that `matrix --out` wrote"),
    ({"rule", "producer", "message"}, "lines of `lint --json`, which ran nothing"),
    ({"version", "runs"}, "a SARIF log, which ran nothing"),
    ({"ops", "runs", "signature"}, "lines of `reduce --json` or `fuzz --json`, which are about graphs of their own"),
)
"""(keys that tell it, what it is) of files that hold no verdicts."""


def _text(path: Path, data: bytes) -> Side:
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        raise BadInput(f"{path}: neither JSON nor a journal; give {TAKEN}") from None
    try:
        whole = json.loads(text)
    except (ValueError, RecursionError):
        return _lines(path, text)
    if isinstance(whole, dict) and {"cells", "models", "environments"} <= set(whole):
        return _document(path, whole)
    return _lines(path, text) if isinstance(whole, dict) and text.count("\n") <= 1 else _other(path, whole)


def _other(path: Path, value: Any) -> Side:
    keys = set(value) if isinstance(value, dict) else set()
    known = next((what for told_by, what in _OTHERS if told_by <= keys), "JSON of another kind")
    raise BadInput(f"{path}: {known}; to compare runs, give {TAKEN}")


def _lines(path: Path, text: str) -> Side:
    answers: dict[tuple[Any, ...], Answer] = {}
    models: dict[tuple[Any, ...], str] = {}
    kind = "lines of --json"
    for number, one in enumerate(text.split("\n"), 1):
        if not one.strip():
            continue
        value = _line_value(path, number, one)
        if isinstance(value, dict) and {"layout", "check"} <= set(value):
            kind = "lines of gate --json"
            found = _gate_answer(path, number, value, answers)
            if found is not None:
                answers[found.case, found.precision, found.place, found.output] = found
            continue
        answer = _line_answer(path, number, value)
        if answer is None:
            continue
        # A name in one file is one model; a journal may hold the same case from before and after a change.
        run = (answer.case, answer.precision, answer.place)
        if models.setdefault(run, answer.model_sha256) != answer.model_sha256:
            raise BadInput(f"{path}: line {number}: a second model called '{answer.case}'; compare one at a time")
        answers[(*run, answer.inputs, answer.output)] = answer
    return Side(str(path), kind, _latest(answers.values()))


def _line_value(path: Path, number: int, text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise BadInput(f"{path}: line {number} is no JSON ({error}); give {TAKEN}") from None


def _gate_answer(
    path: Path, number: int, value: Mapping[str, Any], known: Collection[tuple[Any, ...]]
) -> Answer | None:
    """A check of a gate as an answer about its tensor: refused is wrong. None for its notes and its summary.

    known: keys of the answers so far; of several checks of one kind about one tensor each is an output of its own.
    """
    if value["check"] == "summary" or value.get("answer") == GateAnswer.NOTE:
        return None
    line = _fitted(path, number, _GateLine, value)
    size = "" if line.size is None else f" at {line.size}"
    case = " ".join(filter(None, (f"{line.layout}{size}", line.check, line.part, line.tensor)))
    place = Place(line.target, line.runtime)
    output = sum((case, line.precision, place) == key[:3] for key in known)
    status = Status.PASS if line.answer is GateAnswer.PASS else Status.FAIL
    signature = "" if status is Status.PASS else "refused"
    numbers = value.get("numbers")
    kept = _numbers({k: v for k, v in numbers.items() if isinstance(v, float)}) if isinstance(numbers, dict) else {}
    return Answer(
        case,
        output,
        line.precision,
        line.target,
        line.runtime,
        status,
        line.tensor,
        signature,
        reason=line.reason,
        adapter=line.adapter,
        numbers=kept,
    )


def _fitted(path: Path, number: int, schema: type[Schema], value: Mapping[str, Any]) -> Schema:
    """The keys of a line that its type has; it may have more. Raises BadInput."""
    try:
        return fitted(schema, {each.name: value[each.name] for each in fields(schema) if each.name in value})  # type: ignore[arg-type]
    except Misfit as misfit:
        mistake = misfit.mistakes[0]
        raise BadInput(f"{path}: line {number}: {'.'.join(map(str, mistake.place))} {mistake.problem}") from None


def _line_answer(path: Path, number: int, value: Any) -> Answer | None:
    """None for what `run` says of a target as a whole: that it fails its controls, or differs between names."""
    if isinstance(value, dict) and {"unfit", "differ"} & set(value) and "case" not in value:
        return None
    if not isinstance(value, dict) or not set(value) >= _NEEDED:
        _other(path, value)
    line = _fitted(path, number, _Line, value)
    numbers = _numbers({name: getattr(line, name) for name in NUMBERS})
    return Answer(
        line.case,
        line.output,
        line.precision,
        line.target,
        line.runtime,
        line.verdict,
        line.name,
        line.signature,
        line.holds,
        line.reason,
        line.adapter,
        line.model_sha256,
        numbers,
        _seconds(line.stages),
        line.inputs,
    )


def _seconds(stages: Mapping[str, float]) -> float | None:
    return sum(stages.values()) if stages else None


def _numbers(found: Mapping[str, float | None]) -> dict[str, float]:
    values = {name: found.get(name) for name in NUMBERS}
    return {name: value for name, value in values.items() if value is not None and math.isfinite(value)}


def _document(path: Path, document: Mapping[str, Any]) -> Side:
    try:
        records = [fitted(CellRecord, record) for record in from_document(document)]
    except (KeyError, TypeError, AttributeError, Misfit) as error:
        problem = error.mistakes[0].problem if isinstance(error, Misfit) else f"{type(error).__name__} {error}"
        raise BadInput(f"{path}: a damaged matrix document ({problem}); measure it again with `repro matrix`") from None
    return Side(str(path), "a matrix document", _latest(a for record in records for a in _of_cell(record)))


def _of_cell(record: CellRecord) -> Iterator[Answer]:
    for output in record["outputs"]:
        yield Answer(
            record["case"],
            output["output"],
            record["precision"],
            record["target"],
            record["runtime"],
            Status(output["verdict"]),
            output["name"],
            output["signature"],
            output["holds"],
            output["reason"],
            record["adapter"],
            record["model_sha256"],
        )


# --- journals and saved runs -----------------------------------------------------------------------------


def _journal(path: Path) -> Side:
    """The last answers of a journal: what was measured before a change of model, judge or inputs is overwritten."""
    answers: list[Answer] = []
    for record in read_journal(path):
        result = from_record(record) if "verdicts" in record else None
        if result is not None:
            answers += _of_result(result)
        elif "outputs" in record and fitted_or_none(CellRecord, record) is not None:
            answers += _of_cell(fitted(CellRecord, record))
    if not answers:
        raise BadInput(f"{path}: a journal without verdicts of `repro run` or `repro matrix`; give {TAKEN}")
    return Side(str(path), "a journal", _latest(answers))


def _of_result(result: CaseResult) -> Iterator[Answer]:
    fingerprint = fitted(Fingerprint, dict(result.fingerprint))
    return _of_verdicts(result.case, fingerprint, result.verdicts, result.stages, result.inputs)


def _of_verdicts(
    case: str, fingerprint: Fingerprint, verdicts: Sequence[Verdict], stages: Mapping[str, float], inputs: str
) -> Iterator[Answer]:
    for verdict in verdicts:
        yield Answer(
            case,
            verdict.output,
            fingerprint.precision,
            fingerprint.target,
            fingerprint.runtime,
            verdict.status,
            verdict.name,
            verdict.signature,
            verdict.holds,
            verdict.reason,
            fingerprint.adapter,
            fingerprint.model_sha256,
            _numbers({**verdict.metrics, "power": verdict.power}),
            _seconds(stages),
            inputs,
        )


def _saved(folder: Path, on_run: Callable[[int, int], None]) -> Side:
    """A saved run, or a folder of such, judged again by the judge of today."""
    runs = [folder] if (folder / RUN_FILE).exists() else sorted(path.parent for path in folder.glob(f"*/{RUN_FILE}"))
    if not runs:
        raise BadInput(f"{folder}: a folder without a saved run ({RUN_FILE}); give {TAKEN}")
    answers: list[Answer] = []
    for number, each in enumerate(runs):
        on_run(number, len(runs))
        run, subject = load_judgeable(each)
        answers += _of_verdicts(run.name, run.fingerprint, judge(run, subject), run.stages, subject.plan.words)
    return Side(str(folder), counted(len(runs), "saved run"), _latest(answers))
