"""A small OpenCL program of ours under Oclgrind: each fault planted in it is reported, of its kernel and memory."""

from __future__ import annotations

from pathlib import Path

import pytest

from runner.opencl.drivers import OpenClDriver, opencl_driver
from runner.opencl.loader import LoaderSettings
from runner.opencl.oclgrind_log import Kind
from runner.opencl.trace import Trace, parameter_names, read_trace
from tests.runner.opencl.test_loader import SOURCE, seen


@pytest.fixture
def oclgrind() -> OpenClDriver:
    driver = opencl_driver("oclgrind")
    if driver is None:
        pytest.skip("the OpenCL driver oclgrind is not installed here; `make opencl` brings it")
    return driver


def traced(driver: OpenClDriver, folder: Path, body: str, *, equal_writes: bool = True) -> Trace:
    """What is reported of four work items that run `body`, in which `out` is a buffer of four floats."""
    source = SOURCE.replace("out[get_global_id(0)] = GIVEN + get_global_id(0);", f"int i = get_global_id(0);\n{body}")
    seen(driver, LoaderSettings(trace=folder, equal_writes=equal_writes), source)
    return read_trace(folder, "")


def test_a_read_outside_of_a_buffer_is_reported_with_its_place(oclgrind: OpenClDriver, tmp_path: Path):
    trace = traced(oclgrind, tmp_path, "out[i] = GIVEN;\nif (i == 2) out[0] = out[i + 3];")
    outside = [report for report in trace.reports if report.message.kind is Kind.OUTSIDE]
    (report,) = outside
    (place,) = report.message.places
    assert (place.item, place.line) == ((2, 0, 0), 3)
    (memory,) = report.memory
    assert (memory.argument, memory.size, memory.offset) == ("out", 16, 20)
    assert "if (i == 2)" in report.source


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ("out[i + 1] = 1;", Kind.OUTSIDE),
        ("out[i] = out[i ^ 1];", Kind.READ_WRITE),
        ("out[i / 2] = i;", Kind.WRITE_WRITE),
        ("float own[2] = {0, 1}; out[i] = own[i];", Kind.OUTSIDE),
    ],
)
def test_each_kind_of_fault_is_told(oclgrind: OpenClDriver, tmp_path: Path, body: str, kind: Kind):
    reports = traced(oclgrind, tmp_path, body).reports
    assert kind in {report.message.kind for report in reports}
    assert all(report.source for report in reports)


def test_a_kernel_without_a_fault_is_silent_and_was_seen(oclgrind: OpenClDriver, tmp_path: Path):
    trace = traced(oclgrind, tmp_path, "out[i] = i;")
    assert (trace.reports, trace.kernels, trace.cut) == ((), 1, False)


def test_writes_of_equal_values_are_reported_only_where_asked(oclgrind: OpenClDriver, tmp_path: Path):
    for equal_writes in (True, False):
        folder = tmp_path / str(equal_writes)
        folder.mkdir()
        reports = traced(oclgrind, folder, "out[i / 2] = 1;", equal_writes=equal_writes).reports
        assert {report.message.kind for report in reports} == ({Kind.WRITE_WRITE} if equal_writes else set())


def test_a_run_of_which_nothing_was_left_saw_no_kernel(tmp_path: Path):
    assert read_trace(tmp_path, "") == Trace((), 0, False)


def test_parameters_are_named_in_their_order():
    source = """#define MAIN_FUNCTION __kernel void main_function
MAIN_FUNCTION(__global float4* dst_tensor_buffer,
  __read_only image2d_t biases_image2d,
  int4 shared_int4_0) {
"""
    assert parameter_names(source, "main_function") == ["dst_tensor_buffer", "biases_image2d", "shared_int4_0"]
    assert parameter_names(SOURCE, "f") == ["out"]
    assert parameter_names(SOURCE, "g") == []
