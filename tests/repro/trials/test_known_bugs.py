"""What a check found wrong has the name of the known bug that explains it, and only that."""

from __future__ import annotations

from dataclasses import replace

import pytest

from cases.builder import GraphBuilder
from cases.findings.composite_aborts import rms_norm
from cases.findings.int16_scales_ignored import pair
from cases.findings.registry import FINDING_MODELS
from cases.graph import Graph
from repro.fixes.workarounds import avoid_hazards
from repro.hazards.rules import RULES
from repro.trials.known_bugs import known_bug_lines, known_bugs, next_command
from repro.verdicts.verdict import Status, Verdict
from runner.run import Precision


def of(graph: Graph, target: str = "gpu:lavapipe", **statuses: Status) -> dict[int, list[str]]:
    """Output -> rules. statuses: of outputs, by name; the others pass."""
    verdicts = [Verdict(index, name, statuses.get(name, Status.PASS)) for index, name in enumerate(graph.outputs)]
    found = known_bugs(graph, verdicts, target, Precision.FP32)
    return {output: [hazard.rule for hazard in hazards] for output, hazards in found.items()}


def test_a_wrong_output_has_the_rule_that_foretells_it():
    assert of(pair(), y=Status.FAIL) == {0: ["int16-scales"]}


def test_what_passes_or_has_no_power_has_none():
    assert of(pair()) == of(pair(), y=Status.INVALID) == {}


def test_a_cpu_has_no_delegate_to_blame():
    assert of(pair(), "cpu", y=Status.FAIL) == {}


def test_an_ended_run_has_what_ends_it():
    graph = rms_norm()
    found = known_bugs(graph, [Verdict(-1, "", Status.CRASH)], "gpu:lavapipe", Precision.FP16)
    (line,) = known_bug_lines(found)
    assert line.text.startswith("known bug: composite-aborts, finding composite-aborts at 'normalised'; `repro fix`")


def test_only_the_outputs_behind_it_are_explained():
    graph = pair()
    g = replace(graph, tensors={**graph.tensors}, outputs=("y", "x"))
    assert of(g, x=Status.FAIL, y=Status.FAIL) == {0: ["int16-scales"]}


@pytest.mark.parametrize("target", ["cpu", "gpu:lavapipe"])
def test_an_output_that_is_listed_twice_is_litert_s_own_bug(target: str):
    g = GraphBuilder()
    y = g.unary("TANH", g.input("x", (1, 4)), name="y")
    graph = g.build([y, y])
    verdicts = [Verdict(0, "y", Status.FAIL), Verdict(1, "y", Status.PASS)]
    found = known_bugs(graph, verdicts, target, Precision.FP32)
    assert {output: [hazard.rule for hazard in hazards] for output, hazards in found.items()} == {
        0: ["output-listed-twice"]
    }


@pytest.mark.parametrize("precision", Precision)
def test_the_command_that_is_said_to_mend_a_known_bug_does(precision: Precision):
    told = set()
    for slug, models in FINDING_MODELS.items():
        for model in models:
            if model.purpose != "minimal" or model.build is None:
                continue
            graph = model.build()
            wrong = [Verdict(index, graph.outputs[index], Status.FAIL) for index in model.wrong]
            found = known_bugs(graph, wrong or [Verdict(-1, "", Status.CRASH)], "gpu:lavapipe", precision)
            words = next_command(found, "m.tflite", "gpu:lavapipe")
            if found and words[1] == "fix":
                also = words[words.index("gpu:lavapipe") + 1 :]
                assert set(also[0::2]) <= {"--also"}, slug
                mended = {hazard.rule for hazard, _ in avoid_hazards(graph, also[1::2]).done}
                rules = {hazard.rule for hazards in found.values() for hazard in hazards}
                assert mended & rules, (slug, words)
                told |= mended
    assert {"add-reduce", "composite-aborts"} <= told
    assert ("cast-output-consumed" in told) is (precision is Precision.FP16)


def test_the_adapter_decides_what_it_decides():
    (model,) = [model for model in FINDING_MODELS["thin-convolution-chain"] if model.purpose == "minimal"]
    assert model.build is not None
    graph = model.build()
    failed = {graph.outputs[0]: Status.FAIL}
    assert of(graph, "gpu:lavapipe", **failed) == {}
    assert of(graph, "gpu:lavapipe@NVIDIA H100", **failed) == {0: ["thin-convolution-chain"]}


def test_the_minimal_model_of_each_finding_with_a_rule_is_explained_by_it():
    documented = {rule.finding for rule in RULES.values() if rule.finding and not rule.where}
    for slug in sorted(documented):
        for model in FINDING_MODELS[slug]:
            if model.purpose == "minimal" and model.build is not None and not model.targets:
                graph = model.build()
                wrong = [Verdict(index, graph.outputs[index], Status.FAIL) for index in model.wrong]
                wrong = wrong or [Verdict(-1, "", Status.CRASH)]
                found = known_bugs(graph, wrong, "gpu:lavapipe", Precision.FP32)
                assert {RULES[hazard.rule].finding for of_one in found.values() for hazard in of_one} >= {slug}
