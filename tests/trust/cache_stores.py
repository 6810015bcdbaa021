"""Every store of the cache with a way to ask it: what it gives, and how often it had to make it.

Each asks the project's own function; only what costs minutes (converting, fetching, compiling) is done by a stand-in.
"""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cases.builder import GraphBuilder
from cases.case import Case, ModuleSource
from cases.graph import Graph
from cases.tflite.write import write_tflite
from cases.with_torch import convert, reference
from models.dfine import convert as dfine
from repro.layouts import reference as gate_reference
from repro.layouts.layout import GraphPart
from repro.layouts.models import PartModel
from repro.layouts.reader import read_layout
from repro.verdicts import drawn_noise, emulation, kept_evaluations
from repro.verdicts import references as references_of
from repro.verdicts.noise_floor import Floor
from runner import cache, runtimes
from runner.adb import android, build
from runner.host import presented_name, probe, vulkan
from runner.host.worker_process import WorkerSpec
from runner.run import Precision

EXAMPLE = Path(__file__).resolve().parents[2] / "docs" / "examples" / "two_graphs" / "split.toml"


class Store:
    """One store. ask: what is asked of the cache. made: counts how often it was made."""

    def __init__(self, folder: str, ask: Callable[[], Any]) -> None:
        self.folder = folder
        self.ask = ask
        self.made = 0

    def counted(self, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **keywords: Any) -> Any:
            self.made += 1
            return function(*arguments, **keywords)

        return call


def graph() -> Graph:
    g = GraphBuilder()
    return g.build([g.unary("SQUARE", g.input("x", (1, 6)), "y")])


FEED = (np.arange(6, dtype=np.float32).reshape(1, 6) - 2,)
RIGHT = ((np.square(FEED[0], dtype=np.float64),),)


def floors(patch: pytest.MonkeyPatch, scratch: Path) -> Store:
    store = Store("floors", lambda: emulation.floors_for(graph(), (FEED,), RIGHT, Precision.FP32))
    patch.setattr(emulation, "emulated_floors", store.counted(emulation.emulated_floors))
    return store


def references(patch: pytest.MonkeyPatch, scratch: Path) -> Store:
    case = Case("family/case", "family", "a test", graph=graph)

    def ask() -> Any:
        reference._cached.cache_clear()  # as another process would
        return reference.reference_outputs(case, (FEED,))

    store = Store("references", ask)
    patch.setattr(reference, "_compute", store.counted(lambda case, feeds: RIGHT))
    return store


def evaluations(patch: pytest.MonkeyPatch, scratch: Path) -> Store:
    model = write_tflite(graph())
    store = Store("evaluations", lambda: references_of.float64_outputs(graph(), (FEED,), model))
    patch.setattr(kept_evaluations, "_LONG", 0)
    patch.setattr(kept_evaluations, "_made", store.counted(kept_evaluations._made))
    return store


def noise(patch: pytest.MonkeyPatch, scratch: Path) -> Store:
    model = write_tflite(graph())
    store = Store("drawn-noise", lambda: drawn_noise.drawn_errors(graph(), model, (FEED,), "y", Precision.FP16))
    patch.setattr(drawn_noise, "_made", store.counted(drawn_noise._made))
    return store


def gate_references(patch: pytest.MonkeyPatch, scratch: Path) -> Store:
    part = GraphPart(name="a", file=None, builder="a:b", inputs=("x",), outputs=("y",))
    model = PartModel(part, write_tflite(graph()), graph())
    source = gate_reference.ReferenceSource(read_layout(EXAMPLE), None)
    store = Store("gate", lambda: source.graph(model, FEED))
    patch.setattr(gate_reference, "_float64", store.counted(gate_reference._float64))
    return store


def gate_floors(patch: pytest.MonkeyPatch, scratch: Path) -> Store:
    part = GraphPart(name="a", file=None, builder="a:b", inputs=("x",), outputs=("y",))
    model = PartModel(part, write_tflite(graph()), graph())
    source = gate_reference.ReferenceSource(read_layout(EXAMPLE), None)
    zero = np.zeros((1, 6))
    store = Store(
        "gate", lambda: (source.graph(model, FEED), source.residual_floor(model, FEED, 0, zero, Precision.FP32))
    )
    patch.setattr(gate_reference, "_float64", store.counted(gate_reference._float64))
    patch.setattr(gate_reference, "_residual_floor", store.counted(gate_reference._residual_floor))
    return store


