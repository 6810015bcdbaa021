"""The verbs of findings: what is the graph's, what is the model's, and which claims contradict themselves."""

from __future__ import annotations

import pytest

from cases.builder import GraphBuilder
from cases.case import ModuleSource
from cases.findings.model import (
    FindingModel,
    Purpose,
    clean,
    control,
    face,
    finding_models,
    helps,
    minimal,
    no_help,
    still_wrong,
)
from cases.graph import Graph

MODULE = ModuleSource(lambda seed: None, ((1, 4),), ("y",))


def doubled(name: str = "y", wrong: int = 4) -> Graph:
    """A builder whose knobs are called like fields of a model."""
    g = GraphBuilder()
    x = g.input("x", (1, wrong))
    return g.build([g.add(x, x, name=name)])


def refuses_to_build() -> Graph:
    raise AssertionError("nobody asked for the graph")


def test_every_keyword_of_a_verb_is_the_builders():
    model = still_wrong("wide", "not 4 channels alone", doubled, name="z", wrong=8)
    assert (model.name, model.what, model.wrong) == ("wide", "not 4 channels alone", (0,))
    assert model.build is not None
    graph = model.build()
    assert graph.outputs == ("z",)
    assert graph.tensors["z"].shape == (1, 8)


def test_a_graph_is_built_when_it_is_asked_for():
    assert minimal("ADD of x and x", refuses_to_build).build is not None


def test_each_verb_has_its_purpose_and_only_those_that_show_the_bug_are_wrong():
    named = (still_wrong, clean, helps, no_help, face)
    models = [minimal("what", doubled), control("what", doubled), *(verb("name", "what", doubled) for verb in named)]
    assert {model.purpose: model.wrong for model in models} == {
        Purpose.MINIMAL: (0,),
        Purpose.CONTROL: (),
        Purpose.STILL_WRONG: (0,),
        Purpose.CLEAN: (),
        Purpose.HELPS: (),
        Purpose.NO_HELP: (0,),
        Purpose.FACE: (0,),
    }
    assert [model.name for model in models] == ["minimal", "control", *["name"] * len(named)]


def test_the_outputs_it_shows_in_are_said_of_the_model():
    assert minimal("every output is lost", doubled).in_outputs(0, 1).wrong == (0, 1)
    assert minimal("seen elsewhere only", doubled).in_outputs().wrong == ()


def test_a_healthy_model_cannot_be_wrong():
    with pytest.raises(ValueError, match="model 'emit-mul' is 'helps' and yet wrong"):
        helps("emit-mul", "a MUL by 1", doubled).in_outputs(0)
    with pytest.raises(ValueError, match="'clean' and yet wrong"):
        FindingModel("near", Purpose.CLEAN, "a near miss", build=doubled, outcome="CRASH")


def test_a_torch_module_takes_the_place_of_a_graph_and_has_no_knobs():
    model = face("naive", "as it ships", MODULE)
    assert (model.build, model.module) == (None, MODULE)
    with pytest.raises(TypeError, match="model 'naive': a torch module has no knobs"):
        face("naive", "as it ships", MODULE, wrong=8)


@pytest.mark.parametrize("sources", [{}, {"build": doubled, "module": MODULE}])
def test_a_model_is_a_graph_or_a_module(sources):
    with pytest.raises(ValueError, match="needs a graph or a torch module, and not both"):
        FindingModel("naive", Purpose.FACE, "as it ships", **sources)


def test_what_is_said_of_the_finding_holds_for_every_model_that_shows_it():
    models = finding_models(
        minimal("ADD of x and x", doubled).in_outputs(1),
        control("twins", doubled),
        no_help("seven", "7 channels", doubled),
        runtimes="<2.1.6",
        targets=("gpu:*@Mali-G57",),
        precisions=("fp16",),
    )
    assert [model.name for model in models] == ["minimal", "control", "seven"]
    assert [model.wrong for model in models] == [(1,), (), (0,)]
    assert [model.runtimes for model in models] == ["<2.1.6", "", "<2.1.6"]
    assert [model.targets for model in models] == [("gpu:*@Mali-G57",), (), ("gpu:*@Mali-G57",)]
    assert [model.precisions for model in models] == [("fp16",), (), ("fp16",)]


def test_where_a_finding_aborts_what_shows_it_has_no_outputs_to_be_wrong():
    models = finding_models(minimal("ADD of x and x", doubled), control("twins", doubled), aborts=True)
    assert [(model.wrong, model.outcome) for model in models] == [((), "CRASH"), ((), "")]


def test_what_another_bug_makes_wrong_elsewhere_is_said_of_a_model_that_shows_one():
    models = finding_models(minimal("ADD of x and x", doubled).wrong_elsewhere(0), control("twins", doubled))
    assert [model.elsewhere for model in models] == [(0,), ()]
    with pytest.raises(ValueError, match="is 'control' and yet wrong"):
        control("twins", doubled).wrong_elsewhere(0)


@pytest.mark.parametrize(
    ("models", "message"),
    [
        ([minimal("x", doubled), control("y", doubled), clean("control", "z", doubled)], "two models are called 'con"),
        ([minimal("x", doubled)], "exactly one model with purpose 'control'"),
        ([control("y", doubled), face("naive", "z", doubled)], "exactly one model with purpose 'minimal'"),
    ],
)
def test_a_finding_has_one_minimal_model_and_one_control_and_names_that_differ(models, message):
    with pytest.raises(ValueError, match=message):
        finding_models(*models)
