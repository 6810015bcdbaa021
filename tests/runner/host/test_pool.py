"""Jobs on the real targets of this host: results, residency, sentinel, feeds, order, refusals, fingerprint."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterator

import numpy as np
import pytest

from cases.builder import GraphBuilder
from cases.findings.concat_of_one import concat_of_one
from cases.tflite.write import write_tflite
from runner.errors import BadInput, TargetUnavailable
from runner.host.pool import HostTarget
from runner.host.vulkan import adapters
from runner.run import Job, Outcome, Precision, unwritten_mask
from runner.target import Target
from runner.targets import open_target
from runner.webgpu_log import refused_command
from tests.runner.models import (
    add_model,
    add_then_sum_model,
    feed,
    fully_connected_then_add_model,
    two_outputs_model,
)


def test_cpu_and_reference_kernels_compute_every_feed(cpu: Target):
    a, b = feed(1), feed(2)
    with open_target("cpu:reference") as reference:
        for target in (cpu, reference):
            run = target.run(Job(two_outputs_model(), (a, b, a), name="two"))
            assert run.outcome is Outcome.OK
            assert run.message == ""
            assert run.output_names == ("s", "p")
            assert len(run.outputs) == 3
            for (x, y), (s, p) in zip((a, b, a), run.outputs, strict=True):
                np.testing.assert_array_equal(s, x - y)
                np.testing.assert_array_equal(p, x * y)
            assert run.fully_accelerated is None
            assert run.fingerprint.driver == run.fingerprint.adapter == ""


@pytest.mark.gpu
def test_why_a_shader_does_not_compile_is_in_the_log_of_each_job_that_needs_it(gpu: Target):
    models = [write_tflite(concat_of_one(axis=axis)) for axis in (2, 1)]
    feeds = (tuple(np.zeros(shape, np.float32) for shape in ((1, 4, 4), (1, 4, 4))),)
    runs = list(gpu.run_many(Job(model, feeds, name="one input") for model in models))
    assert [run.outcome for run in runs] == [Outcome.OK, Outcome.OK]
    for run in runs:
        refused = refused_command(run.log)
        assert refused is not None
        assert refused.compiling
        assert "of the generated WGSL: unresolved value 'B'" in refused.words


@pytest.mark.gpu
def test_gpu_runs_a_healthy_model_resident_in_both_precisions(gpu: Target):
    x, y = feed(3)
    for precision, tolerance in ((Precision.FP32, 1e-6), (Precision.FP16, 1e-2)):
        run = gpu.run(Job(add_model(), ((x, y),), precision, "add"))
        assert run.outcome is Outcome.OK
        assert run.fully_accelerated is True
        np.testing.assert_allclose(run.outputs[0][0], x + y, atol=tolerance)
        assert {"load", "compile", "first_run", "read"} <= set(run.stages)
        assert all(seconds >= 0 for seconds in run.stages.values())


@pytest.mark.gpu
def test_repeated_feed_gives_the_same_and_another_feed_gives_another(gpu: Target):
    a, b = feed(4), feed(5)
    run = gpu.run(Job(add_model(), (a, b, a), name="aba"))
    np.testing.assert_array_equal(run.outputs[0][0], run.outputs[2][0])
    assert not np.array_equal(run.outputs[0][0], run.outputs[1][0])
    assert run.stages["repeat_run"] > 0


@pytest.mark.gpu
def test_the_add_bug_shows_and_only_in_the_fused_output(gpu: Target):
    x, y = feed(6)
    run = gpu.run(Job(add_then_sum_model(), ((x, y),), name="bug"))
    assert run.outcome is Outcome.OK
    assert run.fully_accelerated is True
    wrong, total = run.outputs[0]
    assert np.abs(wrong - (x + y)).max() > 0.1
    np.testing.assert_allclose(total, (x + y).sum(axis=2, keepdims=True), atol=1e-4)


@pytest.mark.gpu
def test_the_sentinel_survives_where_the_delegate_never_writes(gpu: Target):
    (x,) = feed(7, count=1)
    run = gpu.run(Job(fully_connected_then_add_model(), ((x,), (-x,), (x,)), name="unwritten"))
    for outputs in run.outputs:
        assert unwritten_mask(outputs[0]).all()
        assert not unwritten_mask(outputs[1]).any()


def test_the_sentinel_is_gone_where_the_cpu_writes(cpu: Target):
    (x,) = feed(7, count=1)
    run = cpu.run(Job(fully_connected_then_add_model(), ((x,),), name="written"))
    assert not any(unwritten_mask(output).any() for output in run.outputs[0])


@pytest.mark.gpu
def test_a_refusal_names_the_op_and_the_next_job_runs(gpu: Target):
    b = GraphBuilder()
    b.output(b.unary("RELU_0_TO_1", b.input("x", (1, 4, 4, 8)), "r"))
    refused = gpu.run(Job(write_tflite(b.build()), (feed(8, 1, (1, 4, 4, 8)),), name="relu"))
    assert refused.outcome is Outcome.REFUSED
    assert "RELU_0_TO_1" in refused.message
    assert refused.outputs == ()
    assert gpu.run(Job(add_model(), (feed(8),), name="after")).outcome is Outcome.OK


def test_what_is_no_model_and_feeds_that_do_not_fit_are_refused_in_words(cpu: Target):
    x, y = feed(9)
    cases = {
        "501": Job(b"this is no model", ((x, y),)),
        "2 inputs, 1 arrays": Job(add_model(), ((x,),)),
        "input 1 'b' is float32[1, 64, 8], was given float32[64, 8]": Job(add_model(), ((x, y[0]),)),
        "was given float64[1, 64, 8]": Job(add_model(), ((x.astype(np.float64), y),)),
    }
    for words, job in cases.items():
        run = cpu.run(job)
        assert run.outcome is Outcome.REFUSED
        assert words in run.message


def test_runs_come_in_the_order_of_jobs_with_several_workers():
    feeds = [feed(seed) for seed in range(24)]
    with open_target("cpu", workers=3) as target:
        jobs = [Job(add_model(), (f,), name=str(i)) for i, f in enumerate(feeds)]
        runs = list(target.run_many(jobs))
    assert [run.name for run in runs] == [str(i) for i in range(24)]
    for run, (x, y) in zip(runs, feeds, strict=True):
        np.testing.assert_array_equal(run.outputs[0][0], x + y)


def test_an_endless_stream_of_jobs_is_drawn_only_a_little_ahead():
    drawn = 0

    def jobs() -> Iterator[Job]:
        nonlocal drawn
        for seed in itertools.count():
            drawn += 1
            yield Job(add_model(), (feed(seed),), name=str(seed))

    with open_target("cpu", workers=2) as target:
        stream = target.run_many(jobs())
        names = [next(stream).name for _ in range(10)]
        stream.close()  # type: ignore[attr-defined]
        assert names == [str(i) for i in range(10)]
        assert drawn <= 10 + 2 * 2 + 1
        assert target.run(Job(add_model(), (feed(0),))).outcome is Outcome.OK


def test_cpu_takes_no_fp16(cpu: Target):
    with pytest.raises(BadInput, match="fp32 only"):
        cpu.run(Job(add_model(), (feed(0),), Precision.FP16))


@pytest.mark.gpu
def test_fingerprint_and_identity_say_what_ran(gpu: Target):
    job = Job(add_model(), (feed(0),), name="print")
    fingerprint = gpu.run(job).fingerprint
    assert fingerprint.target == gpu.name
    assert fingerprint.model_sha256 == job.model_sha256
    assert fingerprint.precision == "fp32"
    assert {"libLiteRt.so", "libLiteRtWebGpuAccelerator.so"} <= set(fingerprint.libraries)
    assert all(len(sha) == 64 for sha in fingerprint.libraries.values())
    for part in (gpu.name, fingerprint.runtime, fingerprint.driver, fingerprint.adapter):
        assert part
        assert part in gpu.identity


@pytest.mark.gpu
def test_the_log_is_the_jobs_own(gpu: Target):
    b = GraphBuilder()
    b.output(b.unary("RELU_0_TO_1", b.input("x", (1, 4, 4, 8)), "r"))
    refused = gpu.run(Job(write_tflite(b.build()), (feed(8, 1, (1, 4, 4, 8)),)))
    healthy = gpu.run(Job(add_model(), (feed(0),)))
    assert "RELU_0_TO_1" in refused.log
    assert healthy.log
    assert "RELU_0_TO_1" not in healthy.log


@pytest.mark.gpu
def test_a_device_that_the_delegate_does_not_choose_is_no_target(gpu: Target):
    """One driver, two devices: asked for the second, the delegate takes the first without a word."""
    assert isinstance(gpu, HostTarget)
    (real,) = [adapter for adapter in adapters() if gpu.name == f"gpu:{adapter.key}"]
    imagined = dataclasses.replace(real, device="no such device", key="no-such-device", siblings=2)
    target = HostTarget("gpu:no-such-device", "gpu", gpu.runtime, driver=imagined)
    with pytest.raises(TargetUnavailable, match="but the delegate chose"):
        target.activate()


@pytest.mark.gpu
def test_a_second_model_of_the_process_runs_beside_a_job_and_changes_nothing(gpu: Target):
    a, b = feed(1), feed(2)
    alone = Job(two_outputs_model(), (a, b, a), name="alone")
    beside = dataclasses.replace(alone, companion=Job(add_then_sum_model(), (b,)), name="beside")
    assert beside.key != alone.key
    one, other = gpu.run_many([alone, beside])
    assert (one.outcome, other.outcome) == (Outcome.OK, Outcome.OK)
    for mine, theirs in zip(one.outputs, other.outputs, strict=True):
        for x, y in zip(mine, theirs, strict=True):
            np.testing.assert_array_equal(x, y)


@pytest.mark.gpu
def test_a_second_model_that_cannot_be_had_is_a_refusal(gpu: Target):
    run = gpu.run(Job(two_outputs_model(), (feed(1),), companion=Job(b"no model", (feed(1),))))
    assert run.outcome is Outcome.REFUSED
    assert run.message.startswith("the model beside it: ")


def test_a_target_that_runs_one_model_at_a_time_refuses_a_second_one(cpu: Target):
    with pytest.raises(BadInput, match="runs one model at a time"):
        cpu.run(Job(two_outputs_model(), (feed(1),), companion=Job(add_model(), (feed(1),))))
