"""What Oclgrind reported of a run, each report beside the kernel and the memory that it is of.

Key insight: Oclgrind names a kernel by its function, which is the same for every kernel of the delegate, and memory by
an address. The loader library waits for each kernel and notes how far the log had grown, which program the kernel is
of, and where each buffer it was given lies (native/opencl_trace.c); so a report has a kernel, an address an argument.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from runner.opencl.oclgrind_log import Message, api_messages, read_log

CHECKS: Mapping[str, str] = {
    "OCLGRIND_CHECK_API": "1",
    "OCLGRIND_DATA_RACES": "1",
    # One thread: the same order of work items each time, and so the same reports.
    "OCLGRIND_NUM_THREADS": "1",
    "OCLGRIND_MAX_ERRORS": "5000",
}
"""What is asked of Oclgrind, as environment variables. Write-write races of equal bytes are not among it."""

EQUAL_WRITES: Mapping[str, str] = {"OCLGRIND_UNIFORM_WRITES": "1", "OCLGRIND_MAX_ERRORS": "50000"}
"""Also reports write-write races in which the bytes written are equal, of which there are many."""


@dataclass(frozen=True)
class Memory:
    """A buffer that a kernel was given.

    argument: its name in the generated source. size: bytes. offset: of the reported access, in bytes from its start;
    at `size` or more, or below 0, it is outside. content: what it held after the kernel, None where that was not kept.
    """

    argument: str
    size: int
    offset: int
    content: bytes | None = None


@dataclass(frozen=True)
class Report:
    """One message of Oclgrind. source: the kernel's generated program, empty where it is of no kernel."""

    message: Message
    source: str = ""
    memory: tuple[Memory, ...] = ()


@dataclass(frozen=True)
class Trace:
    """All reports of a run. kernels: how many times a kernel ran. cut: too many reports, some are missing."""

    reports: tuple[Report, ...]
    kernels: int
    cut: bool


def read_trace(folder: Path, printed: str) -> Trace:
    """What a run left in its trace folder. printed: what its process printed, where API errors stand."""
    reports: list[Report] = [Report(message) for message in api_messages(printed)]
    kernels, cut = 0, False
    for file in sorted(folder.glob("trace-*.jsonl")):
        process = _Process(folder, file.stem.partition("-")[2])
        found, was_cut = process.reports()
        reports += found
        kernels += len(process.runs)
        cut |= was_cut
    return Trace(tuple(reports), kernels, cut)


class _Process:
    """What one process left."""

    def __init__(self, folder: Path, pid: str) -> None:
        self._folder, self._pid = folder, pid
        records = map(json.loads, (folder / f"trace-{pid}.jsonl").read_text(encoding="utf-8").splitlines())
        self.runs: list[dict[str, Any]] = []
        self._buffers: dict[int, dict[str, Any]] = {}
        for record in records:
            if "run" in record:
                self.runs.append(record)
            else:
                self._buffers[record["buffer"]] = record

    def reports(self) -> tuple[list[Report], bool]:
        found: list[Report] = []
        cut = False
        for path in sorted(self._folder.glob(f"reports-{self._pid}-*.log")):
            context = int(path.stem.rpartition("-")[2])
            text = path.read_bytes()
            end = 0
            for run in (run for run in self.runs if run["context"] == context):
                start, stop = run["reported"]
                # What was reported between two kernels, of a copy say, is a report too, of no kernel.
                for part, of in ((text[end:start], None), (text[start:stop], run)):
                    log = read_log(part.decode(errors="replace"))
                    cut |= log.cut
                    found += (self._report(message, of) for message in log.messages)
                end = stop
            log = read_log(text[end:].decode(errors="replace"))
            cut |= log.cut
            found += (Report(message) for message in log.messages)
        return found, cut

    def _report(self, message: Message, run: dict[str, Any] | None) -> Report:
        if run is None:
            return Report(message)
        path = self._folder / f"program-{self._pid}-{run['program']}.cl"
        source = path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""
        return Report(message, source, tuple(self._memory(message, run, source)))

    def _memory(self, message: Message, run: dict[str, Any], source: str) -> Iterator[Memory]:
        """The arguments that the address is of: those whose buffer is nearest, two where one buffer was given twice."""
        if message.address is None:
            return
        near = [(self._distance(message.address, number), index, number) for index, number in run["arguments"]]
        nearest = min((distance for distance, _, _ in near), default=None)
        names = parameter_names(source, message.kernel)
        for distance, index, number in near:
            if distance == nearest and distance < _FAR:
                buffer = self._buffers[number]
                kept = self._folder / f"memory-{self._pid}-{run['run']}-{number}.bin"
                yield Memory(
                    argument=names[index] if index < len(names) else f"argument {index}",
                    size=buffer["size"],
                    offset=message.address - buffer["address"],
                    content=kept.read_bytes() if kept.is_file() else None,
                )

    def _distance(self, address: int, number: int) -> int:
        start, size = self._buffers[number]["address"], self._buffers[number]["size"]
        return max(start - address, address - (start + size - 1), 0)


_FAR = 1 << 40  # Oclgrind's buffers lie 2^48 bytes apart


def parameter_names(source: str, kernel: str) -> list[str]:
    """The parameters of a kernel in their order, by its generated source; none where it is not found there."""
    name = r"MAIN_FUNCTION|" + re.escape(kernel) if kernel == "main_function" else re.escape(kernel)
    found = re.search(rf"\b(?:{name})\s*\(([^)]*)\)\s*\{{", source)
    if not found:
        return []
    return [match.group() for part in found.group(1).split(",") if (match := re.search(r"\w+(?=\s*$)", part))]
