"""Soundness beside rightness: reports are grouped, named, told apart from the harmless, and never passed over."""

from __future__ import annotations

import numpy as np
import pytest
from click.testing import CliRunner

from cases.builder import GraphBuilder
from repro import api
from repro.cli import main
from repro.records.folders import FINDINGS
from repro.trials.memory_check import MemoryCheck, Values, defects
from repro.verdicts.verdict import UNSOUND, Status, Verdict
from runner.opencl.android_runtime import made_versions
from runner.opencl.drivers import opencl_driver
from runner.opencl.oclgrind_log import Kind, Message, Place
from runner.opencl.trace import Memory, Report

RIGHT = Verdict(0, "y", Status.PASS)


def report(kind: Kind, *lines: int, argument: str = "weights", content: bytes | None = None) -> Report:
    places = tuple(Place((0, 0, i), line, 1, f"line {line}") for i, line in enumerate(lines))
    message = Message(kind, f"{kind} of size 16 at global memory address", "main_function", 512, 16, places)
    return Report(message, "source", (Memory(argument, 512, 512, content),))


@pytest.fixture(scope="module")
def values() -> Values:
    builder = GraphBuilder()
    x = builder.input("x", (1, 4, 8))
    graph = builder.build(outputs=[builder.mul(x, builder.const(np.arange(1, 9), "w"), name="y")])
    return Values(graph, ((np.linspace(-1, 2, 32, dtype=np.float32).reshape(1, 4, 8),),))


def test_reports_of_one_kernel_and_argument_are_one_defect(values: Values):
    reports = [report(Kind.OUTSIDE, 37), report(Kind.OUTSIDE, 40), report(Kind.READ_WRITE, 5, 9)]
    outside, race = defects(reports, values)
    assert (outside.kind, outside.count, outside.lines) == (Kind.OUTSIDE, 2, (37, 40))
    assert "0 bytes behind the end of 'weights', 512 bytes" in outside.said
    assert "work item (0, 0, 0) at line 37, `line 37`" in outside.said
    assert (race.count, race.lines) == (1, (5, 9))


def test_a_right_output_over_a_defect_is_unsound(values: Values):
    check = MemoryCheck(tuple(defects([report(Kind.OUTSIDE, 1)], values)), 3)
    (marked,) = check.mark([RIGHT])
    assert (marked.said, marked.is_clean) == (f"PASS, {UNSOUND}", False)


def test_a_benign_race_is_said_and_marks_nothing(values: Values):
    check = MemoryCheck(tuple(defects([report(Kind.WRITE_WRITE, 5)], values, benign=True)), 3)
    assert check.mark([RIGHT]) == (RIGHT,)
    assert "benign: the bytes written are equal" in "\n".join(line.text for line in check.lines())


def test_what_did_not_come_to_its_end_marks_nothing_and_is_unjudged(values: Values):
    check = MemoryCheck(tuple(defects([report(Kind.API, 1)], values)), 0, unjudged="it ended")
    assert check.mark([RIGHT]) == (RIGHT,)
    assert next(line.text for line in check.lines()) == "memory: unjudged: it ended"


@pytest.mark.parametrize("kind", list(Kind))
def test_nothing_that_was_reported_is_passed_over(values: Values, kind: Kind):
    assert MemoryCheck(tuple(defects([report(kind, 1)], values)), 1).unsound


def test_memory_is_named_by_the_values_in_it(values: Values):
    w = np.arange(1, 9, dtype=np.float32)
    padded = np.zeros(16, np.float32)
    padded[::2] = w[::-1]
    assert values.held_by(padded.tobytes()) == ("constant 'w'",)
    assert values.held_by((padded * -0.3).astype(np.float32).tobytes()) == ("a multiple of constant 'w'",)
    x = np.linspace(-1, 2, 32, dtype=np.float32).reshape(1, 4, 8)
    assert values.held_by(x.tobytes()) == ("input 'x'",)
    assert values.held_by((x * w).tobytes()) == ("'y'",)
    assert values.held_by(np.arange(32, dtype=np.float32).tobytes()) == ()
    assert values.held_by(b"\0" * 64) == values.held_by(None) == values.held_by(b"odd") == ()


@pytest.fixture
def oclgrind() -> None:
    if opencl_driver("oclgrind") is None or not made_versions():
        pytest.skip("Oclgrind or LiteRT-LM's library is not here; `make opencl` brings both")


def checked(path: str) -> api.Checked:
    return api.check(FINDINGS / path, target="gpu:oclgrind")


@pytest.mark.slow
@pytest.mark.usefixtures("oclgrind")
def test_a_read_outside_of_weights_is_reported_with_its_line_and_its_tensor():
    found = checked("constant-broadcasts-channels/models/minimal.tflite")
    assert found.memory is not None
    (defect,) = found.memory.defects
    assert defect.kind is Kind.OUTSIDE
    assert defect.first.message.size == 16
    assert [(memory.argument, memory.size, memory.offset) for memory in defect.first.memory] == [
        ("weights_buffer", 512, 512)
    ]
    assert defect.tensors == ("a multiple of constant 'const1'",)
    assert "weights" in defect.first.message.places[0].source
    assert not found.passed


@pytest.mark.slow
@pytest.mark.usefixtures("oclgrind")
def test_a_copy_that_writes_equal_values_twice_is_benign():
    builder = GraphBuilder()
    halves = builder.split(builder.input("x", (1, 2, 16)), 2, axis=2)
    found = api.check(builder.build(outputs=[builder.unary("NEG", half) for half in halves]), target="gpu:oclgrind")
    assert found.memory is not None
    assert {(defect.kind, defect.benign) for defect in found.memory.defects} == {(Kind.WRITE_WRITE, True)}
    assert found.passed


@pytest.mark.slow
@pytest.mark.usefixtures("oclgrind")
def test_a_race_behind_right_outputs_exits_1_as_unsound():
    model = str(FINDINGS / "split-halves-meet" / "models" / "minimal.tflite")
    answer = CliRunner().invoke(main, ["check", model, "--target", "gpu:oclgrind", "--precision", "fp32"])
    assert answer.exit_code == 1
    assert "output 0 'met' PASS, unsound" in answer.stdout
    assert "memory: read-write race: 'dst_tensor_1_buffer' and 'src_tensor_1_link1_buffer'" in answer.stdout


@pytest.mark.slow
@pytest.mark.usefixtures("oclgrind")
def test_what_did_not_come_to_its_end_is_unjudged():
    found = checked("concat-of-one/models/minimal.tflite")
    assert found.memory is not None
    assert found.memory.unjudged == "the run did not come to its end (REFUSED)"
    assert (found.passed, found.unjudged) == (False, True)
    assert {verdict.status for verdict in found.verdicts} == {Status.REFUSED}


# Right, and yet not sound: the copy of SPLIT leaves the channels that pad a group of four undefined, and as many work
# items as there are write them, each its own.
UNSOUND_CONTROLS = {"slice-of-split-part"}
CONTROLS = sorted({path.parent.parent.name for path in FINDINGS.glob("*/models/control.tflite")} - UNSOUND_CONTROLS)[
    :20
]


@pytest.mark.slow
@pytest.mark.parametrize("finding", CONTROLS)
@pytest.mark.usefixtures("oclgrind")
def test_healthy_controls_are_sound(finding: str):
    found = checked(f"{finding}/models/control.tflite")
    assert found.memory is not None
    assert [defect for defect in found.memory.defects if not defect.benign] == []
    assert found.memory.kernels > 0
    assert found.passed
