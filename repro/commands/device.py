"""`repro device`: phones over adb. List them, reach one, set one up, take everything of ours off again."""

from __future__ import annotations

from pathlib import Path

import click
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

from repro.commands import options
from repro.display.console import Screen, echo_line
from repro.display.json_lines import dump
from runner.adb import android, build
from runner.adb.choice import resolve_serial
from runner.adb.devices import AttachedDevice, settled, settled_all
from runner.adb.link import DeviceLink
from runner.adb.loopback.device import LoopbackDevice, device_gpu
from runner.adb.loopback.name import is_loopback, loopback_gpu
from runner.adb.native_runner import ROOT
from runner.adb.network import connect, parse_address
from runner.adb.properties import describe, read_gles, read_properties, read_thermal
from runner.adb.server import AdbServer, default_server
from runner.adb.target import AdbTarget
from runner.encoding import json_text, shown_name
from runner.errors import BadInput, DeviceFailed, TargetUnavailable
from runner.opencl.android_runtime import KNOWN, NEWEST, is_android

DEFAULT_VERSION = "2.3.0"


@click.group()
def command() -> None:
    """Phones over adb: list them, set one up, clean one, reach one over the network.

    \b
    1. repro device list
    2. repro device setup --runtime 2.3.0
    3. repro device connect 192.168.1.20:5555          a phone on the network; then it is listed as the others are
    4. repro run --target adb --device all             every phone, side by side
    5. repro run --target adb --device loopback        no phone: a sandbox on this host
    """


@command.command("list")
@options.adb_server
@click.option("--device", help="Only this serial number; 'loopback' or 'loopback:pocl' starts one and shows it.")
@click.option("--json", "as_json", is_flag=True, help="One object per device on stdout.")
@click.pass_context
def list_command(ctx: click.Context, device: str | None, as_json: bool) -> None:
    """List attached devices, and what is set up for each.

    Shows state, model, GPU and driver, ABI and thermal status.
    The tag stands for the serial number in results. Exit 3 if no device is ready; a device that is not says what to do.
    """
    if gpu := loopback_gpu(device or ""):
        with LoopbackDevice(gpu=device_gpu(gpu)) as loopback:
            loopback.connect()
            rows = _rows(loopback.server.address)
    else:
        rows = [row for row in _rows(default_server()) if device in (None, row[0].serial)]
    console = Screen(stderr=as_json)
    if as_json:
        for shown, fields, version in rows:
            record = {"serial": shown.serial, "tag": shown.tag, "state": shown.state, "litert": version, **fields}
            click.echo(dump({**record, "problem": shown.problem}))
    else:
        for row in rows:
            for text in _lines(*row):
                console.print(text, soft_wrap=True)
    for shown, _, _ in rows:
        if shown.problem:
            console.print(shown.problem, soft_wrap=True)
    if not rows:
        console.print(
            (f"device '{device}' is not attached" if device else "no device is attached")
            + "; plug in a phone with USB debugging on, or use --target adb --device loopback",
            soft_wrap=True,
        )
    ctx.exit(0 if any(shown.ready for shown, _, _ in rows) else 3)


def _rows(server: AdbServer) -> list[tuple[AttachedDevice, dict[str, str], str]]:
    return [_described(server, device) for device in settled_all(server)]


def _described(server: AdbServer, device: AttachedDevice) -> tuple[AttachedDevice, dict[str, str], str]:
    """Device, what it says of itself, and the LiteRT version that is set up here for its ABI."""
    fields: dict[str, str] = {}
    if device.ready:
        try:
            link = DeviceLink(server, device.serial)
            fields = {**describe(read_properties(link), read_gles(link)), "thermal": read_thermal(link)}
        except DeviceFailed as error:
            device = AttachedDevice(device.serial, "lost", str(error))
    return device, fields, _ready_version(fields.get("abi", ""))


def _ready_version(abi: str) -> str:
    try:
        return android.android_libraries(abi)[0] if abi else ""
    except TargetUnavailable:
        return ""


def _lines(device: AttachedDevice, fields: dict[str, str], version: str) -> list[str]:
    """A device as text: its serial number whole, however narrow the terminal."""
    ready = f"LiteRT {version} is set up for it" if version else "LiteRT is not set up for it: `repro device setup`"
    if fields.get("loopback"):
        ready = "LiteRT is the host's own"
    lines = [f"{device.serial}  {device.state}  (in results: adb:{device.tag})"]
    if fields:
        android_text = f"Android {fields['android']}" if fields.get("android") not in (None, "none") else ""
        named = [fields.get(name, "") for name in ("model", "soc", "gpu", "gpu_driver")]
        rest = [android_text, fields.get("abi", ""), f"thermal status {fields.get('thermal', 'unknown')}"]
        lines += ["  " + ", ".join(filter(None, [*named, *rest])), f"  {ready}"]
    return lines


