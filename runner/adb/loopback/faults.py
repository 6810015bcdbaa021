"""Faults on command: what the loopback device does wrong, and when.

A one-shot fault (the drops, the kill, the garbage) is spent when it strikes, so that what follows
shows whether the host recovers; the others last until they are taken back.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field, fields


@dataclass
class Faults:
    """All off by default. Byte and line counts are of the stream in question, since the fault was set.

    unauthorized: it accepts no key. offline: it does not answer. Both when a server connects.
    shell_v1_only: announces no shell_v2. noexec: pushed files lose their execute bits.
    bytes_per_s: pushes and pulls are held to this rate, and what commands are told.
    disk_full_after: pushes fail with "No space left on device" after so many bytes.
    runner_disk_bytes: the runner's own writes fail with ENOSPC after so many bytes.
    drop_push_after, drop_pull_after: the cable goes after so many bytes (drop_push_after: what commands are told
    counts); drop_run_after: after so many lines of the runner's output. away_s: how long it stays gone afterwards.
    garbage_after: after so many lines, the next one is replaced by noise.
    kill_after: after so many lines, the runner is killed with SIGKILL.
    clock_jump_s: the wall clock jumps by this much while the runner works.
    """

    unauthorized: bool = False
    offline: bool = False
    shell_v1_only: bool = False
    noexec: bool = False
    bytes_per_s: float | None = None
    disk_full_after: int | None = None
    runner_disk_bytes: int | None = None
    drop_push_after: int | None = None
    drop_run_after: int | None = None
    drop_pull_after: int | None = None
    away_s: float = 0.0
    garbage_after: int | None = None
    kill_after: int | None = None
    clock_jump_s: float = 0.0
    struck: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._lock = threading.Lock()

    def clear(self) -> None:
        """Take everything back."""
        with self._lock:
            for each in fields(self):
                if each.name != "struck":
                    setattr(self, each.name, each.default)

    def count_down(self, name: str, amount: int) -> bool:
        """Use up `amount` of a one-shot fault's count; true once, when it strikes."""
        with self._lock:
            left = getattr(self, name)
            if left is None:
                return False
            if left - amount > 0:
                setattr(self, name, left - amount)
                return False
            setattr(self, name, None)
            self.struck.append(name)
            return True
