"""LiteRT's own `run_model` as the engine: nothing of ours runs on the phone, only files lie there.

For a maintainer who wants to see the bug with their own tool. Its limits, all of which the Runs say:
it prints values with six digits, so small errors drown (judge gross failures only); there is no
pre-filled output, so "never written" cannot be told from garbage; CPU is always its fallback, so
residency is believed only from the delegate's log line; one process per feed; inputs are files named
after the model's inputs, so names that are no plain file names are refused.

Source of flags and output: litert/tools/run_model.cc and tensor_utils.h of google-ai-edge/LiteRT.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from runner.adb.results import Garbage
from runner.encoding import shell_command
from runner.errors import BadInput

LIMITS = "run_model prints six digits, pre-fills no output and falls back to the CPU: gross failures only"
_PLAIN_NAME = re.compile(r"[A-Za-z0-9_.+:-][A-Za-z0-9_.+: -]*")
_BUFFER = re.compile(r"(?:^|\s|\])(Input|Output) buffer (\d+):\s*$")
_ELEMENTS = re.compile(r"Total logical elements: (\d+)\s*$")
_TYPE = re.compile(r"ElementType: (\d+)\s*$")
_VALUE = re.compile(r"(?:\]|^)\s+(\d+): (\S+)\s*$")
_DTYPES = {1: "float32", 2: "int32", 3: "uint8"}


def command_line(binary: str, model: str, input_dir: str, precision: str, elements: int) -> str:
    """The command for one feed. elements: of the largest tensor, so that every value is printed."""
    words = [binary, f"--graph={model}", "--accelerator=gpu", f"--gpu_precision={precision}"]
    words += [f"--input_dir={input_dir}", "--print_tensors=true", "--compare_numerical=true"]
    return shell_command([*words, f"--sample_size={max(1, elements)}", "--stderrthreshold=0"])


def input_file(name: str) -> str:
    """`<input>.raw`. Raises BadInput for an input name that would be another path."""
    if not _PLAIN_NAME.fullmatch(name) or ".." in name:
        raise BadInput(
            f"run_model takes inputs from files named after them, and '{name}' is no file name; rename the input"
        )
    return f"{name}.raw"


def parse_outputs(log: str, shapes: Sequence[tuple[int, ...]]) -> tuple[np.ndarray, ...]:
    """The output tensors that run_model printed, in its order, shaped as `shapes`.

    Raises Garbage where a tensor or a value is missing: a truncated log must not become zeros.
    """
    values: dict[int, dict[int, str]] = {}
    dtypes: dict[int, str] = {}
    totals: dict[int, int] = {}
    current: int | None = None
    for line in log.splitlines():
        if found := _BUFFER.search(line):
            current = int(found.group(2)) if found.group(1) == "Output" else None
            if current is not None:
                values[current] = {}
        elif current is None:
            continue
        elif found := _TYPE.search(line):
            dtypes[current] = _DTYPES.get(int(found.group(1)), "uint8")
        elif found := _ELEMENTS.search(line):
            totals[current] = int(found.group(1))
        elif found := _VALUE.search(line):
            values[current].setdefault(int(found.group(1)), found.group(2))
    arrays = []
    for index, shape in enumerate(shapes):
        count = int(np.prod(shape, dtype=np.int64))
        have = values.get(index, {})
        if totals.get(index) != count or len(have) != count or (count and max(have) != count - 1):
            raise Garbage(
                f"run_model printed {len(have)} of {count} values of output {index}; its log was cut, run again"
            )
        try:
            flat = np.array([float(have[i]) for i in range(count)])
        except ValueError as error:
            raise Garbage(f"run_model printed something that is no number for output {index} ({error})") from error
        arrays.append(flat.astype(dtypes.get(index, "float32")).reshape(shape))
    return tuple(arrays)
