"""Why the OpenCL delegate made no kernels of a graph, in the words of the compiler or of the driver. Pure."""

from __future__ import annotations

import re

_FAILED = re.compile(r"Failed to create \S*DelegateKernel\S*: (?:[A-Z_]+: )?(.*)")
_NOT_BUILT = "Failed to build program executable"
# PoCL: `error: /a/tempfile_x.cl:18:15: use of ...`; Oclgrind, and clang: `input.cl:18:15: error: use of ...`.
_COMPILER = re.compile(r"[\w./-]+\.cl:(\d+):(\d+): (?:error: )?(.*)")


def kernel_failure(log: str) -> str:
    """One line without paths, so that equal failures read equal; empty where the log says nothing of the kind."""
    failed = _FAILED.search(log)
    if failed is None:
        return ""
    said = failed.group(1).strip()
    if not said.startswith(_NOT_BUILT):
        return said
    first = _COMPILER.search(log, failed.start(1))
    if first is None:
        return f"the generated OpenCL does not compile: {said}"
    line, column, words = first.groups()
    return f"the generated OpenCL does not compile: line {line}, column {column}: {words.strip()}"