@command.command("setup")
@options.adb_server
@click.option("--device", help="SERIAL, 'loopback' or 'loopback:pocl'; default $ANDROID_SERIAL or the only one.")
@click.option("--runtime", help=f"LiteRT version (default {DEFAULT_VERSION}; with --from-pypi {NEWEST}).")
@click.option(
    "--from", "source", type=click.Path(path_type=Path), help="Folder or AAR with the libraries; no download."
)
@click.option("--from-pypi", is_flag=True, help="LiteRT-LM's library for Android (LITERT_CL), from PyPI's wheel.")
@click.option("--url", help="Where to fetch from, instead of the official place; also $REPRO_LITERT_URL.")
def setup(device: str | None, runtime: str | None, source: Path | None, from_pypi: bool, url: str | None) -> None:
    """Put LiteRT's libraries and the runner on a device.

    Fetches the libraries for the device's ABI, builds or takes the runner, pushes both, runs one small model.
    A download that was cut resumes. Offline, give the files with --from. --from-pypi takes LiteRT-LM's library instead,
    the one that gpu:pocl runs here, built for the phone. The runner is taken from REPRO_ANDROID_RUNNER, or built with
    the NDK of ANDROID_NDK_HOME, or with zig (`pip install ziglang`), whose build has not run on a phone.
    """
    require_one_place(runtime, source, from_pypi, url)
    serial = resolve_serial(None, device)
    console = Screen(stderr=True, soft_wrap=True)
    if not is_loopback(serial):
        link = DeviceLink(default_server(), serial)
        abi = describe(read_properties(link), "").get("abi", "")
        _, note = build.android_runner(abi)  # what nothing here can build is said before anything is fetched
        runtime = provide(console, runtime, abi, source, from_pypi, url)
        if note:
            console.print(f"the runner is {note}")
    target = AdbTarget(serial, runtime=runtime, say=console.print)
    with target:
        stay = target.stay
        console.print(f"{target.name}: LiteRT {stay.supplies.version} is there, the self-test passed")
        click.echo(json_text({"target": target.public_name, "runtime": stay.supplies.version, "ready": True}))


def require_one_place(runtime: str | None, source: Path | None, from_pypi: bool, url: str | None) -> None:
    """Raise BadInput where the options name several places for the libraries, or a version that PyPI has none of."""
    if source is not None and url:
        raise BadInput("--from takes files that are here and --url fetches them: give one of them")
    if from_pypi and (source is not None or url):
        raise BadInput("--from-pypi, --from and --url are three places for the same libraries: give one of them")
    if from_pypi and runtime is not None and not is_android(runtime):
        raise BadInput(f"PyPI has LiteRT-LM's releases for Android, not LiteRT {runtime}; they are {', '.join(KNOWN)}")


def provide(
    console: Screen, runtime: str | None, abi: str, source: Path | None, from_pypi: bool, url: str | None
) -> str:
    """Libraries for an ABI into the cache; returns their version. Raises BadInput or TargetUnavailable."""
    version = runtime or (NEWEST if from_pypi else DEFAULT_VERSION)
    if from_pypi:
        hashes = android.fetch_from_pypi(version, abi, console.print)
    elif source is not None:
        hashes = android.take_from(source, version, abi)
    else:
        hashes = _fetched(console, version, abi, url)
    for name, sha in hashes.items():
        console.print(f"{name} {version} {abi} sha256 {sha}")
    return version


def _fetched(console: Screen, version: str, abi: str, url: str | None) -> dict[str, str]:
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, console=console) as bar:
        tasks: dict[str, int] = {}

        def show(name: str, done: int, total: int) -> None:
            if name not in tasks:
                tasks[name] = bar.add_task(shown_name(name), total=total or None)
            bar.update(tasks[name], completed=done)  # type: ignore[arg-type]

        return android.fetch(version, abi, show, url, console.print)


@command.command("connect")
@options.adb_server
@click.argument("address", metavar="HOST[:PORT]")
def connect_command(address: str) -> None:
    """Reach a phone over the network, as `adb connect` does, and say what state it is in.

    Its address is then its serial number: `--device HOST:PORT`, which also connects by itself. Exit 3 if it is not
    reached or not ready.
    """
    serial = parse_address(address)
    server = default_server()
    connect(server, serial)
    shown = settled(server, serial)
    for text in _lines(*_described(server, shown)):
        echo_line(text)


@command.command("clean")
@options.adb_server
@click.option("--device", help="SERIAL; default $ANDROID_SERIAL or the only one attached.")
def clean(device: str | None) -> None:
    """Remove all that this project put on a device.

    That is one folder under /data/local/tmp. Nothing else is touched.
    """
    serial = resolve_serial(None, device)
    if is_loopback(serial):
        raise BadInput("a loopback device leaves nothing behind; there is nothing to clean")
    done = DeviceLink(default_server(), serial).run(["rm", "-rf", ROOT], timeout_s=120)
    if done.code != 0:
        raise DeviceFailed(f"device {serial}: {done.errors.strip() or done.output.strip()}")
    echo_line(f"{ROOT} is gone from {serial}")
