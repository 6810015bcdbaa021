"""The catalogue: size, names, reasons, controls, and finding cases by name."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from cases import catalogue
from cases.tflite.read import read_tflite
from cases.tflite.write import write_tflite
from runner.errors import BadInput, NothingRan

ALL = catalogue.catalogue()


def test_it_is_large_and_every_case_says_why_it_is_there():
    assert len(ALL) >= 200
    assert all(case.reason and "\n" not in case.reason for case in ALL)
    assert all(re.fullmatch(r"[a-z0-9-]+/[a-z0-9-]+", case.name) for case in ALL)
    assert all(case.name.startswith(f"{case.family}/") for case in ALL)


def test_every_case_is_a_graph_or_a_module():
    assert all((case.graph is None) != (case.module is None) for case in ALL)


def test_a_control_belongs_to_a_case_that_is_none_itself():
    by_name = {case.name: case for case in ALL}
    assert all(not by_name[case.control_of].control_of for case in ALL if case.control_of)


@pytest.mark.parametrize("family", catalogue.families())
def test_every_graph_of_a_family_is_well_formed_and_writes(family: str):
    for case in catalogue.select((), family):
        if case.graph is not None:
            graph = case.graph().validate()
            assert read_tflite(write_tflite(graph)).outputs == graph.outputs


def test_graphs_are_the_same_each_time_they_are_built():
    for case in ALL[::7]:
        if case.graph is not None:
            assert write_tflite(case.graph()) == write_tflite(case.graph())


def test_cases_are_found_by_name_pattern_family_and_short_name():
    assert [c.name for c in catalogue.select(["fanout/add-to-2"])] == ["fanout/add-to-2"]
    assert [c.name for c in catalogue.select(["add-to-2"])] == ["fanout/add-to-2"]
    assert len(catalogue.select(["fanout"])) == len(catalogue.select((), "fanout"))
    assert all("8599" in c.name for c in catalogue.select(["*8599*"]))


def test_an_unknown_case_or_family_names_what_is_near():
    with pytest.raises(BadInput, match=r"near it: .*fanout/add-to-2"):
        catalogue.select(["fanout/ad-to-2"])
    with pytest.raises(BadInput, match=r"no family 'fan'; there are: .*fanout"):
        catalogue.select((), "fan")


def test_every_expected_failure_has_a_healthy_twin_of_its_own_or_its_findings():
    folder = Path(__file__).parents[2] / "findings" / "expectations"
    rows = tomllib.loads((folder / "gpu.toml").read_text(encoding="utf-8"))["expect"]
    with_twin = {case.control_of for case in ALL if case.control_of}
    lone = {
        row["case"]
        for row in rows
        if row["case"] not in with_twin and f"findings/{row.get('finding')}-minimal" not in with_twin
    }
    assert rows
    assert not lone


def test_no_control_is_expected_to_fail():
    folder = Path(__file__).parents[2] / "findings" / "expectations"
    failing = {r["case"] for r in tomllib.loads((folder / "gpu.toml").read_text(encoding="utf-8"))["expect"]}
    assert not failing & {case.name for case in ALL if case.control_of}


def test_the_naive_graph_with_a_mask_has_a_control_that_every_runtime_computes_right():
    """LiteRT 2.1.3 loses an output that one elementwise op reads, and the mask is one: the control emits tokens x2."""
    controls = [case for case in ALL if case.control_of == "token-tensor/naive-masked-n400"]
    assert [case.name for case in controls] == ["token-tensor/naive-bare-box-x2-masked-n400"]
    assert controls[0].module is not None
    assert "memory_raw" not in controls[0].module.output_names


def test_an_empty_catalogue_is_nothing_to_run(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(catalogue, "catalogue", tuple)
    with pytest.raises(NothingRan, match="holds no case") as error:
        catalogue.select(())
    assert error.value.exit_code == 3
