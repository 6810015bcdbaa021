"""The findings as a family of the catalogue."""

from __future__ import annotations

from cases.findings.cases import cases, is_variant
from cases.findings.registry import FINDING_MODELS

ALL = {case.name: case for case in cases()}


def test_every_graph_of_a_finding_is_a_case_and_its_torch_modules_are_not():
    graphs = [f"findings/{slug}-{m.name}" for slug, models in FINDING_MODELS.items() for m in models if m.build]
    assert list(ALL) == graphs
    assert "findings/scaled-output-feeds-conv-layer-norm-and-head" not in ALL


def test_what_must_pass_is_a_control_of_the_minimal_model():
    slug = "findings/add-output-feeds-reduction"
    controls = {name.removeprefix(f"{slug}-") for name, case in ALL.items() if case.control_of == f"{slug}-minimal"}
    assert controls == {"control", "not-exposed", "emit-mul", "second-reader"}
    assert ALL[f"{slug}-swapped"].control_of == ""


def test_variants_are_what_was_tried_around_minimal_model_and_control():
    slug = "findings/rank-1-softmax"
    assert [name for name in ALL if name.startswith(slug) and is_variant(ALL[name])] == [
        f"{slug}-seven",
        f"{slug}-rank-2",
    ]