def conversions(patch: pytest.MonkeyPatch, scratch: Path) -> Store:
    case = Case("family/module", "family", "a test", module=ModuleSource(conversions, ((1, 6),), ("y",)))
    store = Store("converted", lambda: convert.model_bytes(case))
    patch.setattr(convert, "converter_version", lambda: "1")
    patch.setattr(
        convert, "convert_module", store.counted(lambda case, path: cache.write_entry(path, write_tflite(graph())))
    )
    return store


def dfine_conversions(patch: pytest.MonkeyPatch, scratch: Path) -> Store:
    def write(name: str, size: int, weights: Any) -> None:
        for precision in dfine.PRECISIONS:
            cache.write_entry(dfine.folder(size, weights) / f"{name}_{precision}.tflite", write_tflite(graph()))

    store = Store("dfine", lambda: [dfine.graph_b(size=160, precision=p).read_bytes() for p in dfine.PRECISIONS])
    patch.setattr(dfine, "convert", store.counted(write))
    return store


def digests(patch: pytest.MonkeyPatch, scratch: Path) -> Store:
    library = scratch / "library"
    library.write_bytes(b"library" * 100)
    store = Store("sha256", lambda: cache.file_sha256(library))
    patch.setattr(Path, "read_bytes", _counting_reads_of(library, store, Path.read_bytes))
    return store


def _counting_reads_of(path: Path, store: Store, read: Callable[[Path], bytes]) -> Callable[[Path], bytes]:
    def call(self: Path) -> bytes:
        store.made += self == path
        return read(self)

    return call


def probes(patch: pytest.MonkeyPatch, scratch: Path) -> Store:
    spec = WorkerSpec("m", "cpu", environment={}, memory_bytes=1 << 30)
    store = Store("probes", lambda: probe.probe("cpu", spec, runtimes.Runtime("2.3.0", scratch), None))
    patch.setattr(probe, "_ask", store.counted(lambda *_: probe.Probe(True, "an adapter", "")))
    return store


def adapters(patch: pytest.MonkeyPatch, scratch: Path) -> Store:
    manifest = scratch / "icd.json"
    manifest.write_text("{}", encoding="utf-8")
    shown = [{"device": "d", "kind": "cpu", "driver": "llvmpipe 1", "api": "1.3.0"}]
    patch.setenv("VK_DRIVER_FILES", str(manifest))
    store = Store("adapters", vulkan.adapters)
    patch.setattr(vulkan, "_enumerate_in_child", store.counted(lambda *_: shown))
    return store


def _wheel(folder: Path) -> Path:
    path = folder / "ai_edge_litert-9.9.1-py3-none-any.whl"
    files = {"ai_edge_litert/libLiteRt.so": b"library", "ai_edge_litert/libLiteRtWebGpuAccelerator.so": b"accelerator"}
    rows = [
        f"{name},sha256={base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b'=').decode()},{len(data)}\n"
        for name, data in files.items()
    ]
    record = "ai_edge_litert-9.9.1.dist-info/RECORD"
    with zipfile.ZipFile(path, "w") as wheel:
        for name, data in files.items():
            wheel.writestr(name, data)
        wheel.writestr(record, "".join(rows) + f"{record},,\n")
    return path


def _unpacking(wheel: Path) -> Callable[..., str]:
    def fetch(requirement: str, tell: object) -> str:
        with (
            cache.folder_in_place(runtimes._home("9.9.1"), runtimes._is_whole) as made,
            zipfile.ZipFile(wheel) as zipped,
        ):
            zipped.extractall(made)
        return "9.9.1"

    return fetch


def fetched_runtimes(patch: pytest.MonkeyPatch, scratch: Path) -> Store:
    store = Store("runtimes", lambda: (runtimes.runtime("9.9.1").folder / "libLiteRt.so").read_bytes())
    patch.setattr(runtimes, "_fetch", store.counted(_unpacking(_wheel(scratch))))
    return store


