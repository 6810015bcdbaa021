"""A model over OpenCL: the same machinery as every host target, with the log's own word for where it ran."""

from __future__ import annotations

import numpy as np
import pytest

from cases import catalogue
from cases.findings.registry import FINDING_MODELS
from cases.tflite.write import write_tflite
from repro.verdicts.judge import judge
from repro.verdicts.subject import case_subject
from runner.errors import BadInput
from runner.opencl.android_runtime import NEWEST
from runner.opencl.drivers import OpenClDriver
from runner.run import Job, Outcome, Precision
from runner.targets import open_target, precisions_for
from tests.runner.models import add_model, feed


def test_a_model_runs_in_one_partition_of_the_opencl_delegate(target_name: str):
    x, y = feed(1)
    with open_target(target_name) as target:
        run = target.run(Job(add_model(), ((x, y),), name="add"))
    assert run.outcome is Outcome.OK
    assert "Replacing 1 out of 1 node(s) with delegate (LITERT_CL) node, yielding 1 partitions" in run.log
    np.testing.assert_array_equal(run.outputs[0][0], x + y)
    assert run.fingerprint.runtime == NEWEST
    assert set(run.fingerprint.libraries) == {"liblitert-lm.so", "android_libc.c"}
    assert run.fingerprint.driver.startswith(("PoCL ", "Oclgrind "))


def test_the_bug_that_began_it_all_shows(target_name: str):
    subject = case_subject(next(iter(catalogue.select(["findings/add-output-feeds-reduction-minimal"], None))))
    with open_target(target_name) as target:
        verdicts = judge(target.run(subject.job(Precision.FP32)), subject)
    assert [f"{v.status} {v.signature}".strip() for v in verdicts] == ["FAIL alias(x)", "PASS"]


def test_a_kernel_that_does_not_compile_is_a_refusal_in_the_compilers_words(target_name: str):
    model = next(m for m in FINDING_MODELS["concat-of-one"] if m.name == "minimal")
    assert model.build is not None
    graph = model.build()
    feeds = tuple(np.zeros(graph.tensors[name].shape, np.float32) for name in graph.inputs)
    with open_target(target_name) as target:
        run = target.run(Job(write_tflite(graph), (feeds,), name="concat of one"))
    assert run.outcome is Outcome.REFUSED
    assert "the generated OpenCL does not compile: line 18, column 15: use of undeclared identifier 'B'" in run.message


def test_results_under_another_name_or_storage_are_other_results(target_name: str):
    names = [target_name, f"{target_name}+textures", f"{target_name}@Mali-G610", f"{target_name}@Mali-G715"]
    identities = {open_target(name).identity for name in names}
    assert len(identities) == len(names)
    with open_target(f"{target_name}@Mali-G610") as named:
        run = named.run(Job(add_model(), (feed(1),), name="named"))
    assert run.outcome is Outcome.OK
    assert "named Mali-G610, not a Mali" in run.fingerprint.driver


def test_a_vector_times_a_matrix_writes_no_further_than_its_result(pocl: OpenClDriver, target_name: str):
    """PoCL 3.1 builds the kernel behind it wrongly where it optimises it, and the process died of it."""
    subject = case_subject(next(iter(catalogue.select(["fuzzed/batch-matmul-of-two"], None))))
    with open_target(target_name) as target:
        for _ in range(3):
            assert {v.status for v in judge(target.run(subject.job(Precision.FP32)), subject)} == {"PASS"}


def test_a_precision_that_the_driver_lacks_is_refused(pocl: OpenClDriver, target_name: str):
    if "fp16" in [str(p) for p in precisions_for(target_name, "both")]:
        pytest.skip(f"{target_name} has fp16 in this version")
    with pytest.raises(BadInput, match="computes fp32 only"):
        precisions_for(target_name, "fp16")
    with open_target(target_name) as target, pytest.raises(BadInput, match="computes fp32 only"):
        target.run(Job(add_model(), (feed(1),), Precision.FP16))


def test_each_target_has_its_own_runtimes(target_name: str):
    with pytest.raises(BadInput, match=rf"{target_name} does not run on 2\.\d.*; for it the runtimes are lm-0\.14\.0"):
        open_target(target_name, runtime=open_target("cpu").runtime)
    with open_target("cpu", runtime=NEWEST) as cpu:
        run = cpu.run(Job(add_model(), (feed(1),), name="cpu"))
    assert run.outcome is Outcome.OK
    assert run.fingerprint.runtime == NEWEST
