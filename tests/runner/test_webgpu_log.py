"""Dawn's log says which command WebGPU refused, and whether it was to compile a shader."""

from __future__ import annotations

import pytest

from runner.webgpu_log import RefusedCommand, lacks_cause, refused_command

BEFORE = "INFO: x\nE0000 00:00:1795648946.437629   20062 environment.cc:105] "
WGSL = (
    BEFORE + "Validation error: Error while parsing WGSL: :20:10 error: unresolved value 'B'\n"
    "  for (; B < 1; B++) {\n         ^\n\n\n"
    " - While calling [Device].CreateShaderModule([ShaderModuleDescriptor]).\n"
)
INVALID = (
    BEFORE + "Validation error: [Invalid CommandBuffer] is invalid due to a previous error.\n"
    " - While calling [Queue].Submit([[Invalid CommandBuffer]])\n"
)
ZERO = (
    BEFORE + "Validation error: Binding size for [Buffer (unlabeled)] is zero.\n"
    " - While validating entries[1] against { binding: 3 }.\n"
    " - While validating [BindGroupDescriptor] against [BindGroupLayout (unlabeled)]\n"
    " - While calling [Device].CreateBindGroup([BindGroupDescriptor]).\n"
)
PIPELINE = (
    BEFORE + "Internal error: vkCreateComputePipelines failed with VK_ERROR_UNKNOWN\n"
    " - While calling [Device].CreateComputePipeline([ComputePipelineDescriptor]).\n"
)
LATER = (
    BEFORE + "Validation error: [Invalid ComputePipeline (unlabeled)] is invalid due to a previous error.\n"
    " - While encoding [ComputePassEncoder (unlabeled)].SetPipeline([Invalid ComputePipeline (unlabeled)]).\n"
    " - While finishing [CommandEncoder (unlabeled)].\n"
)
UNRESOLVED = RefusedCommand(
    True, "line 20, column 10 of the generated WGSL: unresolved value 'B': for (; B < 1; B++) {"
)


@pytest.mark.parametrize(
    ("log", "refused"),
    [
        (WGSL, UNRESOLVED),
        (WGSL + INVALID + ZERO, UNRESOLVED),
        (
            PIPELINE,
            RefusedCommand(True, "CreateComputePipeline: vkCreateComputePipelines failed with VK_ERROR_UNKNOWN"),
        ),
        (ZERO + INVALID, RefusedCommand(False, "CreateBindGroup: Binding size for [Buffer (unlabeled)] is zero")),
        (
            LATER + INVALID,
            RefusedCommand(True, "Submit: [Invalid ComputePipeline (unlabeled)] is invalid due to a previous error"),
        ),
        ("INFO: Validation error is a word\nWarning: maxDynamicUniformBuffers artificially reduced", None),
        ("", None),
    ],
    ids=[
        "shader",
        "consequences behind it",
        "driver's compiler",
        "another command",
        "cause said to a former job",
        "no error",
        "empty",
    ],
)
def test_the_first_refusal_is_the_reason(log: str, refused: RefusedCommand | None):
    assert refused_command(log) == refused


@pytest.mark.parametrize(
    ("log", "lacking"), [(LATER + INVALID, True), (WGSL + LATER, False), (ZERO + INVALID, False), ("", False)]
)
def test_a_log_without_the_cause_is_known(log: str, lacking: bool):
    assert lacks_cause(log) is lacking


def test_the_words_hold_nothing_of_the_one_run():
    assert refused_command(WGSL) == refused_command(WGSL.replace("20062", "17").replace("946.437", "947.001"))
