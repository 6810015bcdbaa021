"""A refusal says why in the words of the compiler or the driver, the same ones whatever machine it was on."""

from __future__ import annotations

import pytest

from runner.opencl.refusal import kernel_failure

BEFORE = (
    "INFO: x\nE0000 00:00:1.2   17 delegate_opencl.cc:341] Failed to create litert::ml_drift::DelegateKernelLiteRt: "
)
NOT_BUILT = BEFORE + "UNKNOWN: Failed to build program executable - Build program failure"


@pytest.mark.parametrize(
    ("log", "said"),
    [
        (
            NOT_BUILT + "error: /tmp/pocl/tempfile_NworCL.cl:18:15: use of undeclared identifier 'B'\nDevice a b",
            "the generated OpenCL does not compile: line 18, column 15: use of undeclared identifier 'B'",
        ),
        (
            NOT_BUILT + "input.cl:18:10: error: use of undeclared identifier 'B'\n  for (; B < 1; B++) {\n",
            "the generated OpenCL does not compile: line 18, column 10: use of undeclared identifier 'B'",
        ),
        (
            NOT_BUILT + "\nnothing more",
            "the generated OpenCL does not compile: Failed to build program executable - Build program failure",
        ),
        (
            BEFORE + "UNKNOWN: Failed to allocate 0 bytes of device memory (clCreateBuffer): Invalid buffer size\nx",
            "Failed to allocate 0 bytes of device memory (clCreateBuffer): Invalid buffer size",
        ),
        ("ERROR: DIV: Not supported op DIV\n", ""),
        ("", ""),
    ],
    ids=["PoCL", "Oclgrind", "no words", "no kernel's fault", "another refusal", "empty"],
)
def test_the_reason_is_taken_from_the_log(log: str, said: str):
    assert kernel_failure(log) == said
