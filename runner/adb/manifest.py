"""What the native runner is told: the manifest's text, and the pack of objects it has to be sent.

Key insight: nothing that a user can name (a case, a path, an option) is ever a path or a command on
the device. Models and inputs are files named by their sha256, outputs are files named by a number,
and every free text is one escaped word.

Format, one record per line, words separated by one space, any byte outside [A-Za-z0-9_.:/-] as %XX
(upper case hex):

    mali-delegate-repro-batch 1
    accelerator gpu
    total_ms 600000                 wall time for the whole batch
    memory_mb 4096                  resident memory of a child; 0: no limit
    per_child 64                    cases that one forked child serves before it is replaced
    case ID NAME MODEL_SHA256 DEADLINE_MS REPEATS OPTIONS
    feed INPUT_SHA256...            once per feed, in the order of the file's inputs
    end

The pack is, again and again, "<sha256> <size>\\n" and the bytes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from runner.deadline import deadline_s
from runner.litert import PRECISIONS, toml_value
from runner.run import Job

FORMAT = "mali-delegate-repro-batch 1"
_PLAIN = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.:/-")


@dataclass(frozen=True)
class BatchCase:
    """One job as the runner sees it. number: its place in the campaign; outputs are filed under it."""

    number: int
    job: Job
    repeats: int = 1

    def objects(self) -> Mapping[str, bytes]:
        """sha256 -> bytes of the model and all inputs."""
        found = {self.job.model_sha256: self.job.model}
        for feed in self.job.feeds:
            for array in feed:
                data = np.ascontiguousarray(array).tobytes()
                found[hashlib.sha256(data).hexdigest()] = data
        return found


@dataclass(frozen=True)
class BatchLimits:
    """total_s: wall seconds for the batch. per_child: 1 gives every case a process of its own."""

    total_s: float
    memory_mb: int = 0
    per_child: int = 64


def escape(text: str | bytes) -> str:
    """One word of the manifest. NUL cannot be carried and becomes U+FFFD."""
    data = text.replace("\0", "\N{REPLACEMENT CHARACTER}").encode("utf-8", "replace") if isinstance(text, str) else text
    return "".join(chr(byte) if byte in _PLAIN else f"%{byte:02X}" for byte in data)


def gpu_options(job: Job) -> str:
    """The delegate's TOML option string of a job."""
    options = {"precision": PRECISIONS[str(job.precision)], **job.options}
    return "".join(f"{key} = {toml_value(value)}\n" for key, value in options.items())


def total_seconds(cases: Sequence[BatchCase]) -> float:
    """Wall seconds after which a batch is over whatever happens: every case may use its deadline twice (the
    second time alone), and the runtime may need a minute to start."""
    return 120.0 + 2.0 * sum(deadline_s(case.job) for case in cases)


def manifest_text(cases: Iterable[BatchCase], limits: BatchLimits, accelerator: str = "gpu") -> str:
    """The manifest of a batch. Pure and deterministic."""
    lines = [
        FORMAT,
        f"accelerator {accelerator}",
        f"total_ms {int(limits.total_s * 1000)}",
        f"memory_mb {limits.memory_mb}",
        f"per_child {limits.per_child}",
    ]
    for case in cases:
        options = gpu_options(case.job) if accelerator == "gpu" else ""
        deadline_ms = max(1, int(deadline_s(case.job) * 1000))
        numbers = (str(deadline_ms), str(case.repeats))
        words = [str(case.number), case.job.name or "case", case.job.model_sha256, *numbers, options]
        lines.append("case " + " ".join(escape(word) for word in words))
        for feed in case.job.feeds:
            shas = [hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest() for array in feed]
            lines.append(" ".join(["feed", *shas]))
    return "\n".join([*lines, "end", ""])


def pack(objects: Mapping[str, bytes]) -> bytes:
    """Objects as one file, so that a batch is one push however many models it has."""
    return b"".join(b"%s %d\n%s" % (sha.encode(), len(data), data) for sha, data in sorted(objects.items()))
