"""`repro check`: any .tflite on a target, judged against what its own ops compute."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path

import click

from repro import api
from repro.campaigns import expectations
from repro.campaigns.controls import fitness
from repro.campaigns.expectations import Comparison, Standing, compare
from repro.commands import options
from repro.commands.outputs import keep_apart
from repro.display import json_lines, model_explorer
from repro.display.console import Screen, print_lines
from repro.display.input_plan import plan_json, plan_lines
from repro.pages.of_check import Shown, check_page
from repro.pages.render import write_page
from repro.records.lines import Line, Tone, counted, indented, line
from repro.trials.check import Checked, require_comparison
from repro.trials.load import load_subject, signatures_of
from repro.trials.memory_check import names_memory_checker
from repro.trials.part import Part
from repro.trials.partial import check_partial
from repro.trials.poison import require_poison
from repro.trials.taps import TapReport
from repro.verdicts.saved_run import folder_name, save_judgeable
from repro.verdicts.subject import Subject
from repro.verdicts.verdict import Status
from runner import targets
from runner.encoding import file_name, shell_command
from runner.errors import BadInput
from runner.host.pool import HostTarget
from runner.opencl.loader import LoaderSettings
from runner.residency import residency_line
from runner.run import Precision
from runner.target import Target
from runner.targets import precisions_for

_OF_ONE_SIGNATURE = ("input_files", "input_words", "shapes", "expected_as", "html_file", "explorer_file")
"""Parameters that mean one graph."""
_NOT_PARTIAL = ("taps", "poison", "save", "blamed", "expected_as", "html_file", "dump_kernels", "explorer_file")
"""Parameters that mean a run on one target alone."""


@click.command()
@click.argument("model", type=click.Path(path_type=Path))
@options.targets
@options.device
@options.engine
@options.runtime
@options.both_precisions
@options.inputs
@options.input_seed
@options.signature
@options.shapes
@click.option(
    "--deadline",
    type=options.NumberRange(min=0, min_open=True),
    help="Seconds for one run; default grows with the model.",
)
@click.option("--taps", is_flag=True, help="Expose intermediates one at a time to find the first wrong tensor.")
@click.option("--blame", "blamed", is_flag=True, help="Run it on cpu and every driver to say whose fault it is.")
@click.option(
    "--poison", is_flag=True, help="Over OpenCL: fill new memory with one word and another; what changes reads it."
)
@click.option(
    "--partial", is_flag=True, help="Compile for the GPU and the cpu together, as apps do; judge also what crosses."
)
@click.option("--expect", "expected_as", help="Compare with the expectations of this catalogue case.")
@options.save
@click.option(
    "--dump-kernels",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder that gets the OpenCL source of each generated kernel and its build options, one folder per target.",
)
@options.model_explorer
@options.json_per_output
@options.memory
@options.html
@click.pass_context
def command(
    ctx: click.Context,
    model: Path,
    target_names: tuple[str, ...],
    device: str | None,
    engine: str | None,
    runtime: str | None,
    precision: str,
    input_files: tuple[Path, ...],
    input_words: tuple[str, ...],
    seed: int,
    signature: str | None,
    shapes: dict[str, tuple[int, ...]],
    deadline: float | None,
    taps: bool,
    blamed: bool,
    poison: bool,
    partial: bool,
    expected_as: str | None,
    save: Path | None,
    dump_kernels: Path | None,
    explorer_file: Path | None,
    as_json: bool,
    html_file: Path | None,
) -> None:
    """Run MODEL on a target and judge every output; no expectations, so anything but PASS exits 1.

    The reference is a float64 evaluation of the file's own ops (the cpu where an op is unknown to it).
    Of a file with several signatures each is checked, or the one that --signature names.
    With --expect CASE, known bugs of that case are expected and exit 0, as in `repro run`. Exit 3 where only a target
    that fails its own controls (UNFIT) says that something is wrong: that counts for nothing.

    \b
    1. repro check model.tflite
    2. repro check model.tflite --target gpu:swiftshader --precision fp32 --inputs x.npz --json
    3. repro check model.tflite --taps              which tensor is the first wrong one
    4. repro check model.tflite --target gpu:oclgrind --precision fp32    also accesses outside of memory, and races
    5. repro check model.tflite --target gpu:pocl --dump-kernels kernels
    6. repro check model.tflite --partial           what the GPU gets beside the cpu, and whether it is right there
    7. repro check model.tflite --precision fp32 --taps --model-explorer errors.json     the error of each tensor, for
       Model Explorer: --model model.tflite, then "upload node data"
    """
    keep_apart({"--html": html_file, "--model-explorer": explorer_file}, (model, *input_files))
    if partial and (one := _first_given(ctx, _NOT_PARTIAL)):
        raise BadInput(f"--partial is no run on the GPU alone, which {one} is about; give one of the two")
    open_cpu = functools.partial(targets.open_target, "cpu", runtime=runtime)
    signatures = [signature] if signature else signatures_of(model)
    if len(signatures) > 1 and (one := _first_given(ctx, _OF_ONE_SIGNATURE)):
        raise BadInput(f"{one} is about one signature, and {model} has {', '.join(signatures)}; give --signature NAME")
    inputs = options.given_inputs(input_files, input_words)
    subjects = [load_subject(model, inputs, seed, open_cpu=open_cpu, part=Part(key, shapes)) for key in signatures]
    names = targets.resolve(target_names, device)
    for name in names:
        for subject in subjects:
            require_comparison(subject, name)
        if poison:
            require_poison(name)
    loaders = {name: _keeping_kernels(dump_kernels, name) for name in names}
    console = Screen(stderr=as_json, soft_wrap=True)
    for subject in subjects:
        console.print(f"{subject.name}: {counted(len(subject.graph.ops), 'op')}, inputs {subject.plan.words}")
        print_lines(console, plan_lines(subject.plan))
    unexpected = void = 0
    unclean: Checked | None = None
    shown: list[Shown] = []
    flags = ["--poison"] if poison else []
    given: dict[str, object] = {"--runtime": runtime, "--engine": engine}
    given |= {"--inputs": input_files, "--input": input_words, "--seed": seed or None}
    given["--signature"] = signature
    flags += [word for name, shape in shapes.items() for word in ("--shape", f"{name}={','.join(map(str, shape))}")]
    with open_cpu() as cpu:
        for name in names:
            with targets.open_target(name, runtime=runtime, engine=engine, loader=loaders[name]) as target:
                for subject, chosen in itertools.product(subjects, precisions_for(name, precision)):
                    if dump_kernels is not None:
                        _ask_controls_before(name, runtime, chosen)
                    if len(subjects) > 1:
                        console.print(subject.name)
                    if partial:
                        unexpected += _show_partial(console, subject, target, cpu, chosen, deadline, as_json)
                        continue
                    checked = api.check(
                        subject, target=target, precision=chosen, deadline=deadline, cpu=cpu, poison=poison
                    )
                    comparisons = _compare(checked, expected_as, runtime)
                    bad = _show(console, checked, comparisons, as_json)
                    void += bad if checked.is_unfit else 0
                    unexpected += 0 if checked.is_unfit else bad
                    shown.append(Shown(checked, comparisons, _again(model, given, checked, flags)))
                    shown[-1].notes += [*checked.unfit_lines(), *checked.memory_lines()]
                    if save is not None:
                        save_judgeable(save / folder_name(subject, checked.run), checked.run, checked.subject)
                    tapped = _tapped(checked.subject, target, chosen) if taps and not checked.passed else None
                    if tapped is not None:
                        shown[-1].notes += _show_taps(console, tapped)
                    if explorer_file is not None:
                        several = len(names) > 1 or len(precisions_for(name, precision)) > 1
                        _explore(console, explorer_file, several, checked, tapped)
                    if not checked.passed:
                        unclean = checked
    for name, loader in loaders.items():
        if loader is not None and loader.kernels is not None:
            kept = len(list(loader.kernels.glob("*.cl")))
            console.print(f"{name}: the source of {counted(kept, 'program')} is in {loader.kernels}")
    if blamed and unclean is not None:
        shown[-1].notes += _show_blame(console, unclean, precision, runtime)
    if html_file is not None:
        write_page(html_file, check_page(shown, options.typed()))
    if not partial:
        print_lines(console, [_conclusion(shown, unexpected, void, unclean, model)])
    ctx.exit(1 if unexpected else 3 if void else 0)


def _first_given(ctx: click.Context, parameters: Sequence[str]) -> str | None:
    """The first of some parameters that was given, as it is typed: `--html`."""
    typed = {parameter.name: parameter.opts[0] for parameter in ctx.command.params}
    return next((typed[name] for name in parameters if ctx.params.get(name)), None)


def _ask_controls_before(name: str, runtime: str | None, precision: Precision) -> None:
    """Run the controls of a target now, without the folder of kernels, which is for those of the model."""
    with targets.open_target(name, runtime=runtime) as target:
        fitness(target, precision)


def _show_partial(
    console: Screen,
    subject: Subject,
    target: Target,
    cpu: Target,
    precision: Precision,
    deadline: float | None,
    as_json: bool,
) -> int:
    """Run with the cpu beside the GPU, print what came of it; the number of tensors that are not as they should be."""
    if not isinstance(target, HostTarget):
        raise BadInput(f"--partial: {target.name} is no target of this host; give --target gpu")
    found = check_partial(subject, target, cpu, precision, deadline)
    bad = _show(console, found.checked, None, as_json)
    print_lines(console, indented(found.division_lines()))
    if as_json:
        for border in found.borders:
            if border.verdict is not None:
                fields = {**json_lines.verdict_fields(border.verdict), "output": None}
                click.echo(json_lines.dump({"case": subject.name, **fields, "tensor": border.name, "way": border.way}))
    return bad + len(found.wrong_borders) + bool(found.note)


def _conclusion(shown: list[Shown], unexpected: int, void: int, unclean: Checked | None, model: Path) -> Line:
    """How many outputs are not as they should be, and what to do about it."""
    outputs = counted(sum(len(one.checked.verdicts) for one in shown), "output")
    if unclean is None:
        return line((f"{outputs}: right", Tone.GOOD))
    if not unexpected:
        if void:
            said = f"{void} of {outputs} say nothing of the model: the target fails its own controls"
            return line((said, Tone.WARN), "; next: repro doctor")
        return line(f"{outputs}: all as expected")
    fingerprint = unclean.run.fingerprint
    where = ("--target", fingerprint.target, "--precision", fingerprint.precision)
    if any(verdict.status in (Status.FAIL, Status.CRASH, Status.HANG) for verdict in unclean.verdicts):
        then = "next: " + shell_command(["repro", "reduce", str(model), *where])
    else:
        then = "next: the reason above says what to change"
    return line((f"{unexpected} of {outputs} not as it should be", Tone.BAD), f"; {then}")


def _keeping_kernels(folder: Path | None, target: str) -> LoaderSettings | None:
    """What makes a target over OpenCL write the source of its programs into a new folder of its own under `folder`."""
    if folder is None:
        return None
    if not targets.runs_over_opencl(target):
        raise BadInput(
            f"--dump-kernels: {target} does not run over OpenCL, and over WebGPU nothing outside of LiteRT's library "
            "makes Dawn print its shaders (of one that does not compile the verdict has the line); "
            "give --target gpu:pocl"
        )
    if names_memory_checker(target):
        raise BadInput(
            f"--dump-kernels: {target} is run by its memory checker, which keeps none; give --target gpu:pocl"
        )
    into = folder.resolve() / file_name(target)
    if into.exists():
        raise BadInput(f"--dump-kernels: {into} is there already, and kernels of two runs would mix; give another DIR")
    into.mkdir(parents=True)
    return LoaderSettings(kernels=into)


def _compare(checked: Checked, case: str | None, runtime: str | None) -> list[Comparison] | None:
    if case is None:
        return None
    fingerprint = checked.run.fingerprint
    known = expectations.load(fingerprint.target, runtime=runtime or fingerprint.runtime)
    return [
        compare(v, case, fingerprint.precision, fingerprint.target, fingerprint.runtime, known)
        for v in checked.verdicts
    ]


def _show(console: Screen, checked: Checked, comparisons: list[Comparison] | None, as_json: bool) -> int:
    """Print one target and precision; the number of outputs that are not as they should be."""
    fingerprint = checked.run.fingerprint
    print_lines(console, checked.head())
    bad = int(checked.unjudged)
    for index, verdict in enumerate(checked.verdicts):
        comparison = comparisons[index] if comparisons is not None else None
        bad += bool(verdict.marks) or (comparison.standing.is_news if comparison else not verdict.is_clean)
        if comparison is not None and comparison.message:
            print_lines(console, [line((f"  {comparison.message}", Tone.BAD))])
        else:
            expected = comparison is not None and comparison.standing is Standing.KNOWN
            print_lines(console, indented(verdict.lines(Tone.WARN if expected else Tone.BAD)))
        if as_json:
            record = {
                "case": checked.subject.name,
                "target": fingerprint.target,
                "adapter": fingerprint.adapter,
                "runtime": fingerprint.runtime,
                "precision": fingerprint.precision,
                **json_lines.verdict_fields(verdict),
                "residency": residency_line(checked.run.log),
                "expected": comparison.expected if comparison else None,
                "marks": list(verdict.marks),
                "memory": checked.memory.as_json() if checked.memory else None,
                "poison": checked.poison.as_json() if checked.poison else None,
                "input_plan": plan_json(checked.subject.plan),
                "unfit": checked.fitness.as_json() if checked.fitness and checked.is_unfit else None,
                "reference": checked.reference_from,
                "inputs": checked.subject.plan.words,
                "model_sha256": fingerprint.model_sha256,
                "driver": fingerprint.driver,
                "stages": dict(checked.run.stages),
            }
            click.echo(json_lines.dump(record))
    print_lines(console, indented(checked.memory_lines()))
    return bad


def _tapped(subject: Subject, target: Target, precision: Precision) -> TapReport:
    from repro.trials.taps import localise

    return localise(subject, target, precision)


def _explore(console: Screen, file: Path, several: bool, checked: Checked, tapped: TapReport | None) -> None:
    """Write node data for Model Explorer; of several runs each has a file of its own."""
    fingerprint = checked.run.fingerprint
    run = f"{fingerprint.target} {fingerprint.precision}"
    of_run = file_name(run.replace(" ", "-").replace(":", "-"))
    place = file.with_name(f"{file.stem}-{of_run}{file.suffix}") if several else file
    model_explorer.write_node_data(place, model_explorer.errors(checked.verdicts, tapped, f"largest error, {run}"))
    console.print(f"node data for Model Explorer: {place}")


def _show_taps(console: Screen, report: TapReport) -> list[Line]:
    said = [line(f"  {text}") for text in report.lines()]
    print_lines(console, said)
    return said


def _show_blame(console: Screen, checked: Checked, precision: str, runtime: str | None) -> list[Line]:
    from repro.trials.blame import blame, gather

    target = checked.run.fingerprint.target
    found = gather(
        checked.subject,
        also=target if target.startswith("gpu:") else "",
        precisions=precision,
        runtimes=(runtime,),
        fitness_of=fitness,
    )
    said = []
    for verdict in checked.verdicts:
        if verdict.status is not Status.PASS:
            observations = found[max(verdict.output, 0)]
            culprit = f"  blame: output {verdict.output} '{verdict.name}': {blame(observations)}"
            said.append(line(culprit))
            print_lines(console, said[-1:])
    return said


def _again(model: Path, given: Mapping[str, object], checked: Checked, flags: list[str]) -> str:
    """The command that repeats one target and precision. given, flags: the options that decide what is run there."""
    fingerprint = checked.run.fingerprint
    where = ("--target", fingerprint.target, "--precision", fingerprint.precision)
    return shell_command(["repro", "check", str(model), *where, *flags, *options.words(given)])
