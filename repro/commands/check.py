"""`repro check`: any .tflite on a target, judged against what its own ops compute."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

import click

from repro.campaigns.controls import fitness
from repro.commands import options
from repro.commands.check_models import Asked, check_models, printed
from repro.commands.file_path import FilePath
from repro.commands.outputs import keep_apart
from repro.commands.own_catalogue import say_own_catalogue
from repro.display.check_report import conclusion, exit_code, junit_rows
from repro.display.console import Screen, print_lines
from repro.display.junit import TestRow, write_junit
from repro.display.sarif_of_check import check_log
from repro.pages.of_check import check_page
from repro.pages.render import write_page
from repro.records.lines import Line, counted, line
from repro.trials.check import Checked
from repro.trials.load import models_in
from repro.trials.memory_check import names_memory_checker
from repro.trials.poison import require_poison
from repro.verdicts.verdict import Status
from runner import targets
from runner.encoding import file_name
from runner.errors import BadInput
from runner.opencl.loader import LoaderSettings

_OF_ONE_MODEL = ("expected_as", "save", "dump_kernels", "explorer_file")
"""Parameters that mean one file."""
_OF_ONE_SIGNATURE = ("input_files", "input_words", "shapes", "expected_as", "explorer_file")
"""Parameters that mean one graph."""
_NOT_PARTIAL = ("taps", "poison", "save", "blamed", "expected_as", "dump_kernels", "explorer_file")
"""Parameters that mean a run on one target alone."""


@click.command()
@click.argument("models", nargs=-1, type=FilePath())
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
@options.junit
@options.sarif
@options.memory
@options.html
@click.option("-v", "--verbose", is_flag=True, help="Also the judge's own measures: noise floors, standard errors, dB.")
@click.pass_context
def command(
    ctx: click.Context,
    models: tuple[Path, ...],
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
    junit_file: Path | None,
    sarif_file: Path | None,
    html_file: Path | None,
    verbose: bool,
) -> None:
    """Run MODELS on a target and judge every output; no expectations, so anything but PASS exits 1.

    A folder stands for every .tflite below it. The reference is a float64 evaluation of the file's own ops (the cpu
    where an op is unknown to it). Of a file with several signatures each is checked, or the one that --signature names.
    With --expect CASE, known bugs of that case are expected and exit 0, as in `repro run`. Of several files one that
    cannot be checked is said and the others go on: exit 2, unless something is wrong. Exit 3 where only a target that
    fails its own controls (UNFIT) says that something is wrong: that counts for nothing; and where one of
    several targets is not there or was lost, after the others are checked.

    \b
    1. repro check model.tflite
    2. repro check model.tflite --target gpu:swiftshader --precision fp32 --inputs x.npz --json
    3. repro check models/ --junit check.xml --sarif check.sarif --html check.html    for CI: every .tflite in there
    4. repro check model.tflite --taps              which tensor is the first wrong one
    5. repro check model.tflite --target gpu:oclgrind --precision fp32    also accesses outside of memory, and races
    6. repro check model.tflite --target gpu:pocl --dump-kernels kernels
    7. repro check model.tflite --partial           what the GPU gets beside the cpu, and whether it is right there
    8. repro check model.tflite --precision fp32 --taps --model-explorer errors.json     the error of each tensor, for
       Model Explorer: --model model.tflite, then "upload node data"
    """
    began = datetime.now(UTC)
    if as_json and options.is_stdout(sarif_file):
        raise BadInput("--json and --sarif - both write to stdout; give --sarif a file")
    paths = models_in(models)
    written = {"--junit": junit_file, "--html": html_file, "--sarif": options.as_file(sarif_file)}
    keep_apart({**written, "--model-explorer": explorer_file}, (*paths, *input_files))
    if len(paths) > 1 and (one := _first_given(ctx, _OF_ONE_MODEL)):
        raise BadInput(f"{one} is about one model, and {len(paths)} are named; give one")
    if partial and (one := _first_given(ctx, _NOT_PARTIAL)):
        raise BadInput(f"--partial is no run on the GPU alone, which {one} is about; give one of the two")
    names = targets.resolve(target_names, device)
    if expected_as:
        say_own_catalogue()
    if poison:
        for name in names:
            require_poison(name)
    loaders = {name: _keeping_kernels(dump_kernels, name) for name in names}
    asked = Asked(
        targets=tuple(names),
        precision=precision,
        runtime=runtime,
        engine=engine,
        input_files=input_files,
        input_words=input_words,
        seed=seed,
        signature=signature,
        shapes=shapes,
        deadline_s=deadline,
        taps=taps,
        poison=poison,
        partial=partial,
        expected_as=expected_as,
        save=save,
        explorer_file=explorer_file,
        of_one_signature=_first_given(ctx, _OF_ONE_SIGNATURE),
        loaders=loaders,
    )
    console = Screen(stderr=as_json or options.is_stdout(sarif_file), soft_wrap=True)
    shown, unread, missing = check_models(paths, asked, console, as_json=as_json, verbose=verbose)
    for name, loader in loaders.items():
        if loader is not None and loader.kernels is not None:
            kept = len(list(loader.kernels.glob("*.cl")))
            console.print(f"{name}: the source of {counted(kept, 'program')} is in {loader.kernels}")
    if blamed:
        # The last of each model that is not right: what one target says of it is asked of all of them.
        for unclean in {one.path: one for one in shown if not one.checked.passed}.values():
            unclean.notes += printed(console, _blame(unclean.checked, precision, runtime))
    if junit_file is not None:
        absent = [TestRow(name, "target", error=str(why)) for name, why in missing.items()]
        write_junit(junit_file, "repro check", [*junit_rows(shown, unread), *absent], began)
    if sarif_file is not None:
        options.write_sarif(sarif_file, check_log(shown, unread))
    if html_file is not None:
        write_page(html_file, check_page(shown, options.typed(), unread))
    print_lines(console, [conclusion(shown, unread)])
    ctx.exit(exit_code(shown, unread) or (3 if missing else 0))


def _first_given(ctx: click.Context, parameters: Sequence[str]) -> str | None:
    """The first of some parameters that was given, as it is typed: `--html`."""
    typed = {parameter.name: parameter.opts[0] for parameter in ctx.command.params}
    return next((typed[name] for name in parameters if ctx.params.get(name)), None)


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


def _blame(checked: Checked, precision: str, runtime: str | None) -> Iterator[Line]:
    """Whose fault each output is that is not right."""
    from repro.trials.blame import blame, gather

    target = checked.run.fingerprint.target
    found = gather(
        checked.subject,
        also=target if target.startswith("gpu:") else "",
        precisions=precision,
        runtimes=(runtime,),
        fitness_of=fitness,
    )
    for verdict in checked.verdicts:
        if verdict.status is not Status.PASS:
            culprit = blame(found[max(verdict.output, 0)])
            yield line(f"  blame: output {verdict.output} '{verdict.name}': {culprit}")
