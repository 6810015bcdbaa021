"""The converted graphs and the host's parameters, made when first asked for and cached by content outside git.

The cache key covers the weights, the size, this package's sources and the versions of the converters, so a stale
graph cannot be picked up. Asking for a cached artefact imports no torch. As a command:

    python -m models.dfine.convert [--detector dfine] [--size 160] [--weights seed:0] [--graph shipped_a] [--out FOLDER]
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
import time
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import click
import numpy as np

from models import detector as detectors
from models.dfine import weights as weights_module
from models.dfine.architecture import SIZES, check_size
from models.dfine.host_step import HostParameters
from models.dfine.reference import GRAPHS
from models.dfine.sources import graph_sha256
from models.dfine.weights import Weights
from runner import children
from runner.cache import cache_root, canonical_json, is_whole_entry, write_atomically, write_entry
from runner.encoding import one_line
from runner.errors import BadInput, NothingRan, ReproError
from runner.installation import converter_install
from runner.python_child import child_command, child_environment
from runner.scratch import ScratchFolder
from runner.stopping import exit_code, stop_as_interrupted

PRECISIONS = ("fp32", "fp16")
HOST_FILE = "host_params.npz"
NEEDED = ("torch", "transformers", "litert-torch")
CONVERTERS = (*NEEDED, "litert-converter", "ai-edge-quantizer")


class ConversionFailed(ReproError):
    """The converter did not deliver: its last words are in the message."""


@dataclass(frozen=True)
class Made:
    """What one conversion cost: wall seconds, peak resident MB of its process, bytes of the files."""

    seconds: float
    peak_mb: float
    bytes_fp32: int
    bytes_fp16: int


def folder(size: int, weights: Weights) -> Path:
    """Where the artefacts of one size and one set of weights are or will be."""
    versions = [f"{name} {_version(name)}" for name in CONVERTERS]
    sources = graph_sha256(weights.detector, "convert_graph")
    key = hashlib.sha256("\n".join([weights.sha256, str(size), sources, *versions]).encode()).hexdigest()
    return cache_root() / weights.detector.name / f"{size}-{key[:16]}"


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "absent"


def is_cached(graph: str, size: int, weights: Weights) -> bool:
    """Whether both files of a graph are there, and whole."""
    return all(is_whole_entry(folder(size, weights) / f"{graph}_{precision}.tflite") for precision in PRECISIONS)


def convert(graph: str, size: int, weights: Weights) -> Made:
    """Convert one graph, fp32 and fp16 weights, in a process of its own.

    Raises ConversionFailed, and NothingRan where what it needs is not installed.
    The record of what was used (weights, versions) is written beside the files as `record.json`.
    """
    absent = [name for name in NEEDED if _version(name) == "absent"]
    if absent:
        raise NothingRan(
            f"{graph} of {weights.detector.title} at {size} has to be converted first, which needs "
            f"{', '.join(absent)}; install what lacks: {converter_install()}"
        )
    target = folder(size, weights)
    started = time.monotonic()
    with ScratchFolder(graph) as scratch:
        paths = {precision: Path(scratch) / f"{precision}.tflite" for precision in PRECISIONS}
        host = Path(scratch) / HOST_FILE
        job = {"detector": weights.detector.name, "graph": graph, "size": size, "weights": weights.spec}
        job |= {"host": str(host)}
        job |= {precision: str(path) for precision, path in paths.items()}
        log = Path(scratch) / "log.txt"
        with log.open("wb") as sink:
            child = children.start(
                child_command("models.dfine.convert_graph", json.dumps(job)),
                env=child_environment(os.environ),
                stdout=sink,
                stderr=sink,
            )
            try:
                _, status, usage = os.wait4(child.pid, 0)
                child.returncode = os.waitstatus_to_exitcode(status)
            finally:
                children.end(child)
        if child.returncode != 0:
            text = log.read_text(encoding="utf-8", errors="replace").strip().splitlines() or ["(it printed nothing)"]
            raise ConversionFailed(
                f"converting {graph} at {size} failed, exit {child.returncode}: {text[-1]}"
                f" (`python -m models.dfine.convert --detector {weights.detector.name} --verbose` shows all)"
            )
        sizes = {precision: path.stat().st_size for precision, path in paths.items()}
        for precision, path in paths.items():
            write_entry(target / f"{graph}_{precision}.tflite", path.read_bytes())
        write_entry(target / HOST_FILE, host.read_bytes())
    record = {
        "size": size,
        "weights": weights.describe(),
        "sha256": weights.sha256,
        "versions": {name: _version(name) for name in CONVERTERS},
    }
    write_entry(target / "record.json", canonical_json(record))
    return Made(time.monotonic() - started, usage.ru_maxrss / 1024, sizes["fp32"], sizes["fp16"])


def _artefact(graph: str, size: int, precision: str, weights: str, detector: str) -> Path:
    """The .tflite of one graph, converted now if it is not in the cache (with a word on stderr)."""
    resolved = weights_module.resolve(weights, detector)
    path = folder(check_size(size), resolved) / f"{graph}_{precision}.tflite"
    if not is_whole_entry(path):
        click.echo(
            f"converting {graph} of {resolved.detector.title} at {size} with {resolved.describe()}; once, about 20 s",
            err=True,
        )
        convert(graph, size, resolved)
    return path


def naive_a(
    *, size: int, precision: str, weights: str = weights_module.DEFAULT, detector: str = detectors.DEFAULT
) -> Path:
    """Layout builder: the naive Graph A, with the weights of `precision`."""
    return _artefact("naive_a", size, precision, weights, detector)


def shipped_a(
    *, size: int, precision: str, weights: str = weights_module.DEFAULT, detector: str = detectors.DEFAULT
) -> Path:
    """Layout builder: the shipped Graph A."""
    return _artefact("shipped_a", size, precision, weights, detector)


def graph_b(
    *, size: int, precision: str, weights: str = weights_module.DEFAULT, detector: str = detectors.DEFAULT
) -> Path:
    """Layout builder: Graph B."""
    return _artefact("graph_b", size, precision, weights, detector)


def tail_parameters(size: int, weights: str, detector: str) -> HostParameters:
    """The host's share of the weights, which every conversion leaves beside its graphs."""
    resolved = weights_module.resolve(weights, detector)
    path = folder(size, resolved) / HOST_FILE
    if not is_whole_entry(path):
        convert("graph_b", size, resolved)
    with np.load(path) as named:
        return HostParameters.from_arrays(dict(named))


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--detector",
    type=click.Choice(tuple(detectors.DETECTORS)),
    default=detectors.DEFAULT,
    show_default=True,
    help="Whose graphs.",
)
@click.option(
    "--size", "sizes", type=int, multiple=True, default=(SIZES[0],), show_default=True, help="May be repeated."
)
@click.option("--weights", default=weights_module.DEFAULT, show_default=True, help="seed:N, folder, file or hub id.")
@click.option("--graph", "graphs", type=click.Choice(GRAPHS), multiple=True, default=GRAPHS, show_default=True)
@click.option(
    "--out", type=click.Path(path_type=Path), help="Also copy the files here, with host_params.npz and labels."
)
@click.option("--force", is_flag=True, help="Convert again what is cached.")
@click.option("--verbose", is_flag=True, help="Convert in this process and show what the converters print.")
def command(
    detector: str,
    sizes: tuple[int, ...],
    weights: str,
    graphs: tuple[str, ...],
    out: Path | None,
    force: bool,
    verbose: bool,
) -> None:
    """Convert a detector's graphs to .tflite, fp32 and fp16 weights, into the cache (and --out)."""
    from rich.console import Console

    console = Console(stderr=True, soft_wrap=True, markup=False, emoji=False, highlight=False)
    resolved = weights_module.resolve(weights, detector)
    console.print(one_line(f"{resolved.detector.title} with {resolved.describe()}"))
    for size in sizes:
        target = folder(check_size(size), resolved)
        for step, graph in enumerate(graphs, start=1):
            label = f"[{step}/{len(graphs)}] {graph} at {size}"
            if verbose:
                from models.dfine.convert_graph import convert_fp32

                with ScratchFolder("convert") as scratch:
                    convert_fp32(graph, size, resolved, Path(scratch) / "model.tflite")
            elif is_cached(graph, size, resolved) and not force:
                console.print(f"{label}: cached")
            else:
                with console.status(f"converting {graph} at {size}, about 20 s"):
                    made = convert(graph, size, resolved)
                console.print(
                    f"{label}: {made.seconds:.0f} s, peak {made.peak_mb:.0f} MB, "
                    f"fp32 {made.bytes_fp32 / 1e6:.1f} MB, fp16 {made.bytes_fp16 / 1e6:.1f} MB",
                )
        if not verbose:
            console.print(f"in {target}", highlight=False)
            if out is not None:
                _copy(target, out / str(size))


def _copy(source: Path, target: Path) -> None:
    for path in sorted(source.glob("*.*")):
        write_atomically(target / path.name, path.read_bytes())
    labels = Path(__file__).parent / "coco_labels.txt"
    write_atomically(target / labels.name, labels.read_bytes())


def main() -> None:
    """Console entry with the exit codes of `repro`."""
    stop_as_interrupted()
    try:
        command(standalone_mode=False)
    except click.Abort as error:
        sys.exit(exit_code(error))
    except ReproError as error:
        click.echo(f"convert: {error}", err=True)
        sys.exit(error.exit_code)
    except click.ClickException as error:
        error.show()
        sys.exit(BadInput.exit_code)


if __name__ == "__main__":
    main()
