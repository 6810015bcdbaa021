"""Writing and reading .tflite files: nothing is lost, damage ends in one line, the cpu agrees with torch."""

from __future__ import annotations

import random
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cases.builder import GraphBuilder
from cases.evaluation.evaluate import evaluate
from cases.graph import Graph, GraphError, Op, Tensor
from cases.inputs import standard_feeds
from cases.tflite.read import read_tflite
from cases.tflite.write import write_tflite
from repro.fuzzer.generate import grow
from runner import targets
from runner.errors import BadInput
from runner.run import Job, Outcome
from runner.target import Target

SEEDS = st.integers(0, 2**32 - 1)


def drawn(seed: int) -> Graph:
    return grow(random.Random(seed))


def shapes(graph: Graph) -> dict[str, tuple]:
    return {t.name: (t.shape, t.dtype, t.is_constant) for t in graph.tensors.values()}


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(seed=SEEDS)
def test_a_written_graph_reads_back_the_same(seed: int):
    graph = drawn(seed)
    data = write_tflite(graph)
    back = read_tflite(data)
    assert (back.inputs, back.outputs) == (graph.inputs, graph.outputs)
    assert shapes(back) == shapes(graph)
    assert [(o.kind, o.inputs, o.outputs) for o in back.ops] == [(o.kind, o.inputs, o.outputs) for o in graph.ops]
    for name, tensor in graph.tensors.items():
        if tensor.data is not None:
            assert np.array_equal(back.tensors[name].data, tensor.data)
    assert {n: back.role(n) for n in back.tensors} == {n: graph.role(n) for n in graph.tensors}
    assert write_tflite(back) == data


@pytest.fixture(scope="module")
def cpu() -> Iterator[Target]:
    with targets.open_target("cpu") as target:
        yield target


@pytest.mark.convert
@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(seed=SEEDS)
def test_the_written_file_on_cpu_computes_what_torch_computes(cpu: Target, seed: int):
    torch = pytest.importorskip("torch")
    from cases.with_torch.torch_module import GraphModule

    graph = drawn(seed)
    feed = standard_feeds([graph.tensors[n] for n in graph.inputs], seed)[0]
    run = cpu.run(Job(write_tflite(graph), (feed,)))
    assert run.outcome is Outcome.OK, run.message
    with torch.no_grad():
        wanted = GraphModule(graph)(*(torch.from_numpy(a).double() for a in feed))
    for name, actual, reference in zip(graph.outputs, run.outputs[0], wanted, strict=True):
        expected = reference.numpy()
        assert actual.shape == expected.shape, name
        if not np.isfinite(expected).all() or np.abs(expected).max(initial=0) > 1e30:
            continue
        # Rounding of fp32 through a dozen ops on values near 1; an op that means something else is off by far more.
        scale = np.abs(expected).max(initial=0) + 1.0
        assert np.abs(actual - expected).max(initial=0) <= 2e-3 * scale, name


def small() -> Graph:
    g = GraphBuilder()
    x = g.input("x", (1, 8, 4))
    return g.build([g.add(x, g.const(1.0), "y")])


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "empty file"),
        (b"hello, this is text", "no TFL3 identifier"),
        (b"\x1c\x00\x00\x00TFL3", r"truncated or damaged .tflite \(it points behind its own end, byte 8\)"),
    ],
)
def test_what_is_no_model_is_one_clear_line(data: bytes, says: str):
    with pytest.raises(BadInput, match=says) as error:
        read_tflite(data, "some.tflite")
    assert str(error.value).startswith("some.tflite: ")


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_damaged_bytes_end_in_a_graph_or_in_one_clear_line(data):
    whole = bytearray(write_tflite(small()))
    if data.draw(st.booleans()):
        del whole[data.draw(st.integers(8, len(whole) - 1)) :]
    for _ in range(data.draw(st.integers(0, 8))):
        if len(whole) > 8:
            whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    try:
        said = ""
        read_tflite(bytes(whole), "m").validate()
    except BadInput as error:
        said = str(error)
    assert said == "" or (said.startswith("m: ") and "\n" not in said)
    assert not any(word in said for word in ("unpack_from", "index out of", "bad number", "requested size"))


def test_an_unknown_attribute_is_refused_when_writing():
    graph = small()
    coloured = Op("ADD", graph.ops[0].inputs, graph.ops[0].outputs, {"colour": 1})
    wrong = Graph(graph.tensors, (coloured,), graph.inputs, graph.outputs)
    with pytest.raises(GraphError, match="no attribute 'colour'"):
        write_tflite(wrong)


@pytest.mark.parametrize("name", ["y\ud800", "\udcff"])
def test_a_name_that_utf_8_cannot_hold_is_refused(name: str):
    tensors = {"x": Tensor("x", (1, 4)), name: Tensor(name, (1, 4))}
    with pytest.raises(GraphError, match="no text that UTF-8 can hold"):
        write_tflite(Graph(tensors, (Op("NEG", ("x",), (name,)),), ("x",), (name,)))


def test_a_constant_without_elements_is_one_after_writing_and_reading():
    tensors = {"x": Tensor("x", (1, 1)), "y": Tensor("y", ()), "s": Tensor("s", (0,), "int32", np.zeros(0, np.int32))}
    scalar = Graph(tensors, (Op("RESHAPE", ("x", "s"), ("y",)),), ("x",), ("y",))
    back = read_tflite(write_tflite(scalar))
    assert back.tensors["s"].is_constant
    assert back.tensors["s"].data.shape == (0,)
    assert evaluate(back, (np.full((1, 1), 2.5, np.float32),))["y"] == 2.5


def test_a_runtime_tensor_without_elements_is_no_constant():
    tensors = {"x": Tensor("x", (0, 3)), "y": Tensor("y", (0, 3))}
    back = read_tflite(write_tflite(Graph(tensors, (Op("NEG", ("x",), ("y",)),), ("x",), ("y",))))
    assert [back.tensors[name].is_constant for name in ("x", "y")] == [False, False]


def test_a_tensor_listed_twice_as_an_output_is_evaluated_for_both():
    graph = small()
    twice = Graph(graph.tensors, graph.ops, graph.inputs, ("y", "y"))
    back = read_tflite(write_tflite(twice))
    assert back.outputs == ("y", "y")
    assert evaluate(back, (np.zeros((1, 8, 4), np.float32),))["y"].max() == 1.0
