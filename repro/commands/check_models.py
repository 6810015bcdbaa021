"""The runs behind `repro check`: each model on each target in each precision, shown as they come.

Key insight: of several models only one is held in memory, and one that cannot be checked does not keep the others from
it; the targets stay open from the first model that needs them to the last.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import click

from repro import api
from repro.campaigns import expectations
from repro.campaigns.controls import fitness
from repro.campaigns.expectations import Comparison, Standing, compare
from repro.commands import options
from repro.display import json_lines, model_explorer
from repro.display.check_report import Shown, Unread, json_records
from repro.display.console import Screen, print_lines
from repro.display.input_plan import plan_lines
from repro.records.lines import Line, Tone, counted, indented, line
from repro.trials.check import Checked, require_comparison
from repro.trials.load import load_subject, signatures_of
from repro.trials.part import Part
from repro.trials.partial import check_partial
from repro.trials.taps import TapReport, localise
from repro.verdicts.saved_run import folder_name, save_judgeable
from repro.verdicts.subject import Subject
from runner import targets
from runner.encoding import file_name, shell_command
from runner.errors import BadInput, DeviceFailed, NothingRan, ReproError, TargetUnavailable
from runner.host.pool import BESIDE_CPU, HostTarget
from runner.opencl.loader import LoaderSettings
from runner.run import Precision
from runner.target import Target
from runner.targets import precisions_for


@dataclass(frozen=True)
class Asked:
    """What the command was asked for, beside the models.

    of_one_signature: an option that was given and means one graph, as it is typed; None where none was. loaders: target
    -> what makes it keep its kernels. The others are the command's options.
    """

    targets: tuple[str, ...]
    precision: str
    runtime: str | None
    engine: str | None
    input_files: tuple[Path, ...]
    input_words: tuple[str, ...]
    seed: int
    signature: str | None
    shapes: Mapping[str, tuple[int, ...]]
    deadline_s: float | None
    taps: bool
    poison: bool
    partial: bool
    expected_as: str | None
    save: Path | None
    explorer_file: Path | None
    of_one_signature: str | None
    loaders: Mapping[str, LoaderSettings | None]

    def again(self, path: Path, checked: Checked) -> str:
        """The command that repeats one target and precision of one model."""
        fingerprint = checked.run.fingerprint
        where = ("--target", fingerprint.target.removesuffix(BESIDE_CPU), "--precision", fingerprint.precision)
        flags = [word for word, given in (("--poison", self.poison), ("--partial", self.partial)) if given]
        shapes = (f"{name}={','.join(map(str, shape))}" for name, shape in self.shapes.items())
        given: dict[str, object] = {"--shape": tuple(shapes), "--runtime": self.runtime, "--engine": self.engine}
        given |= {"--inputs": self.input_files, "--input": self.input_words, "--seed": self.seed or None}
        given["--signature"] = self.signature
        return shell_command(["repro", "check", str(path), *where, *flags, *options.words(given)])


def check_models(
    paths: Sequence[Path], asked: Asked, console: Screen, *, as_json: bool = False, verbose: bool = False
) -> tuple[list[Shown], list[Unread], dict[str, ReproError]]:
    """Check all models; what was shown, which of several files could not be checked, and which of several targets.

    as_json: also write an object per output to stdout. verbose: show the judge's own measures too.

    Raises BadInput or NothingRan for a file that cannot be checked where it is the only one.
    """
    shown: list[Shown] = []
    unread: list[Unread] = []
    with ExitStack() as stack:
        checks = _Checks(asked, console, stack, shown, as_json=as_json, verbose=verbose)
        for path in paths:
            try:
                checks.model(path, alone=len(paths) == 1)
            except (BadInput, NothingRan) as error:
                if len(paths) == 1:
                    raise
                unread.append(Unread(path, str(error)))
                print_lines(console, [line((str(error), Tone.BAD))])
    return shown, unread, checks.missing


class _Checks:
    """Checks one model after another on the same open targets, and keeps what was shown in `shown`.

    missing: of several targets those that are not there, or were lost, and why; the others go on without them.
    """

    def __init__(
        self, asked: Asked, console: Screen, stack: ExitStack, shown: list[Shown], *, as_json: bool, verbose: bool
    ) -> None:
        self._asked = asked
        self._console = console
        self._as_json, self._verbose = as_json, verbose
        self._shown = shown
        self.missing: dict[str, ReproError] = {}

        @functools.cache
        def opened(name: str) -> Target:
            engine, loader = asked.engine, asked.loaders.get(name)
            chosen = targets.open_target(name, runtime=asked.runtime, engine=engine, loader=loader)
            return stack.enter_context(chosen)

        @functools.cache
        def cpu() -> Target:
            return stack.enter_context(self._open_cpu())

        self._opened, self._cpu = opened, cpu
        self._open_cpu = functools.partial(targets.open_target, "cpu", runtime=asked.runtime)

    def model(self, path: Path, *, alone: bool) -> None:
        """Check every signature of one file. alone: whether it is the only one that was named."""
        asked = self._asked
        keys = [asked.signature] if asked.signature else signatures_of(path)
        if len(keys) > 1 and asked.of_one_signature:
            raise BadInput(
                f"{asked.of_one_signature} is about one signature, and {path} has {', '.join(keys)}; "
                "give --signature NAME"
            )
        inputs = options.given_inputs(asked.input_files, asked.input_words)
        subjects = [
            load_subject(path, inputs, asked.seed, open_cpu=self._open_cpu, part=Part(key, asked.shapes))
            for key in keys
        ]
        for subject, name in itertools.product(subjects, asked.targets):
            require_comparison(subject, name)
        for subject in subjects:
            label = subject.name if alone else str(path.with_name(subject.name))
            self._console.print(f"{label}: {counted(len(subject.graph.ops), 'op')}, inputs {subject.plan.words}")
            print_lines(self._console, plan_lines(subject.plan))
        for name in asked.targets:
            if name in self.missing:
                continue
            try:
                for subject, precision in itertools.product(subjects, precisions_for(name, asked.precision)):
                    if len(subjects) > 1:
                        self._console.print(subject.name)
                    self._shown.append(self._judged(path, subject, name, precision))
            except (TargetUnavailable, DeviceFailed) as error:
                if len(asked.targets) == 1:
                    raise
                self.missing[name] = error
                print_lines(self._console, [line((f"{name} is not checked: {error}", Tone.BAD))])

    def _judged(self, path: Path, subject: Subject, name: str, precision: Precision) -> Shown:
        """Run one model on one target in one precision, and show what came of it."""
        asked, console = self._asked, self._console
        loader = asked.loaders.get(name)
        if loader is not None and loader.kernels is not None:
            _ask_controls_before(name, asked.runtime, precision)
        target = self._opened(name)
        if asked.partial:
            shown = self._partial(path, subject, target, precision)
        else:
            checked = api.check(
                subject,
                target=target,
                precision=precision,
                deadline=asked.deadline_s,
                cpu=self._cpu(),
                poison=asked.poison,
            )
            comparisons = _compare(checked, asked.expected_as, asked.runtime)
            shown = Shown(path, checked, comparisons, asked.again(path, checked))
        checked = shown.checked
        _show(console, shown, verbose=self._verbose)
        if self._as_json:
            for record in json_records(shown):
                click.echo(json_lines.dump(record))
        shown.notes += [*checked.unfit_lines(), *checked.memory_lines()]
        if asked.save is not None:
            save_judgeable(asked.save / folder_name(subject, checked.run), checked.run, checked.subject)
        tapped = localise(checked.subject, target, precision) if asked.taps and not checked.passed else None
        if tapped is not None:
            shown.notes += printed(console, (line(f"  {text}") for text in tapped.lines()))
        if asked.explorer_file is not None:
            several = len(asked.targets) > 1 or len(precisions_for(name, asked.precision)) > 1
            _explore(console, asked.explorer_file, several, checked, tapped)
        return shown

    def _partial(self, path: Path, subject: Subject, target: Target, precision: Precision) -> Shown:
        """Run with the cpu beside the GPU."""
        if not isinstance(target, HostTarget):
            raise BadInput(f"--partial: {target.name} is no target of this host; give --target gpu")
        found = check_partial(subject, target, self._cpu(), precision, self._asked.deadline_s)
        again = self._asked.again(path, found.checked)
        return Shown(path, found.checked, None, again, list(found.division_lines()), found.borders, found.note)


def printed(console: Screen, lines: Iterable[Line]) -> list[Line]:
    """Print lines and return them."""
    said = list(lines)
    print_lines(console, said)
    return said


def _ask_controls_before(name: str, runtime: str | None, precision: Precision) -> None:
    """Run the controls of a target now, without the folder of kernels, which is for those of the model."""
    with targets.open_target(name, runtime=runtime) as target:
        fitness(target, precision)


def _compare(checked: Checked, case: str | None, runtime: str | None) -> list[Comparison] | None:
    if case is None:
        return None
    fingerprint = checked.run.fingerprint
    known = expectations.load(fingerprint.target, runtime=runtime or fingerprint.runtime)
    return [
        compare(v, case, fingerprint.precision, fingerprint.target, fingerprint.runtime, known)
        for v in checked.verdicts
    ]


def _show(console: Screen, shown: Shown, *, verbose: bool) -> None:
    """Print one target and precision."""
    checked = shown.checked
    print_lines(console, checked.head())
    for index, verdict in enumerate(checked.verdicts):
        comparison = shown.comparisons[index] if shown.comparisons is not None else None
        if comparison is not None and comparison.message:
            print_lines(console, [line((f"  {comparison.message}", Tone.BAD))])
        else:
            expected = comparison is not None and comparison.standing is Standing.KNOWN
            print_lines(console, indented(verdict.lines(Tone.WARN if expected else Tone.BAD, verbose=verbose)))
    print_lines(console, indented(checked.known_bug_lines()))
    print_lines(console, indented(checked.memory_lines()))
    print_lines(console, indented(shown.notes))


def _explore(console: Screen, file: Path, several: bool, checked: Checked, tapped: TapReport | None) -> None:
    """Write node data for Model Explorer; of several runs each has a file of its own."""
    fingerprint = checked.run.fingerprint
    run = f"{fingerprint.target} {fingerprint.precision}"
    of_run = file_name(run.replace(" ", "-").replace(":", "-"))
    place = file.with_name(f"{file.stem}-{of_run}{file.suffix}") if several else file
    model_explorer.write_node_data(place, model_explorer.errors(checked.verdicts, tapped, f"largest error, {run}"))
    console.print(f"node data for Model Explorer: {place}")
