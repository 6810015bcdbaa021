"""`repro doctor`: what can run here, and the exact command that mends what cannot."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import asdict

import click
from rich.table import Table

from repro.display.console import Screen, cell, echo_line
from repro.display.json_lines import dump
from repro.records.lines import Tone
from runner.checkup import Requirement, RequirementState, requirements
from runner.errors import TargetUnavailable
from runner.host.gpu import GpuName
from runner.installation import mesa_script, swiftshader_folder, swiftshader_script
from runner.targets import TargetInfo

_TONES = {RequirementState.OK: Tone.GOOD, RequirementState.MISSING: Tone.WARN, RequirementState.BROKEN: Tone.BAD}


@click.command()
@click.option("--json", "as_json", is_flag=True, help="One object on stdout.")
@click.option(
    "--install",
    is_flag=True,
    help="First install what is missing of the software Vulkan drivers (apt, needs root or sudo).",
)
@click.pass_context
def command(ctx: click.Context, as_json: bool, install: bool) -> None:
    """Print what can run here: runtime, accelerator library, Vulkan and OpenCL drivers, adb and its phones, converter.

    Beside each missing thing stands the exact command that brings it. Exit 3 if plain `gpu` stands for nothing.

    \b
    1. repro doctor
    2. repro doctor --json
    3. repro doctor --install       in a container or a CI job: says what it installs, and how to undo it
    """
    if install:
        _install_drivers()
    checks, infos = requirements()
    usable = [info.name for info in infos if info.usable and info.name.startswith("gpu")]
    if as_json:
        answer = {"checks": [asdict(c) for c in checks], "targets": [asdict(i) for i in infos], "gpu": usable}
        click.echo(dump(answer))
    else:
        show(checks, infos, usable)
    ctx.exit(0 if _plain(usable) else 3)


def _install_drivers() -> None:
    """Bring lavapipe and SwiftShader. Raises TargetUnavailable where lavapipe is not to be had; the other may lack."""
    # Their words go to stderr, so that --json has stdout for itself.
    if subprocess.run(mesa_script(), stdout=sys.stderr, check=False).returncode:
        raise TargetUnavailable("Mesa's Vulkan driver was not installed (see the lines above); install it by hand")
    if not (swiftshader_folder() / "libvk_swiftshader.so").is_file():
        subprocess.run(swiftshader_script(), stdout=sys.stderr, check=False)


def show(checks: list[Requirement], infos: list[TargetInfo], usable: list[str]) -> None:
    """The page for people: a table of what was looked at, then what to do, then what can run."""
    console = Screen(soft_wrap=False)
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for check in checks:
        table.add_row(check.subject, cell(check.state, _TONES[check.state]), check.detail)
    console.print(table)
    mended: dict[str, list[str]] = {}
    for check in checks:
        if check.remedy:
            mended.setdefault(check.remedy, []).append(check.subject)
    if mended:
        console.print()
        console.print("to mend:")
    for remedy, subjects in mended.items():
        # Commands are printed unwrapped, so that they can be copied whole.
        echo_line(f"  {', '.join(subjects)}: {remedy}")
    everything = ["cpu"] if any(info.name == "cpu" and info.usable for info in infos) else []
    everything += ["cpu:reference"] * bool(everything) + usable
    console.print()
    console.print(f"these targets can run here: {', '.join(everything) or 'none'}")
    if plain := _plain(usable):
        console.print(f"plain 'gpu' is {plain}")
    else:
        console.say(("no GPU target works here", Tone.BAD), " over Vulkan (exit 3)")


def _plain(usable: list[str]) -> str:
    """What plain `gpu` stands for: the best over Vulkan."""
    return next((name for name in usable if GpuName.parse(name).over_vulkan), "")