def nightly(patch: pytest.MonkeyPatch, scratch: Path) -> Store:
    store = Store("runtimes", lambda: (runtimes.runtime("nightly").folder / "libLiteRt.so").read_bytes())
    patch.setattr(runtimes, "_fetch", store.counted(_unpacking(_wheel(scratch))))
    return store


def _compiler(scratch: Path) -> str:
    """A C compiler that copies its input to its output, and leaves a line per call."""
    path = scratch / "cc"
    text = '#!/bin/sh\necho >> "$0.calls"\nwhile [ "$1" != -o ]; do shift; done\nprintf binary > "$2"\n'
    path.write_text(text, encoding="utf-8")
    path.chmod(0o755)
    return str(path)


class Compiled(Store):
    """A store whose makings are a compiler's calls."""

    def __init__(self, folder: str, ask: Callable[[], Any], patch: pytest.MonkeyPatch, scratch: Path) -> None:
        self._calls = scratch / "cc.calls"
        super().__init__(folder, ask)
        patch.setenv("CC", _compiler(scratch))

    @property
    def made(self) -> int:
        return len(self._calls.read_bytes()) if self._calls.exists() else 0

    @made.setter
    def made(self, value: int) -> None:
        self._calls.unlink(missing_ok=True)


def name_layer(patch: pytest.MonkeyPatch, scratch: Path) -> Store:
    def ask() -> Any:
        folder = presented_name.layer_folder()
        return (folder / "libvk_name_layer.so").read_bytes(), json.loads((folder / "name_layer.json").read_bytes())

    return Compiled("name-layer", ask, patch, scratch)


def native_runner(patch: pytest.MonkeyPatch, scratch: Path) -> Store:
    return Compiled("native", lambda: build.host_runner().read_bytes(), patch, scratch)


def android_libraries(patch: pytest.MonkeyPatch, scratch: Path) -> Store:
    elf = b"\x7fELF\x02\x01\x01" + bytes(11) + (183).to_bytes(2, "little")
    for name in android.FILES:
        (scratch / name).write_bytes(elf + name.encode() * 50)

    def ask() -> Any:
        try:
            version, files = android.android_libraries("arm64-v8a")
        except android.TargetUnavailable:  # what `repro device setup` is then asked for
            store.made += 1
            android.take_from(scratch, "9.9.1", "arm64-v8a")
            version, files = android.android_libraries("arm64-v8a")
        return version, {name: path.read_bytes() for name, path in files.items()}

    store = Store("android", ask)
    return store


STORES: tuple[Callable[[pytest.MonkeyPatch, Path], Store], ...] = (
    floors,
    references,
    evaluations,
    noise,
    gate_references,
    gate_floors,
    conversions,
    dfine_conversions,
    digests,
    probes,
    adapters,
    fetched_runtimes,
    nightly,
    name_layer,
    native_runner,
    android_libraries,
)


# --- records of other versions: sound, sealed, and not of this version's fields --------------------------


def _field_less(record: dict[str, Any]) -> dict[str, Any]:
    return dict(list(record.items())[1:])


def _field_more(record: dict[str, Any]) -> dict[str, Any]:
    return {**record, "of a later version": 1}


OTHER_VERSIONS: dict[str, Callable[[Any], Any]] = {
    "a field less": lambda v: [_field_less(one) for one in v] if isinstance(v, list) else _field_less(v),
    "a field more": lambda v: [_field_more(one) for one in v] if isinstance(v, list) else _field_more(v),
    "a list of texts": lambda v: ["text"],
    "a number": lambda v: 7,
    "null": lambda v: None,
    "a text": lambda v: "text",
    "a list of lists": lambda v: [[1]],
    "an empty table": lambda v: {},
}

RECORDS: dict[Callable[[pytest.MonkeyPatch, Path], Store], Any] = {
    floors: [dataclasses.asdict(Floor(0.5, "emulation", 3))],
    probes: {"ok": True, "adapter": "another", "message": ""},
    adapters: [{"device": "e", "kind": "cpu", "driver": "f", "api": "1"}],
    nightly: {"asked": 1.0, "version": "9.9.1"},
}
"""Stores of JSON records, each with one as this version writes it."""
