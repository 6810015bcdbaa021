"""A model that the GPU and the cpu share: which ops went where, and everything that crosses judged."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest

from cases.builder import GraphBuilder
from cases.graph import Graph, Op, Tensor
from cases.inputs import StandardFeeds
from cases.tflite.read import read_tflite
from cases.tflite.write import write_tflite
from repro.trials.load import load_subject, open_installed_cpu
from repro.trials.partial import check_partial
from repro.verdicts.references import OwnOps
from repro.verdicts.subject import Subject, graph_subject
from repro.verdicts.verdict import Status
from runner import targets
from runner.errors import BadInput
from runner.host.pool import HostTarget
from runner.run import Precision
from runner.source_version import ROOT
from runner.target import Target
from tests.cases.evaluation.test_control import chosen, counting, straight
from tests.cases.evaluation.test_sparse import densified, sparse
from tests.cases.stateful import smoothing

BOTH = pytest.mark.parametrize("precision", list(Precision))


def own_ops(graph: Graph) -> Subject:
    feeds = StandardFeeds(0, again=True).make([graph.tensors[n] for n in graph.inputs])
    return graph_subject("test", graph, feeds, OwnOps(open_installed_cpu))


def shared(*, wrong: bool = False) -> Graph:
    """neg, relu on the GPU; gather by indices [1, 2] on the cpu; a square behind it.

    wrong: the GPU's part ends in an ADD that is an output, swallowed by a reduction.
    """
    g = GraphBuilder()
    x, z = g.input("x", (1, 32, 16)), g.input("z", (1, 32, 16))
    y = g.add(g.unary("RELU", x, name="r"), z, name="y")
    total = g.sum(y, [2], name="total") if wrong else g.unary("NEG", y, name="total")
    graph = g.build([y, total] if wrong else [total])
    indices = Tensor("i", (1, 2), "int32", np.array([[3, 1]], np.int32))
    depth = graph.tensors["total"].shape[2]
    tensors = {**graph.tensors, "i": indices, "g": Tensor("g", (1, 1, 2, depth)), "s": Tensor("s", (1, 1, 2, depth))}
    ops = (*graph.ops, Op("GATHER", ("total", "i"), ("g",), {"axis": 1}), Op("SQUARE", ("g",), ("s",)))
    return Graph(tensors, ops, graph.inputs, ("y", "s") if wrong else ("s",)).validate()


def ending_in(graph: Graph) -> Graph:
    """t = tanh(neg(x)) on the GPU, and y of one op that runs subgraphs, whose operand x is t."""
    ahead = {name: Tensor(name, graph.tensors["x"].shape) for name in ("in", "n")}
    ops = tuple(replace(op, inputs=tuple("t" if n == "x" else n for n in op.inputs)) for op in graph.ops)
    tensors = {"t" if n == "x" else n: replace(t, name="t") if n == "x" else t for n, t in graph.tensors.items()}
    inputs = tuple("in" if name == "x" else name for name in graph.inputs)
    before = (Op("NEG", ("in",), ("n",)), Op("TANH", ("n",), ("t",)))
    return Graph({**tensors, **ahead}, (*before, *ops), inputs, ("y",)).validate()


def branching() -> Graph:
    return ending_in(chosen((1, 8, 16), straight(["SQUARE"], (1, 8, 16)), straight(["ABS"], (1, 8, 16))))


def looping() -> Graph:
    return ending_in(counting((1, 8, 16), 0.5, 3))


def with_sparse_weights(dtype: str) -> Graph:
    """tanh(neg(x) * w) on the GPU, of a w that the cpu unpacks."""
    rng = np.random.default_rng(0)
    w = rng.standard_normal((1, 4, 4, 8)).astype(dtype) * (rng.random((1, 4, 4, 8)) < 0.5)
    made = densified(sparse(w.astype(dtype), range(4), {3}, {}))
    *ahead, product = made.ops
    tensors = dict(made.tensors) | {name: Tensor(name, w.shape) for name in ("n", "z")}
    behind = (Op("NEG", ("x",), ("n",)), replace(product, inputs=("n", product.inputs[1])), Op("TANH", ("y",), ("z",)))
    return read_tflite(write_tflite(Graph(tensors, (*ahead, *behind), ("x",), ("z",)).validate()))


@pytest.fixture(scope="module")
def cpu() -> Iterator[Target]:
    with targets.open_target("cpu") as target:
        yield target


@pytest.fixture(scope="module")
def gpu() -> Iterator[HostTarget]:
    with targets.open_target("gpu") as target:
        assert isinstance(target, HostTarget)
        yield target


@pytest.mark.slow
@pytest.mark.gpu
def test_a_shared_model_is_judged_at_its_outputs_and_where_it_crosses(gpu: HostTarget, cpu: Target):
    found = check_partial(own_ops(shared()), gpu, cpu, Precision.FP32)
    assert found.passed, str(found)
    assert found.on_gpu == {0, 1, 2}
    assert [(b.name, b.way, b.verdict.status) for b in found.borders] == [("total", "GPU -> cpu", Status.PASS)]
    said = str(found)
    assert f"{gpu.name}|cpu fp32" in said
    assert "not resident: 3 ops on the GPU, 2 on the cpu" in said
    assert "GATHER: Only support 1D indices" in said
    assert "crosses GPU -> cpu: 'total' PASS" in said


@pytest.mark.slow
@pytest.mark.gpu
def test_a_miscompile_on_the_gpus_side_is_found_there(gpu: HostTarget, cpu: Target):
    found = check_partial(own_ops(shared(wrong=True)), gpu, cpu, Precision.FP32)
    assert [v.status for v in found.checked.verdicts] == [Status.FAIL, Status.PASS]
    assert not found.passed


@pytest.mark.slow
@pytest.mark.gpu
def test_a_model_that_the_gpu_takes_whole_is_not_called_resident_either(gpu: HostTarget, cpu: Target):
    g = GraphBuilder()
    graph = g.build([g.unary("NEG", g.input("x", (1, 4, 8)), name="y")])
    found = check_partial(own_ops(graph), gpu, cpu, Precision.FP32)
    assert found.passed
    assert found.checked.run.fully_accelerated is None
    assert "the delegate took every op; the cpu stood by, so that this is no proof of residency" in str(found)


@pytest.mark.slow
@pytest.mark.gpu
def test_where_the_usual_inputs_say_nothing_others_are_fed_as_without_the_cpu(gpu: HostTarget, cpu: Target):
    subject = load_subject(ROOT / "tests" / "reports" / "models" / "tf_38285_cnn_int8.tflite")
    found = check_partial(subject, gpu, cpu, Precision.FP32)
    assert "the usual inputs say nothing of output 0" in found.checked.inputs_note
    assert found.passed, str(found)


@pytest.mark.slow
@pytest.mark.gpu
@BOTH
def test_a_model_that_keeps_something_from_run_to_run_is_judged_run_by_run(
    gpu: HostTarget, cpu: Target, precision: Precision
):
    found = check_partial(own_ops(smoothing((1, 8, 16))), gpu, cpu, precision)
    assert found.passed, str(found)
    assert found.checked.cpu_note == ""
    assert "float64 evaluation of the file's own ops" in found.checked.reference_from
    assert {(b.name, b.way) for b in found.borders} == {("kept", "cpu -> GPU")}
    assert [b.verdict.status for b in found.borders] == [Status.PASS]


@pytest.mark.slow
@pytest.mark.gpu
@BOTH
def test_what_a_branch_and_a_loop_read_is_judged_where_it_crosses(gpu: HostTarget, cpu: Target, precision: Precision):
    for graph in (branching(), looping()):
        found = check_partial(own_ops(graph), gpu, cpu, precision)
        assert found.passed, str(found)
        kinds = [op.kind for place, op in enumerate(graph.ops) if place not in found.on_gpu]
        assert kinds in (["IF"], ["WHILE"])
        crossing = {b.name: (b.way, b.verdict.status) for b in found.borders}
        assert crossing == {"t": ("GPU -> cpu", Status.PASS)}


@pytest.mark.slow
@pytest.mark.gpu
@pytest.mark.parametrize("dtype", ["float16", "float32"])
def test_what_the_cpu_makes_of_sparse_weights_is_not_judged_and_what_is_computed_with_it_is(
    gpu: HostTarget, cpu: Target, dtype: str
):
    """Such weights of float16 arrive as memory that nobody wrote (LiteRT 2.3.0), and those of float32 as they are."""
    found = check_partial(own_ops(with_sparse_weights(dtype)), gpu, cpu, Precision.FP32)
    assert found.on_gpu is not None
    assert found.borders == ()
    assert "crosses: 1 tensor made of constants alone, not judged" in str(found)
    (verdict,) = found.checked.verdicts
    assert verdict.status is (Status.PASS if dtype == "float32" else Status.FAIL)


def test_a_target_that_is_no_gpus_divides_nothing():
    with pytest.raises(BadInput, match="target cpu is no GPU's"):
        open_installed_cpu().beside_cpu()
