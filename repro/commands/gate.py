"""`repro gate`: pass or refuse a declared split, before it ships."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

import click

from repro import api
from repro.commands import elsewhere, options
from repro.commands.file_path import FilePath
from repro.commands.gate_start import write_start
from repro.commands.outputs import keep_apart
from repro.commands.own_catalogue import say_own_catalogue
from repro.display import json_lines
from repro.display.console import Screen
from repro.display.gate_table import json_objects, junit_rows, missing_json, missing_row, show
from repro.display.junit import write_junit
from repro.layouts.baseline import record_baseline
from repro.layouts.gate import chosen_size, require_precision
from repro.layouts.layout import Layout
from repro.layouts.reader import read_layout
from repro.layouts.result import Report
from repro.layouts.without_python import files_of, require_no_python
from repro.pages.of_gate import gate_page
from repro.pages.render import write_page
from repro.records.folders import is_installed
from repro.records.lines import Tone
from repro.records.own_folders import own_folders
from repro.remote.where import Where
from runner import targets
from runner.adb.lanes import is_phone
from runner.errors import BadInput, DeviceFailed, NothingRan, ReproError, TargetUnavailable
from runner.run import Precision
from runner.target import Target


@click.command()
@click.argument("paths", metavar="LAYOUT", nargs=-1, type=FilePath())
@options.layout_targets
@options.device
@options.runtime
@elsewhere.where
@options.fp32_or_more
@click.option("--size", type=int, help="One of the layout's sizes; default its first.")
@click.option("--set", "settings", multiple=True, metavar="KEY=VALUE", help="Override a parameter of the layout.")
@click.option("--no-python", is_flag=True, help="Refuse a layout that names functions: run only .tflite and data.")
@click.option("--update-baseline", is_flag=True, help="Record these numbers as the baseline of target and runtime.")
@click.option("--json", "as_json", is_flag=True, help="One object per check on stdout, and a summary object.")
@click.option("-v", "--verbose", is_flag=True, help="The precise numbers behind each reason, too.")
@click.option("--init", is_flag=True, help="Write a layout out of the graphs A.tflite B.tflite ..., in their order.")
@click.option("--whole", type=click.Path(path_type=Path), help="With --init: the model before it was split.")
@click.option(
    "-o",
    "--out",
    type=click.Path(path_type=Path),
    help="With --init: the file; default split.toml, here or among the layouts of your repro.toml.",
)
@options.junit
@options.html
@options.memory
@click.pass_context
def command(
    ctx: click.Context,
    paths: tuple[Path, ...],
    target_names: tuple[str, ...],
    device: str | None,
    runtime: str | None,
    where: Where,
    precision: str,
    size: int | None,
    settings: tuple[str, ...],
    no_python: bool,
    update_baseline: bool,
    as_json: bool,
    verbose: bool,
    init: bool,
    whole: Path | None,
    out: Path | None,
    junit_file: Path | None,
    html_file: Path | None,
) -> None:
    """Pass (0) or refuse (1) the split that LAYOUT declares, on each target.

    Six checks: the structure of each graph, whether all of it runs on the GPU, every output, the whole chain against
    the unsplit model, the control (a layout that must fail), and the recorded baseline. Each refusal says why and which
    tensor it is about. All targets must pass; one that is not there is exit 3, after the others are gated. A target
    that fails its own controls (UNFIT) neither passes nor refuses: exit 3, unless another refuses. A layout runs
    Python of its author where it names functions; --no-python refuses it then.

    \b
    1. repro gate models/dfine/shipped.toml                        every day
    2. repro gate models/dfine/shipped.toml --size 640 --precision both --junit gate.xml      before a release
    3. repro gate my_split.toml --target gpu:lavapipe --target gpu:swiftshader
    4. repro gate models/dfine/shipped.toml --set weights=ustc-community/dfine-small-coco
    5. repro gate strangers/split.toml --no-python
    6. repro gate --init encoder.tflite decoder.tflite --whole model.tflite      writes split.toml
    """
    if not paths:
        raise BadInput(
            "--init: name the graphs in the order in which they run"
            if init
            else "name the layout to gate, or with --init the graphs to write one out of"
        )
    if init:
        for line in write_start(paths, whole, out or _default_layout()):
            click.echo(line)
        return
    layout = _only(paths, whole, out)
    declared = read_layout(layout, _overrides(settings))
    if no_python:
        require_no_python(declared)
    if update_baseline and is_installed(declared.baselines):
        raise BadInput(
            f"layout '{layout}': its baseline would be written into the installed package; copy the layout's folder to "
            "where you keep yours, and gate the copy"
        )
    keep_apart({"--junit": junit_file, "--html": html_file}, files_of(declared))
    at = chosen_size(declared, size)
    precisions = declared.precisions if precision == "both" else (Precision(precision),)
    for wanted in precisions:
        require_precision(declared, wanted)
    console = Screen(stderr=as_json)
    notes = Screen(stderr=True, soft_wrap=True)
    reports: list[Report] = []
    missing: dict[str, ReproError] = {}
    began = datetime.now(UTC)
    for name in _resolved(where, target_names or declared.targets or ("gpu",), device, missing):
        try:
            with where.open_target(name, runtime=runtime) as target:
                for wanted in precisions:
                    if wanted not in targets.precisions_for(name, "both"):
                        notes.print(f"{name} computes fp32 only: {wanted} is not gated there")
                        continue
                    report = _gated(declared, target, wanted, at, notes)
                    reports.append(report)
                    show(console, report, verbose)
                    for record in json_objects(report) if as_json else ():
                        click.echo(json_lines.dump(record))
        except (TargetUnavailable, DeviceFailed) as error:
            missing[name] = error
    left = [str(one) for one in declared.precisions if one not in precisions]
    if reports and left:
        notes.print(f"{' and '.join(left)} of the layout is not gated; before a release add --precision both")
    for name, why in missing.items():
        if reports:
            notes.print(f"{name} is not gated: {why}")
        if as_json:
            click.echo(json_lines.dump(missing_json(declared.name, name, str(why))))
    if junit_file is not None:
        rows = [row for report in reports for row in junit_rows(report)]
        rows += [missing_row(declared.name, name, str(why)) for name, why in missing.items()]
        write_junit(junit_file, declared.name, rows, began)
    if html_file is not None and reports:
        absent = {name: str(why) for name, why in missing.items()}
        write_page(html_file, gate_page(reports, options.typed(), absent))
    for report in reports if update_baseline else ():
        if report.is_unfit:
            notes.print(f"no baseline is recorded of {report.target} {report.precision}: it fails its controls")
            continue
        path = record_baseline(declared, report)
        notes.print(f"recorded {path}")
    ctx.exit(_exit_code(layout, reports, missing))


def _default_layout() -> Path:
    """What --init writes: among the layouts of the project that this runs in, else here."""
    own = own_folders()
    if own is None:
        return Path("split.toml")
    say_own_catalogue()
    return own.layouts / "split.toml"


def _only(paths: tuple[Path, ...], whole: Path | None, out: Path | None) -> Path:
    """The one layout to gate. Raises BadInput for what only --init takes."""
    for option, given in (("--whole", whole), ("--out", out)):
        if given is not None:
            raise BadInput(f"{option} is of --init, which writes a layout; add --init, or leave {option} out")
    if len(paths) > 1:
        raise BadInput(f"one layout is gated at a time, and {len(paths)} files are named; --init makes one of graphs")
    return paths[0]


def _resolved(where: Where, names: Sequence[str], device: str | None, missing: dict[str, ReproError]) -> list[str]:
    """Full names of the targets that are there, each once; those that are not go to `missing`."""
    phones = [name for name in names if is_phone(name)]
    found: list[str] = []
    for name in names:
        try:
            # Of several targets the device is the phone's; without any phone each says that it has none.
            found += where.resolve([name], device if name in phones or not phones else None)
        except TargetUnavailable as error:
            missing[name] = error
    return list(dict.fromkeys(found))


def _gated(declared: Layout, target: Target, precision: Precision, size: int | None, notes: Screen) -> Report:
    """One report; what is done meanwhile is shown on stderr."""
    with notes.status(f"gate {declared.name}") as status:

        def say(text: str) -> None:
            if notes.is_terminal:
                status.update(text)
            else:
                notes.say((text, Tone.ASIDE))

        return api.gate(declared, target=target, precision=precision, size=size, on_step=say)


def _exit_code(layout: Path, reports: Sequence[Report], missing: Mapping[str, ReproError]) -> int:
    """0 where every target passes, 1 where one refuses. Raises what keeps a target away where no other refuses."""
    believed = [report for report in reports if not report.is_unfit]
    if not all(report.passed for report in believed):
        return 1
    for error in missing.values():
        raise error
    if not reports:
        raise NothingRan(f"layout '{layout}': nothing was gated; give a --target that computes the precision")
    return 0 if len(believed) == len(reports) else 3


def _overrides(settings: tuple[str, ...]) -> dict[str, str]:
    pairs = {}
    for text in settings:
        key, equals, value = text.partition("=")
        if not equals or not key:
            raise BadInput(f"--set {text}: expected KEY=VALUE")
        pairs[key] = value
    return pairs
