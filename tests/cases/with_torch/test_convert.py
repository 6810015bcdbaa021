"""Through the converter: cached by content, the same values; without torch, one clear line."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from cases.builder import GraphBuilder
from cases.case import Case, ModuleSource
from cases.graph import Graph
from cases.inputs import standard_feeds
from cases.tflite.read import read_tflite
from cases.with_torch import convert, reference
from runner import targets
from runner.errors import BadInput
from runner.run import Job, Outcome


def small() -> Graph:
    g = GraphBuilder()
    x = g.input("x", (1, 8, 4))
    y = g.add(x, g.input("z", (1, 8, 4)), "y")
    return g.build([y, g.mean(y, [2], "out")])


CASE = Case("family/small", "family", "a small graph", graph=small)


def test_a_reference_without_torch_is_one_clear_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setenv("REPRO_CACHE", str(tmp_path))
    monkeypatch.setitem(sys.modules, "torch", None)
    graph = small()
    with pytest.raises(BadInput, match=r"family/small: its float64 reference needs torch.*pip install") as error:
        reference.reference_outputs(CASE, standard_feeds([graph.tensors[n] for n in graph.inputs], 0))
    assert "\n" not in str(error.value)


def test_a_module_key_is_of_modules_only():
    with pytest.raises(ValueError, match="is a graph"):
        convert.module_key(CASE)


def lowered(seed: int):
    import torch

    from cases.with_torch.torch_module import GraphModule

    return GraphModule(small(), torch.float32)


MODULE_CASE = Case(
    "family/lowered", "family", "a small module", module=ModuleSource(lowered, ((1, 8, 4), (1, 8, 4)), ("y", "out"))
)


@pytest.mark.slow
@pytest.mark.convert
def test_a_module_through_the_converter_computes_the_same_and_is_converted_once(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    pytest.importorskip("litert_torch")
    monkeypatch.setenv("REPRO_CACHE", str(tmp_path))
    assert not convert.is_converted(MODULE_CASE)
    data = convert.model_bytes(MODULE_CASE)
    graph = read_tflite(data)
    assert len(graph.outputs) == 2
    feed = standard_feeds([graph.tensors[n] for n in graph.inputs], 0)[0]
    with targets.open_target("cpu") as cpu:
        run = cpu.run(Job(data, (feed,)))
    assert run.outcome is Outcome.OK, run.message
    np.testing.assert_allclose(run.outputs[0][0], feed[0] + feed[1], atol=1e-6)
    monkeypatch.setattr(convert, "_export", lambda *_: pytest.fail("converted again"))
    assert convert.is_converted(MODULE_CASE)
    assert convert.model_bytes(MODULE_CASE) == data
