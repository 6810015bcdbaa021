"""What a delegate's log says of a model that the GPU and the cpu share: how many ops each got, and why. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass

_UNSUPPORTED = re.compile(
    r"Following operations are not supported by GPU delegate:\n((?:.*\n)*?)(.* operations will run.*)"
)
_SHARED = re.compile(r"(\d+) operations will run on the GPU, and the remaining (\d+) operations will run on the CPU")
_NONE = re.compile(r"No operations will run on the GPU, and all (\d+) operations will run on the CPU")


@dataclass(frozen=True)
class Division:
    """on_gpu, on_cpu: how many ops. refused: what the delegate said of each kind that it does not take, a line each."""

    on_gpu: int
    on_cpu: int
    refused: tuple[str, ...]


def division(log: str) -> Division | None:
    """None where the log has no such words, as where the delegate takes everything or fails for another reason."""
    found = _UNSUPPORTED.search(log)
    if found is None:
        return None
    shared, none = _SHARED.search(found.group(2)), _NONE.search(found.group(2))
    if shared is None and none is None:
        return None
    gpu, cpu = (int(shared.group(1)), int(shared.group(2))) if shared else (0, int(none.group(1)) if none else 0)
    return Division(gpu, cpu, tuple(line.strip() for line in found.group(1).splitlines() if line.strip()))
