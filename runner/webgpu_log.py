"""What Dawn's log says of a command that WebGPU refused: the delegate goes on as if it had run. Pure.

Key insight: WebGPU reports errors to a callback and not to the caller. A shader that does not compile makes its
pipeline invalid, that makes the command buffer invalid, and a buffer that is invalid is dropped whole: no kernel in it
runs, and the API says success. Only the first error says why; those behind it are its consequences. Invalid pipelines
are kept as long as the process lives: a later model with the same kernel gets consequences only.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

# `Validation error: WORDS\n - While calling [Device].CreateShaderModule(...)`; the words may go on over lines.
_ERROR = re.compile(
    r"\b(?:Validation|Internal|Out-of-memory) error: (.*?)^ - While calling \[\w+\]\.(\w+)", re.M | re.S
)
_CALLED = re.compile(r"^ - While ", re.M)
_WGSL = re.compile(r"Error while parsing WGSL: :(\d+):(\d+) error: (.*)\n(.*)")
_COMPILES = ("CreateShaderModule", "CreateComputePipeline")
_CONSEQUENCE = re.compile(r"\[Invalid (\w+) .*is invalid due to a previous error")


@dataclass(frozen=True)
class RefusedCommand:
    """The first command that WebGPU refused. compiling: whether it was to compile a shader. words: why, in one line."""

    compiling: bool
    words: str


def refused_command(log: str) -> RefusedCommand | None:
    """None where the log holds no such error. The words are without time stamps: equal failures read equal."""
    first = _ERROR.search(log)
    if first is None:
        return None
    said, call = first.groups()
    shader = _WGSL.search(said)
    if shader is not None:
        line, column, why, source = shader.groups()
        return RefusedCommand(True, f"line {line}, column {column} of the generated WGSL: {why}: {source.strip()}")
    why = " ".join(_CALLED.split(said)[0].split()).rstrip(".")
    later = _CONSEQUENCE.match(said)
    return RefusedCommand(
        call in _COMPILES or (later is not None and later.group(1) == "ComputePipeline"), f"{call}: {why}"
    )


def lacks_cause(log: str) -> bool:
    """Whether the first error is the consequence of one that an earlier job of the same process met."""
    first = _ERROR.search(log)
    return first is not None and _CONSEQUENCE.match(first.group(1)) is not None
