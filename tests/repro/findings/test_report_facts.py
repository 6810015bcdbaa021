"""Every measured sentence of a report, on records made up: what it says, and what it may not say."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from cases.builder import GraphBuilder
from repro.findings import report_facts
from repro.findings.reader import load
from repro.findings.where import Range
from tests.repro.findings.shipped import ONE

MINIMAL = load(ONE).minimal
ENVIRONMENT = {"driver": "llvmpipe 25", "adapter": "llvmpipe", "runtime": "2.3.0", "device": {}}


def cell(
    case: str = "minimal",
    target: str = "gpu:lavapipe",
    runtime: str = "2.3.0",
    precision: str = "fp32",
    wrong: tuple[int, ...] = (),
    verdict: str = "FAIL",
    signature: str = "stale",
) -> dict[str, Any]:
    outputs = [
        {
            "output": i,
            "name": f"o{i}",
            "verdict": verdict if i in wrong else "PASS",
            "signature": signature * (i in wrong),
        }
        for i in range(2)
    ]
    if verdict != "FAIL":
        outputs = [{"output": -1, "name": "", "verdict": verdict, "signature": ""}]
    return {
        "case": case,
        "control_of": "minimal" if case == "control" else "",
        "runtime": runtime,
        "target": target,
        "precision": precision,
        "outputs": outputs,
    }


def test_a_graph_is_listed_op_by_op_with_the_wrong_outputs_marked():
    g = GraphBuilder()
    y = g.add(g.input("x", (1, 4)), g.const(np.ones((1, 4))), name="y", activation="RELU")
    z = g.reshape(g.scaled(y, 0.5, name="half"), (4, 1), name="z")
    assert report_facts.listing(g.build([z, y]), [1]) == [
        "x: input [1,4]",
        "y = ADD + RELU(x, constant[1,4])   [1,4]   <- output 1, WRONG",
        "half = MUL(y, 0.5)   [1,4]",
        "z = RESHAPE(half, [4,1])   [4,1]   <- output 0",
    ]


def test_runtimes_are_ordered_as_versions_and_nightlies_are_named():
    records = [cell(runtime=v) for v in ("2.10.0", "2.9.0", "2.10.1.dev3", "2.9.0")]
    assert report_facts.runtimes(records) == ["2.9.0", "2.10.0", "2.10.1.dev3"]
    assert report_facts.nightly(records) == "2.10.1.dev3"
    assert report_facts.nightly(records[:2]) == ""


def test_drivers_are_named_once_and_another_name_says_in_which_runtime():
    named = {**ENVIRONMENT, "target": "gpu:lavapipe@Mali-G610"}
    environments = [
        {**ENVIRONMENT, "target": "gpu:lavapipe"},
        {**ENVIRONMENT, "target": "gpu:lavapipe", "runtime": "2.2.0"},
        {**ENVIRONMENT, "target": "cpu", "adapter": ""},
        named,
    ]
    lines = {line["target"]: line["text"] for line in report_facts.drivers(environments)}
    assert lines == {
        "gpu:lavapipe": "llvmpipe 25, adapter 'llvmpipe'",
        "gpu:lavapipe@Mali-G610": "llvmpipe 25, adapter 'llvmpipe' (LiteRT 2.3.0 only)",
    }


def test_a_phone_is_named_by_its_model_and_never_by_its_number():
    phones = [{"target": "adb:SERIAL", "device": {"model": "Pixel 8a"}}, {"target": "adb:OTHER", "device": {}}]
    assert report_facts.phones([*phones, {"target": "gpu:a", "device": {}}]) == ["Pixel 8a", "a phone"]
    assert report_facts.public_target("adb:SERIAL") == "adb"
    assert report_facts.shown_target("adb:SERIAL") == "adb"
    assert report_facts.shown_target("gpu:lavapipe@Mali-G610") == "gpu:lavapipe named Mali-G610, not a Mali"


def test_a_cell_is_ok_or_says_each_thing_that_is_wrong_once():
    assert report_facts.mark(cell()) == "ok"
    assert report_facts.mark(cell(wrong=(0, 1))) == "stale"
    assert report_facts.mark(cell(verdict="REFUSED")) == "REFUSED"


def test_the_matrix_has_a_line_for_each_target_and_precision_with_the_cpu_last():
    records = [
        cell(target="cpu"),
        cell(runtime="2.2.0"),
        cell(wrong=(0,)),
        cell(precision="fp16"),
        cell("control", wrong=(0,)),
    ]
    lines = report_facts.matrix_lines(records, MINIMAL)
    assert [(line["target"], line["precision"], line["marks"]) for line in lines] == [
        ("gpu:lavapipe", "fp32", ["ok", "stale"]),
        ("gpu:lavapipe", "fp16", ["", "ok"]),
        ("cpu", "fp32", ["", "ok"]),
    ]


def test_what_was_measured_of_a_model_is_counted_over_its_cells():
    records = [cell(wrong=(0,)), cell(precision="fp16", wrong=(0,)), cell(target="cpu"), cell("control", wrong=(0,))]
    assert report_facts.measured(records, MINIMAL) == "wrong in 2 of 3 cells (stale)"
    assert report_facts.measured(records[2:3], MINIMAL) == "right in all 1 cell"


def test_what_another_bug_does_to_a_model_elsewhere_is_counted_apart():
    limited = dataclasses.replace(MINIMAL, where=Range(targets=("gpu:a",)), elsewhere=(0,))
    records = [cell(target="gpu:a", wrong=(0,)), cell(target="gpu:b", wrong=(0,)), cell(target="gpu:b")]
    said = "wrong in 1 of 1 cells (stale), all of LiteRT 2.3.0; elsewhere wrong in 1 of 2 cells (stale), by another bug"
    assert report_facts.measured(records, limited) == said


def test_a_model_of_a_range_names_the_runtimes_only_where_all_of_their_cells_are_wrong():
    limited = dataclasses.replace(MINIMAL, where=Range("<2.2"))
    old = [cell(runtime="2.1.3", wrong=(0,)), cell(runtime="2.1.3", precision="fp16", wrong=(0,))]
    new = [cell(runtime="2.3.0")]
    assert report_facts.measured(old + new, limited) == "wrong in 2 of 3 cells (stale), all of LiteRT 2.1.3"
    old[1] = cell(runtime="2.1.3", precision="fp16")
    assert report_facts.measured(old + new, limited) == "wrong in 1 of 3 cells (stale)"


def test_cells_exclude_precision_and_driver_only_where_both_show_it():
    finding = load(ONE)
    both = [cell(precision=p, target=t, wrong=(0,)) for p in ("fp32", "fp16") for t in ("gpu:a", "gpu:b")]
    said = report_facts.ruled_out(finding, both)
    assert "Not the precision: it shows in fp32 and in fp16." in said
    assert "Not the driver: gpu:a and gpu:b are independent implementations and agree." in said
    one = report_facts.ruled_out(finding, [cell(wrong=(0,)), cell(target="gpu:b")])
    assert not any("precision" in sentence or "driver:" in sentence for sentence in one)
    nowhere = report_facts.ruled_out(finding, [cell()])
    assert not any(sentence.startswith("Not ") for sentence in nowhere)


def test_another_adapters_name_is_no_statement_about_a_mali():
    (sentence,) = [
        said
        for said in report_facts.ruled_out(load(ONE), [cell(wrong=(0,)), cell(target="gpu:lavapipe@Mali-G610")])
        if "adapter's name" in said
    ]
    assert "it does not show there" in sentence
    assert "no statement about a Mali" in sentence
    (other,) = [
        said
        for said in report_facts.ruled_out(load(ONE), [cell(wrong=(0,)), cell(target="gpu:lavapipe@NVIDIA H100")])
        if "adapter's name" in said
    ]
    assert "no statement about such a GPU" in other


def test_swiftshaders_fp16_says_nothing_of_precision():
    assert "says nothing about precision" in report_facts.fp16_note([cell(target="gpu:swiftshader", precision="fp16")])
    assert report_facts.fp16_note([cell(target="gpu:swiftshader"), cell(precision="fp16")]) == ""


def test_a_runtime_is_pinned_where_the_newest_release_no_longer_shows_it():
    fixed = load("output-before-elementwise")
    records = [cell(runtime=v) for v in ("2.1.3", "2.3.0", "2.4.0.dev1")]
    assert report_facts.pinned(fixed, records) == "2.1.3"
    assert report_facts.pinned(load(ONE), records) == ""


def test_the_matrix_answers_for_each_output_of_one_model_over_gpus_only():
    records = [cell(wrong=(0,)), cell(target="cpu", wrong=(1,)), cell("control")]
    said = report_facts.cell_sentence(records, "minimal")
    assert said.startswith("Output `o0` shows in 1 of 1 cell")
    assert "o1" not in said
    assert report_facts.cell_sentence([cell()], "minimal") == "The model passes in all 1 cell"
    assert report_facts.cell_sentence([cell(verdict="CRASH")], "minimal").startswith("The end of the process shows in")
