"""A campaign: cases on one target, judged, compared with what is expected, journaled as they come.

Flow of one case: model bytes + feeds -> target -> Run -> judge -> Verdicts -> Comparison -> CaseResult.
Only what decides a result is in its key (model, inputs, options, runtime, driver, and the judge's
own source), so an unchanged case is not run again, and a changed judge judges again.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from cases import inputs
from cases.case import Case
from cases.graph import Graph
from cases.tflite.read import read_tflite
from cases.with_torch import convert, reference
from repro.campaigns.expectations import Comparison, Expectations, compare
from repro.records.journal import Journal
from repro.records.strict import fitted_or_none
from repro.verdicts import saved_run
from repro.verdicts.emulation import floors_for
from repro.verdicts.judge import judge_run
from repro.verdicts.noise_floor import Floor
from repro.verdicts.verdict import Status, Verdict
from runner.run import Feed, Fingerprint, Job, Precision, Run
from runner.target import Target

JUDGE_MODULES = (
    "repro/campaigns/campaign.py",
    "repro/verdicts/judge.py",
    "repro/verdicts/diagnose.py",
    "repro/verdicts/thresholds.py",
    "repro/verdicts/emulation.py",
    "repro/verdicts/noise_floor.py",
    "repro/verdicts/numeric_rule.py",
    "repro/verdicts/metrics.py",
    "cases/evaluation/arithmetic.py",
    "cases/evaluation/windows.py",
    "cases/evaluation/evaluate.py",
    "cases/with_torch/reference.py",
)


@dataclass(frozen=True)
class CaseResult:
    """All verdicts of one case on one target at one precision. `cached`: taken from the journal."""

    case: str
    target: str
    adapter: str
    runtime: str
    precision: str
    verdicts: tuple[Verdict, ...]
    fingerprint: Mapping[str, Any]
    stages: Mapping[str, float]
    log: str
    cached: bool
    comparisons: tuple[Comparison, ...] = field(default=())

    @property
    def is_news(self) -> bool:
        return any(c.outcome.is_news for c in self.comparisons)


@dataclass(frozen=True)
class Prepared:
    """A case ready to run: the bytes, the key of its inputs, and its graph as the file holds it."""

    case: Case
    model: bytes
    inputs_key: str
    kind: str
    seed: int

    @functools.cached_property
    def _graph(self) -> Graph:
        return read_tflite(self.model, self.case.name)

    def graph(self) -> Graph:
        """The graph as the file holds it, read once."""
        return self._graph

    def truth(
        self, feeds: Sequence[Feed], precision: Precision
    ) -> tuple[tuple[tuple[np.ndarray, ...], ...], tuple[Floor, ...]]:
        """(float64 torch references per feed and output, noise floors per output), both cached by content."""
        references = reference.reference_outputs(self.case, feeds, self.model)
        return references, floors_for(self.graph(), feeds, references, precision)

    def feeds(self) -> tuple[tuple[np.ndarray, ...], ...]:
        graph = self.graph()
        return inputs.standard_feeds([graph.tensors[n] for n in graph.inputs], self.seed, self.kind)


def prepare(case: Case, *, kind: str | None = None, seed: int | None = None) -> Prepared:
    """Model bytes and input recipe of a case. kind and seed override the case's own inputs."""
    chosen_kind = kind or case.inputs
    chosen_seed = case.seed if seed is None else seed
    recipe = f"{chosen_kind}/{chosen_seed}/{_source_hash(Path(inputs.__file__))}"
    return Prepared(case, convert.model_bytes(case), recipe, chosen_kind, chosen_seed)


