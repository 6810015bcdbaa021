"""`repro gate`: pass or refuse a declared split, before it ships."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import click
from rich.status import Status

from repro import api
from repro.commands import options
from repro.commands.outputs import keep_apart
from repro.display import json_lines
from repro.display.console import Screen
from repro.display.gate_table import json_objects, junit_rows, show
from repro.display.junit import write_junit
from repro.layouts.baseline import record_baseline
from repro.layouts.gate import chosen_size, require_precision
from repro.layouts.reader import read_layout
from repro.layouts.result import Report
from repro.layouts.without_python import files_of, require_no_python
from repro.pages.of_gate import gate_page
from repro.pages.render import write_page
from repro.records.lines import Tone
from runner import targets
from runner.errors import BadInput, NothingRan
from runner.run import Precision

LOG_WIDTH = 180


@click.command()
@click.argument("layout", type=click.Path(path_type=Path))
@options.layout_targets
@options.device
@options.runtime
@options.fp32_or_more
@click.option("--size", type=int, help="One of the layout's sizes; default its first.")
@click.option("--set", "settings", multiple=True, metavar="KEY=VALUE", help="Override a parameter of the layout.")
@click.option("--no-python", is_flag=True, help="Refuse a layout that names functions: run only .tflite and data.")
@click.option("--update-baseline", is_flag=True, help="Record these numbers as the baseline of target and runtime.")
@click.option("--json", "as_json", is_flag=True, help="One object per check on stdout, and a summary object.")
@options.junit
@options.html
@options.memory
@click.pass_context
def command(
    ctx: click.Context,
    layout: Path,
    target_names: tuple[str, ...],
    device: str | None,
    runtime: str | None,
    precision: str,
    size: int | None,
    settings: tuple[str, ...],
    no_python: bool,
    update_baseline: bool,
    as_json: bool,
    junit_file: Path | None,
    html_file: Path | None,
) -> None:
    """Pass (0) or refuse (1) the split that LAYOUT declares, on each target.

    Six checks: the structure of each graph, residency, every output at its own noise floor, the whole chain against
    its reference, the control (a layout that must fail), and the recorded baseline. Each refusal says why and which
    tensor it is about. A target that fails its own controls (UNFIT) neither passes nor refuses: exit 3, unless another
    refuses. A layout runs Python of its author where it names functions; --no-python refuses it then.

    \b
    1. repro gate models/dfine/shipped.toml                        every day
    2. repro gate models/dfine/shipped.toml --size 640 --precision both --junit gate.xml      before a release
    3. repro gate my_split.toml --target gpu:lavapipe --target gpu:swiftshader
    4. repro gate models/dfine/shipped.toml --set weights=ustc-community/dfine-small-coco
    5. repro gate strangers/split.toml --no-python
    """
    declared = read_layout(layout, _overrides(settings))
    if no_python:
        require_no_python(declared)
    keep_apart({"--junit": junit_file, "--html": html_file}, files_of(declared))
    at = chosen_size(declared, size)
    precisions = declared.precisions if precision == "both" else (Precision(precision),)
    for wanted in precisions:
        require_precision(declared, wanted)
    names = targets.resolve(target_names or declared.targets or ("gpu",), device)
    console = Screen(stderr=as_json)
    if not console.is_terminal:
        console.width = LOG_WIDTH  # a log has no edge to wrap at
    notes = Screen(stderr=True)
    reports: list[Report] = []
    began = datetime.now(UTC)
    for name in names:
        with targets.open_target(name, runtime=runtime) as target:
            for wanted in precisions:
                if wanted not in targets.precisions_for(name, "both"):
                    notes.print(f"{name} computes fp32 only: {wanted} is not gated there")
                    continue
                with notes.status(f"gate {declared.name}") as status:

                    def say(text: str, status: Status = status) -> None:
                        if notes.is_terminal:
                            status.update(text)
                        else:
                            notes.say((text, Tone.ASIDE))

                    report = api.gate(declared, target=target, precision=wanted, size=at, on_step=say)
                reports.append(report)
                show(console, report)
                for record in json_objects(report) if as_json else ():
                    click.echo(json_lines.dump(record))
    if junit_file is not None:
        write_junit(junit_file, declared.name, [row for report in reports for row in junit_rows(report)], began)
    if html_file is not None and reports:
        write_page(html_file, gate_page(reports, options.typed()))
    for report in reports if update_baseline else ():
        if report.is_unfit:
            notes.print(f"no baseline is recorded of {report.target} {report.precision}: it fails its controls")
            continue
        path = record_baseline(declared, report)
        notes.print(f"recorded {path}")
    if not reports:
        raise NothingRan(
            f"layout '{layout}': nothing was gated ({', '.join(names)}, {precision}); give a --target that computes it"
        )
    believed = [report for report in reports if not report.is_unfit]
    ctx.exit(1 if not all(report.passed for report in believed) else 0 if len(believed) == len(reports) else 3)


def _overrides(settings: tuple[str, ...]) -> dict[str, str]:
    pairs = {}
    for text in settings:
        key, equals, value = text.partition("=")
        if not equals or not key:
            raise BadInput(f"--set {text}: expected KEY=VALUE")
        pairs[key] = value
    return pairs
