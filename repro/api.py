"""The verbs as functions: what the command line does, for a script, a notebook or a test.

Key insight: the commands call these very functions, so that the screen and the library cannot drift apart. Options are
named as on the command line. A target is a name (`gpu`, `gpu:lavapipe`, `adb:SERIAL`) or one that is open already. A
model is a path, the bytes of a .tflite, a Graph, or a Subject. Nothing here prints or exits; what goes wrong is a
ReproError with one line.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path

from cases.graph import Graph
from cases.tflite.write import write_tflite
from repro.campaigns.controls import fitness
from repro.delegate.adapters import Adapter
from repro.fixes.proof import Fixed, fix_subject
from repro.hazards import lint as hazards
from repro.hazards.examined import unexamined
from repro.hazards.linted import Linted
from repro.layouts import gate as gates
from repro.layouts.layout import Layout
from repro.layouts.reader import read_layout
from repro.layouts.result import Report
from repro.layouts.without_python import require_no_python
from repro.records.journal import Journal
from repro.reducer import history
from repro.reducer.problem import Specimen
from repro.reducer.search import Reduced, Search, Step, failing_output
from repro.trials import ranges
from repro.trials.check import Checked
from repro.trials.given_feeds import AnyInputs
from repro.trials.given_shapes import read_as_given
from repro.trials.load import fed_subject, read_bytes
from repro.trials.part import Part
from repro.trials.ranges import Ranged
from repro.trials.telling_feeds import check_tellingly
from repro.verdicts.judge import judge, judge_arrays
from repro.verdicts.references import OwnOps, opened_once
from repro.verdicts.subject import Subject
from runner import targets
from runner.encoding import path_label
from runner.errors import BadInput
from runner.memory import Size, limited
from runner.run import Precision
from runner.scratch import ScratchFolder
from runner.target import Target
from runner.targets import open_target, precisions_for

__all__ = [
    "assert_right",
    "check",
    "find_ranges",
    "fix",
    "gate",
    "judge",
    "judge_arrays",
    "lint",
    "open_target",
    "reduce",
]

AnyModel = str | Path | bytes | Graph | Subject
AnyTarget = str | Target
Shapes = Mapping[str, Sequence[int]]
"""Input -> shape."""


def check(
    model: AnyModel,
    *,
    target: AnyTarget = "gpu",
    precision: str | Precision = Precision.FP32,
    inputs: AnyInputs | None = None,
    seed: int = 0,
    deadline: float | None = None,
    runtime: str | None = None,
    device: str | None = None,
    engine: str | None = None,
    cpu: Target | None = None,
    memory: Size | None = None,
    poison: bool = False,
    signature: str | None = None,
    shapes: Shapes | None = None,
) -> Checked:
    """Run a model on a target and judge each output against what the file's own ops compute, as `repro check` does.

    precision: `fp32` or `fp16` (a cpu target computes fp32 whatever is asked). inputs: an .npz, arrays by input name,
    or arrays in the inputs' order; None makes them of `seed`. deadline: seconds for one run. runtime: a LiteRT
    version. device, engine: for phones. cpu: an open cpu target to compare with, else one is opened. memory: what this
    process may use for models and arrays, bytes or a text such as `2GiB`; None leaves the limit in force, by default
    half of what is available. poison: over OpenCL, also run it with new memory filled with one word and another: what
    changes reads memory that nobody wrote. signature: which of a file's signatures; None takes the first. shapes: of
    inputs whose extents the file leaves open, by name; None runs them at the file's own.

    Raises BadInput for what cannot be read, TooMuchMemory (a BadInput) for what would not fit, TargetUnavailable,
    DeviceFailed, NothingRan. What the model does to a target is a verdict. Where something is wrong the target's
    controls are run (once; they are remembered): `Checked.is_unfit` says that it fails them, and proves nothing.
    """
    if deadline is not None and not deadline > 0:
        raise BadInput(f"deadline {deadline}: give seconds above 0, or none")
    with limited(memory):
        subject = _subject(model, inputs, seed, runtime, _part(signature, shapes))
        with _opened(cpu or "cpu", runtime=runtime) as witness:
            is_cpu = target == "cpu" or target is witness
            opened = nullcontext(witness) if is_cpu else _opened(target, runtime=runtime, device=device, engine=engine)
            with opened as chosen:
                level = _precision(chosen.name, precision)
                checked = check_tellingly(subject, chosen, witness, level, deadline, poison=poison)
                return checked if checked.passed else replace(checked, fitness=fitness(chosen, level))


def assert_right(model: AnyModel, **options: object) -> None:
    """For a test of your own: raise AssertionError, with the lines of `repro check`, unless every output is right.

    model, options: those of `check`.
    """
    checked = check(model, **options)  # type: ignore[arg-type]
    if not checked.passed:
        raise AssertionError(str(checked))


def lint(
    model: AnyModel,
    *,
    adapters: Sequence[Adapter] = (),
    signature: str | None = None,
    shapes: Shapes | None = None,
    memory: Size | None = None,
) -> Linted:
    """Hazards of a model, then its risks, by reading it only, as `repro lint` does.

    adapters: where it will run; what depends on that is then a hazard or nothing, and otherwise a risk that names them.
    signature, shapes, memory: as for `check`. Raises BadInput.
    """
    with limited(memory):
        name, graph = _named_graph(model, _part(signature, shapes))
        return Linted(hazards.lint(graph, adapters), name, unexamined(graph))


def find_ranges(
    model: AnyModel,
    *,
    inputs: AnyInputs | None = None,
    seed: int = 0,
    search: bool = False,
    signature: str | None = None,
    shapes: Shapes | None = None,
    memory: Size | None = None,
) -> Ranged:
    """How large every tensor of a model becomes, and which leaves fp16 first, as `repro range` says; nothing is run.

    inputs, seed, signature, shapes, memory: as for `check`. search: also look for the scale of the inputs at which
    something leaves.

    Raises BadInput for what cannot be read or evaluated, TooMuchMemory (a BadInput) for what would not fit.
    """
    with limited(memory):
        return ranges.find_ranges(_subject(model, inputs, seed, None, _part(signature, shapes)), search=search)


def fix(
    model: AnyModel,
    *,
    target: AnyTarget = "gpu",
    precision: str | Precision = "both",
    inputs: AnyInputs | None = None,
    seed: int = 0,
    runtime: str | None = None,
    signature: str | None = None,
    shapes: Shapes | None = None,
    also: Collection[str] = (),
    memory: Size | None = None,
) -> Fixed:
    """Apply the smallest known workaround for each hazard and prove it on cpu and target, as `repro fix` does.

    precision: `fp32`, `fp16` or `both`: those in which the proof is made. also: rules of risks that are mended as well.
    inputs, seed, runtime, signature, shapes, memory: as for `check`.
    Nothing is written: `Fixed.model` has the bytes. Raises NotProven (its `fixed` says what was tried) for what
    cannot be shown, BadInput, TargetUnavailable.
    """
    with limited(memory):
        subject = _subject(model, inputs, seed, runtime, _part(signature, shapes))
        name = target.name if isinstance(target, Target) else targets.resolve_one(target)
        precisions = precisions_for(name, str(precision))
        return fix_subject(
            subject,
            functools.partial(_opened, target, runtime=runtime),
            functools.partial(open_target, "cpu", runtime=runtime),
            precisions,
            also,
        )


def reduce(
    model: AnyModel,
    *,
    target: AnyTarget = "gpu",
    precision: str | Precision = Precision.FP32,
    output: int | None = None,
    inputs: AnyInputs | None = None,
    seed: int = 0,
    out: Path | None = None,
    max_runs: int = 200,
    workers: int | None = None,
    runtime: str | None = None,
    signature: str | None = None,
    shapes: Shapes | None = None,
    memory: Size | None = None,
    on_start: Callable[[Subject, Precision, int], None] = lambda subject, precision, known: None,
    on_step: Callable[[Step], None] = lambda step: None,
    on_runs: Callable[[int, Specimen], None] = lambda runs, specimen: None,
) -> Reduced:
    """The smallest graph with the same failure of a model on a target, as `repro reduce` finds it.

    The same failure is the same signature on an output of the same role.

    output: index of the failing output, else the first that fails. out: a folder that gets every accepted step and
    the result, and from which an interrupted search goes on; None keeps nothing. max_runs: of the delegate, at most.
    workers: candidates that run at once, else one per core. precision, inputs, seed, runtime, signature,
    shapes, memory: as for `check`.
    on_start: is told the subject, the precision and how many answers are known; on_step: each accepted step; on_runs:
    the number of runs and what is reduced now.

    Raises NotReducible and BadInput where nothing fails, TargetUnavailable, DeviceFailed.
    """
    with ExitStack() as stack:
        stack.enter_context(limited(memory))
        chosen = stack.enter_context(_opened(target, runtime=runtime, workers=workers or targets.default_workers()))
        folder = out or Path(stack.enter_context(ScratchFolder("reduce")))
        journal = stack.enter_context(Journal(folder / history.JOURNAL))
        open_cpu = opened_once(stack, functools.partial(open_target, "cpu", runtime=runtime))
        reference = OwnOps(open_cpu, strict_shapes=True)
        subject = _subject(model, inputs, seed, runtime, _part(signature, shapes)).judged_by(reference)
        level = _precision(chosen.name, precision)
        on_start(subject, level, len(journal))
        failing = failing_output(subject, chosen, level, output)

        def keep(step: Step) -> None:
            history.write_step(folder, step, chosen.name, level)
            on_step(step)

        search = Search(chosen, level, reference, journal, max_runs=max_runs, on_step=keep, on_runs=on_runs)
        reduced = search.reduce(Specimen(subject.graph, subject.feeds, failing))
        reduced = replace(reduced, fitness=fitness(chosen, level))
        history.write_result(folder, reduced, history.summary(reduced, chosen.name, level, folder, seed))
        return reduced


def gate(
    layout: str | Path | Layout,
    *,
    target: AnyTarget = "gpu",
    precision: str | Precision = Precision.FP32,
    size: int | None = None,
    settings: Mapping[str, str] | None = None,
    runtime: str | None = None,
    device: str | None = None,
    no_python: bool = False,
    memory: Size | None = None,
    on_step: Callable[[str], None] = lambda text: None,
) -> Report:
    """Pass or refuse a declared split on one target in one precision, as `repro gate` does.

    size: one of the layout's sizes, else its first. settings: parameters of the layout to override. runtime, device,
    memory: as for `check`. no_python: raise BadInput for a layout that names functions, before anything is imported.
    on_step: is told what is done now.

    A layout runs Python of its author. Raises BadInput, TargetUnavailable, DeviceFailed; a layout that is not right is
    refused in the Report.
    """
    declared = layout if isinstance(layout, Layout) else read_layout(Path(layout), settings or {})
    if no_python:
        require_no_python(declared)
    at, level = gates.chosen_size(declared, size), _one_precision(precision)
    gates.require_precision(declared, level)
    with limited(memory), _opened(target, runtime=runtime, device=device) as chosen:
        report = gates.gate(declared, chosen, level, at, on_step)
        return replace(report, fitness=fitness(chosen, level)) if report.rests_on_a_failure else report


def _subject(model: AnyModel, inputs: AnyInputs | None, seed: int, runtime: str | None, part: Part) -> Subject:
    if isinstance(model, Subject):
        return model
    name, data = _named_bytes(model)
    data, graph = (data, model) if isinstance(model, Graph) else read_as_given(part, data, name, inputs)
    reference = OwnOps(functools.partial(open_target, "cpu", runtime=runtime))
    return fed_subject(path_label(Path(name)) + part.label(graph), data, graph, inputs, seed, reference)


def _part(signature: str | None, shapes: Shapes | None) -> Part:
    return Part(signature, {name: tuple(shape) for name, shape in (shapes or {}).items()})


def _named_graph(model: AnyModel, part: Part) -> tuple[str, Graph]:
    if isinstance(model, Graph):
        return "graph", model
    if isinstance(model, Subject):
        return model.name, model.graph
    name, data = _named_bytes(model)
    _, graph = part.read(data, name)
    return name + part.label(graph), graph


def _named_bytes(model: str | Path | bytes | Graph) -> tuple[str, bytes]:
    if isinstance(model, Graph):
        return "graph", write_tflite(model)
    if isinstance(model, bytes):
        return "model", model
    return str(model), read_bytes(Path(model), "a .tflite model")


@contextmanager
def _opened(
    target: AnyTarget,
    *,
    runtime: str | None = None,
    device: str | None = None,
    engine: str | None = None,
    workers: int = 1,
) -> Iterator[Target]:
    """One active target: the caller's own, which stays open, or one that is opened here and closed again."""
    if isinstance(target, Target):
        yield target
        return
    name = targets.resolve_one(target, device)
    made: AbstractContextManager[Target] = open_target(name, runtime=runtime, engine=engine, workers=workers)
    with made as active:
        yield active


def _precision(target: str, asked: str | Precision) -> Precision:
    """The one precision of a call; a cpu target computes fp32 only."""
    (only,) = precisions_for(target, _one_precision(asked))
    return only


def _one_precision(asked: str | Precision) -> Precision:
    try:
        return Precision(asked)
    except ValueError:
        choices = ", ".join(Precision)
        raise BadInput(f"precision '{asked}' is none of {choices}; call once for each that you want") from None
