"""Why a run ended, in the words of the model."""

from __future__ import annotations

from dataclasses import replace

from cases.graph import Graph, Op, Tensor
from cases.tflite.extras import TensorExtras
from repro.trials.reasons import explained
from runner.run import Fingerprint, Outcome, Run

GRAPH = Graph({name: Tensor(name, (4,)) for name in ("x", "y")}, (Op("WHILE", ("x",), ("y",)),), ("x",), ("y",))
STATUS = "not compiled: LiteRtCreateCompiledModel returned status 3"


def run(outcome: Outcome, message: str = "", log: str = "") -> Run:
    return Run("m", outcome, Fingerprint("gpu:a", "2.3.0", {}, "", "", "fp32", ""), message=message, log=log)


OK = run(Outcome.OK)


def test_a_kernel_that_refuses_its_operands_makes_the_file_broken():
    said = f"{STATUS}: tflite/kernels/conv.cc:391 bias has 1 element; Node number 0 (CONV_2D) failed to prepare."
    for on_gpu, on_cpu in (
        (run(Outcome.REFUSED, said), OK),
        (run(Outcome.REFUSED, STATUS), run(Outcome.REFUSED, said)),
    ):
        message = explained(on_gpu, on_cpu, GRAPH).message
        assert message.startswith("the file is broken: TFLite itself refuses it: ")
        assert "bias has 1 element" in message


def test_an_op_that_the_cpu_lacks_breaks_no_file():
    lacking = run(Outcome.REFUSED, f"{STATUS}: Encountered unresolved custom op: Theirs. failed to prepare")
    refused = run(Outcome.REFUSED, "not compiled: status 504: CUSTOM: Theirs")
    assert explained(refused, lacking, GRAPH) is refused


def test_a_tensor_of_no_size_is_called_by_its_name_and_maker():
    refused = run(Outcome.REFUSED, STATUS, "WARNING: ... (tensor#1 is a dynamic-sized tensor).")
    assert explained(refused, OK, GRAPH).message == f"{STATUS}; 'y', which WHILE writes, has no size before the run"
    for number in ("0", "7", "-1"):  # an input, no tensor at all
        refused = run(Outcome.REFUSED, STATUS, f"(tensor#{number} is a dynamic-sized tensor)")
        assert explained(refused, OK, GRAPH) is refused


def test_a_file_that_does_not_fit_at_a_shape_which_it_leaves_open_is_not_called_broken():
    name = GRAPH.inputs[0]
    opened = replace(GRAPH.tensors[name], raw=TensorExtras(shape_signature=(-1, -1)))
    graph = replace(GRAPH, tensors={**GRAPH.tensors, name: opened})
    said = explained(
        run(Outcome.REFUSED, "not compiled: Node number 3 (CONV_2D) failed to prepare."), OK, graph
    ).message
    assert "broken" not in said
    assert f"TFLite itself refuses the file with '{name}' at {list(opened.shape)}, which it leaves open" in said
    assert said.endswith(f"give --shape {name}=...")


def test_what_ran_is_left_alone():
    crashed = run(Outcome.CRASH, "failed to prepare", "(tensor#1 is a dynamic-sized tensor)")
    assert explained(crashed, OK, GRAPH) is crashed
    assert explained(OK, OK, GRAPH) is OK
