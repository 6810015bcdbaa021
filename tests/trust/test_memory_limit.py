"""No file makes a command take more memory than it may: each is refused in one line, before anything is made."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from cases.builder import GraphBuilder
from cases.graph import Graph, Op, Tensor
from cases.tflite.read import read_tflite
from cases.tflite.write import write_tflite
from repro import api
from repro.layouts.models import load_inputs
from repro.layouts.reader import read_layout
from runner import memory
from runner.host import worker_process
from runner.memory import TooMuchMemory
from tests.trust.attack import SPLIT

ROOT = Path(__file__).parents[2]
MODEL = ROOT / "findings" / "add-output-feeds-reduction" / "models" / "minimal.tflite"


def huge() -> bytes:
    """A file of a few hundred bytes that declares a tensor of 2^31 floats."""
    tensors = {name: Tensor(name, (1 << 31 - 10, 1 << 10)) for name in ("x", "y")}
    return write_tflite(Graph(tensors, (Op("NEG", ("x",), ("y",)),), ("x",), ("y",)))


def repro(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "repro", *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, encoding="utf-8", check=False)


def commands(model: Path, out: Path) -> Sequence[tuple[str | Path, ...]]:
    return (
        ("check", model, "--target", "cpu"),
        ("check", model, "--target", "cpu", "--taps"),
        ("reduce", model, "--target", "cpu", "--out", out / "reduced"),
        ("check", model, "--target", "cpu", "--memory", "64MiB"),
    )


def test_a_file_that_declares_gigabytes_is_refused_by_every_command_in_one_line(tmp_path: Path):
    model = tmp_path / "huge.tflite"
    model.write_bytes(huge())
    assert model.stat().st_size < 1000
    for arguments in commands(model, tmp_path):
        done = repro(*arguments, *(() if "--memory" in arguments else ("--memory", "2GiB")))
        assert done.returncode == 2, arguments
        *_, said = done.stderr.splitlines()
        assert said.startswith("repro: huge.tflite: evaluating and judging it would take about"), done.stderr
        assert "of memory, and the limit is" in said
        assert "--memory SIZE" in said
        assert done.stderr.count("repro: ") == 1, done.stderr


@pytest.mark.parametrize("verb", ["check", "lint", "fix", "reduce"])
def test_the_verbs_take_the_limit_too(verb: str):
    with pytest.raises(TooMuchMemory):
        getattr(api, verb)(MODEL, memory="1KiB")
    assert memory.limit() == memory.default_limit()


def test_a_layout_is_gated_within_the_limit(tmp_path: Path):
    shutil.copytree(SPLIT, tmp_path, dirs_exist_ok=True)
    with pytest.raises(TooMuchMemory):
        api.gate(tmp_path / "split.toml", target="cpu", memory="1KiB")
    layout = read_layout(tmp_path / "split.toml", {})
    with memory.limited("1KiB"), pytest.raises(TooMuchMemory, match="drawing the inputs of the layout"):
        load_inputs(layout, None, [])


def test_what_a_target_gives_back_is_held_to_the_limit_and_its_worker_stopped(monkeypatch: pytest.MonkeyPatch):
    subject = api.check(MODEL, target="cpu").subject
    stopped: list[int] = []
    stop = worker_process.WorkerProcess.stop
    monkeypatch.setattr(worker_process.WorkerProcess, "stop", lambda self: (stopped.append(self.pid), stop(self)))
    with api.open_target("cpu") as cpu:
        job = subject.job(api.Precision.FP32)
        with memory.limited("1KiB"), pytest.raises(TooMuchMemory, match="reading its outputs"):
            cpu.run(job)
        assert stopped
        assert cpu.run(job).outputs


def test_tensors_on_one_buffer_share_their_bytes_and_are_written_to_one():
    shared = np.arange(30_000, dtype=np.float32)
    g = GraphBuilder()
    x = g.input("x", shared.shape)
    for place in range(50):
        g._add(Tensor(f"c{place}", shared.shape, "float32", shared))
        x = g.add(x, f"c{place}")
    data = write_tflite(g.build([x]))
    assert len(data) < 2 * shared.nbytes
    graph = read_tflite(data)
    places = {graph.tensors[f"c{place}"].data.ctypes.data for place in range(50)}  # type: ignore[union-attr]
    assert len(places) == 1
    assert write_tflite(graph) == data


@pytest.mark.slow
def test_a_large_honest_model_is_checked_in_less_than_three_times_its_size(tmp_path: Path):
    """Two weight matrices of 256 MB: the float64 copies of one alone would take as much as the file."""
    numbers, units = np.random.default_rng(0), 8_000
    g = GraphBuilder()
    x = g.input("x", (2, units))
    for _ in range(2):
        weights = numbers.standard_normal((units, units), dtype=np.float32)
        weights /= np.float32(np.sqrt(units))
        x = g.fully_connected(x, weights)
    model = tmp_path / "large.tflite"
    model.write_bytes(write_tflite(g.build([x])))
    code = (
        "import json, sys; from repro import api; from tests.trust.attack import peak_bytes;"
        f"checked = api.check({str(model)!r}, target='cpu', memory={3 * model.stat().st_size});"
        "json.dump([checked.passed, peak_bytes()], sys.stdout)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, encoding="utf-8", check=True)
    passed, peak = json.loads(done.stdout)
    assert passed
    assert peak < 3 * model.stat().st_size
