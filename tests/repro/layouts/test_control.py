"""The control: a gate must be seen to fail, or the lint must find nothing that could."""

from __future__ import annotations

import pytest

from cases.builder import GraphBuilder
from cases.graph import Graph
from cases.tflite.write import write_tflite
from repro.layouts.control import hazards_of, without_last_op
from repro.layouts.layout import GraphPart
from repro.layouts.models import PartModel
from repro.layouts.reader import read_layout
from repro.layouts.result import GateAnswer
from runner.errors import BadInput
from tests.repro.layouts import two_graphs
from tests.repro.layouts.gating import refusals, replace_in, run_gate

CONTROL = 'layout = "naive.toml"\nfails = ["features"]\nreason = '


def harmless() -> GraphBuilder:
    """A graph that passes its input through one op."""
    g = GraphBuilder()
    g.unary("TANH", g.input("x", (1, 64, 24)), "y")
    return g


def cut(width: int) -> Graph:
    """A graph whose output is the first `width` of 24 features."""
    g = GraphBuilder()
    tanh = g.unary("TANH", g.input("x", (1, 64, 24)))
    return g.build([g.slice(tanh, [0, 0, 0], [1, 64, width], "y")])


def without_hazards(folder) -> None:
    """The example with a split in which the delegate has nothing to get wrong, and no control."""
    first, second, whole = GraphBuilder(), GraphBuilder(), GraphBuilder()
    a = first.unary("TANH", first.input("x", (1, 64, 24)), "features_x2")
    b = first.unary("LOGISTIC", first.input("z", (1, 1, 24)), "summary")
    files = {"encoder": first.build([a, b])}
    y = second.mul(second.input("features_x2", (1, 64, 24)), second.input("summary", (1, 1, 24)), name="y")
    files["head"] = second.build([y])
    tanh = whole.unary("TANH", whole.input("x", (1, 64, 24)))
    logistic = whole.unary("LOGISTIC", whole.input("z", (1, 1, 24)))
    files["whole"] = whole.build([whole.mul(tanh, logistic, name="y")])
    for name, graph in files.items():
        (folder / f"{name}.tflite").write_bytes(write_tflite(graph))
    replace_in(folder, "split.toml", "{ x = [1, 64, 24] }", "{ x = [1, 64, 24], z = [1, 1, 24] }")
    replace_in(folder, "split.toml", 'inputs = ["x"]', 'inputs = ["x", "z"]')
    replace_in(folder, "split.toml", CONTROL, "none = ")


def test_a_split_without_any_hazard_needs_no_control_and_says_so(example, cpu):
    without_hazards(example)
    report = run_gate(example, cpu)
    assert report.passed, report.refusals
    (control,) = [check for check in report.checks if check.kind == "control"]
    assert (control.answer, control.part) == (GateAnswer.NOTE, "none")
    assert "the lint knows no hazard in any of the graphs" in control.reason
    assert not report.rests_on_a_failure


def test_a_hazard_that_a_graph_avoids_is_one_that_a_control_could_show(example, cpu):
    """The encoder emits the features x2, and only therefore are they right."""
    replace_in(example, "split.toml", CONTROL, "none = ")
    report = run_gate(example, cpu)
    assert refusals(report) == [("control", "none", "features")]
    assert "graph encoder avoids the hazard add-reduce at 'features'" in report.refusals[0].reason


def test_a_hazard_that_a_graph_has_is_no_reason_to_have_no_control(example, cpu):
    replace_in(example, "naive.toml", 'control_of = "split.toml"\nreason', "none")
    assert ("control", "none", "features") in refusals(run_gate(example, cpu, "naive.toml"))


@pytest.mark.parametrize(
    ("table", "says"),
    [
        ('none = "a"\nlayout = "naive.toml"', r"give either layout .*, none .* or control_of"),
        ('none = "a"\nreason = "b"', r"reason: is said by none; leave it out"),
        ('none = "a"\nfails = ["y"]', r"fails: names tensors of the layout that must fail"),
        ('none = " "', r"none: says nothing yet"),
        ('layout = "naive.toml"', r"reason: is missing; say why the control must fail"),
        ('control_of = "naive.toml"\nfails = ["y"]\nreason = "c"', r"fails: names tensors of the layout"),
        ('layout = "naive.toml"\nreason = "c"\nfails = ["feature"]', r"gives 'feature'; did you mean 'features'"),
        ('layout = "naive.toml"\nreason = "c"\nfails = ["x"]', r"no graph of .*naive.toml' gives 'x'; known are"),
    ],
)
def test_a_control_that_cannot_be_is_one_line(example, table: str, says: str):
    text = (example / "split.toml").read_text(encoding="utf-8")
    head = text[: text.index("[control]")]
    (example / "split.toml").write_text(f"{head}[control]\n{table}\n", encoding="utf-8")
    with pytest.raises(BadInput, match=says) as error:
        read_layout(example / "split.toml")
    assert "\n" not in str(error.value)


def test_an_op_is_left_out_only_where_the_tensor_before_it_could_have_been_emitted():
    encoder = two_graphs.encoder()
    naive = without_last_op(encoder, "features_x2")
    assert naive is not None
    assert naive.outputs == ("features", "summary")
    assert len(naive.ops) == len(encoder.ops) - 1
    assert without_last_op(two_graphs.head(), "y") is None, "two tensors go into its last op"
    assert without_last_op(cut(24), "y") is not None, "a SLICE that cuts nothing"
    assert without_last_op(cut(8), "y") is None, "a SLICE that cuts"
    assert without_last_op(encoder, "summary") is None, "a MEAN is there for its own sake"
    assert without_last_op(harmless().build(["y"]), "y") is None, "an input cannot be emitted"


def test_the_hazards_of_a_graph_are_named_as_the_layout_names_its_outputs():
    graph = two_graphs.naive_encoder()
    part = GraphPart(name="part", builder="module:function", inputs=("x",), outputs=("out0", "out1"))
    found = [(tensor, hazard.rule, avoided) for tensor, hazard, avoided in hazards_of(PartModel(part, b"", graph))]
    assert found[0] == ("out0", "add-reduce", False)