@functools.cache
def _source_hash(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()[:16]


@functools.cache
def judge_version() -> str:
    """Hash of the sources that turn a Run into verdicts."""
    here = Path(__file__).parents[2]
    return hashlib.sha256("".join(_source_hash((here / m).resolve()) for m in JUDGE_MODULES).encode()).hexdigest()[:16]


def result_key(prepared: Prepared, target_identity: str, precision: Precision, options: Mapping[str, Any]) -> str:
    """Journal key: case, model, inputs, options, runtime and driver (in the identity), precision, judge.

    The case, because two of them may be the same graph, and each has expectations of its own.
    """
    parts = (
        prepared.case.name,
        hashlib.sha256(prepared.model).hexdigest(),
        prepared.inputs_key,
        target_identity,
        str(precision),
        repr(sorted(options.items())),
        judge_version(),
    )
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


@dataclass(frozen=True)
class _Pending:
    prepared: Prepared
    precision: Precision
    key: str


def judge_prepared(prepared: Prepared, run: Run, feeds: Sequence[Feed]) -> tuple[Verdict, ...]:
    """Judge a Run of a catalogue case against its float64 torch reference at its own noise floor."""
    references, floors = prepared.truth(feeds, Precision(run.fingerprint.precision))
    return judge_run(run, feeds, references, floors, graph=prepared.graph())


def run_campaign(
    cases: Iterable[Case],
    target: Target,
    precisions: Sequence[Precision],
    expectations: Expectations,
    journal: Journal,
    *,
    again: bool = False,
    kind: str | None = None,
    seed: int | None = None,
    options: Mapping[str, str | int | bool] | None = None,
    save: Path | None = None,
    on_result: Callable[[CaseResult], None] = lambda result: None,
) -> list[CaseResult]:
    """Run what is not in the journal, judge, compare; every result goes to `on_result` as it comes.

    Returns all results in the order of the cases. save: folder that gets one judgeable folder a run.
    Raises DeviceFailed when the target is lost; what was measured until then is in the journal.
    """
    chosen = dict(options or {})
    order: list[str] = []
    results: dict[str, CaseResult] = {}
    pending: list[_Pending] = []
    for case in cases:
        prepared = prepare(case, kind=kind, seed=seed)
        for precision in precisions:
            key = result_key(prepared, target.identity, precision, chosen)
            order.append(key)
            known = None if again or save is not None else from_record(journal.get(key))
            if known is not None:
                results[key] = _compared(known, expectations)
                on_result(results[key])
            else:
                pending.append(_Pending(prepared, precision, key))

    # The same case's precisions are neighbours, so its feeds and references are made once.
    feeds_of = functools.lru_cache(maxsize=8)(lambda name: made[name].feeds())
    made = {p.prepared.case.name: p.prepared for p in pending}

    def jobs() -> Iterator[Job]:
        for item in pending:
            name = item.prepared.case.name
            yield Job(item.prepared.model, feeds_of(name), item.precision, name, options=chosen)

    if pending:
        for item, run in zip(pending, target.run_many(jobs()), strict=True):
            feeds = feeds_of(item.prepared.case.name)
            verdicts = judge_prepared(item.prepared, run, feeds)
            if save is not None:
                _save(save, item, run, feeds)
            result = _result(item.prepared.case.name, run, verdicts)
            journal.add(item.key, to_record(result))
            results[item.key] = _compared(result, expectations)
            on_result(results[item.key])
    return [results[key] for key in order]


def _save(folder: Path, item: _Pending, run: Run, feeds: Sequence[Feed]) -> None:
    references, floors = item.prepared.truth(feeds, item.precision)
    name = f"{item.prepared.case.name.replace('/', '--')}--{item.precision}--{run.fingerprint.target.replace(':', '-')}"
    saved_run.save_judgeable(folder / name, run, feeds, references, floors, item.prepared.model)


def _result(case: str, run: Run, verdicts: tuple[Verdict, ...]) -> CaseResult:
    fingerprint: Fingerprint = run.fingerprint
    kept_log = "" if all(v.status is Status.PASS for v in verdicts) else run.log[-2000:]
    return CaseResult(
        case,
        fingerprint.target,
        fingerprint.adapter,
        fingerprint.runtime,
        str(fingerprint.precision),
        verdicts,
        asdict(fingerprint),
        dict(run.stages),
        kept_log,
        cached=False,
    )


def _compared(result: CaseResult, expectations: Expectations) -> CaseResult:
    comparisons = tuple(
        compare(v, result.case, result.precision, result.target, result.runtime, expectations) for v in result.verdicts
    )
    return CaseResult(**{**result.__dict__, "comparisons": comparisons})


def to_record(result: CaseResult) -> dict[str, Any]:
    """JSON form of a CaseResult without its comparisons, which depend on expectations and not on the run."""
    record = {k: v for k, v in result.__dict__.items() if k not in ("comparisons", "cached", "verdicts")}
    record["verdicts"] = [{**asdict(v), "status": str(v.status), "metrics": dict(v.metrics)} for v in result.verdicts]
    return record


def from_record(record: Mapping[str, Any] | None) -> CaseResult | None:
    """The CaseResult that `to_record` wrote; None for a record that it did not write, so that it is measured again."""
    found = None if record is None else fitted_or_none(CaseResult, {**record, "cached": True})
    return None if found is None or fitted_or_none(Fingerprint, found.fingerprint) is None else found
