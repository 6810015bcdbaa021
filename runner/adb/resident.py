"""The runner that stays: one process per connection on the device, which takes batch after batch.

Key insight: of the 200 ms that a single case takes, the case itself is ten. The rest are connections, processes, the
start of runtime and driver. A runner that stays pays them once, and a batch of one then costs what its case costs. What
ends it (a lost cable, a kill) costs the case in flight, as with a runner per batch: results are kept on the device too.
"""

from __future__ import annotations

import time
from collections.abc import Generator
from contextlib import suppress

from runner.adb.conversation import Conversation, from_now
from runner.adb.link import DeviceLink, Lost
from runner.adb.results import CaseLine, EventLine, Garbage, parse_line

Said = Generator[tuple[CaseLine | EventLine, bytes | None]]
"""What the runner says of a batch: its lines, each case with its outputs where they came along."""

SINCE_VERSION = 2
"""The first version of the native runner that can."""
_END_S = 10.0
LARGEST_INLINE = 1 << 20
"""Bytes of outputs that come with the line of a case, at most; larger ones are fetched."""


def can_stay(link: DeviceLink, said: str) -> bool:
    """Whether the runner can stay. said: by `batch_runner version`; an older one may have been given."""
    words = said.replace(",", " ").split()
    version = words[1] if len(words) > 1 else ""
    return version.isdigit() and int(version) >= SINCE_VERSION and link.speaks_v2()


class Resident:
    """A running `batch_runner serve`. Raises Lost where the device goes, Ended (of the conversation) where it ends."""

    def __init__(self, link: DeviceLink, command: str) -> None:
        self._link = link
        self._conversation = Conversation(link, command)
        self._started = False
        self.stray: list[bytes] = []
        """What came before the runner's first line: the shell's words where it did not start."""

    def send(self, number: int, manifest: bytes, objects: bytes) -> None:
        """A batch: its number, which names its folder, its manifest, and the pack of what is not there yet."""
        self._conversation.send(b"run %d %d %d\n" % (number, len(manifest), len(objects)) + manifest + objects)

    def answers(self, timeout_s: float, silence_s: float) -> Said:
        """Lines until the batch's end, each case with its outputs where they came along. Raises Garbage too.

        timeout_s: for all of them. silence_s: the longest pause between two. That the batch has arrived has to be said
        as soon as the end of a push would have been: within the link's own `silence_s`.
        """
        whole = time.monotonic() + timeout_s
        outputs: bytes | None = None
        pause = self._link.silence_s
        while True:
            data = self._conversation.read_line(from_now(pause, whole))
            if not data.strip():
                continue
            if not self._started and not data.startswith(b"{"):
                self.stray.append(data)
                continue
            self._started = True
            line = parse_line(data)
            pause = silence_s
            if isinstance(line, EventLine) and line.event == "taken":
                continue
            if isinstance(line, EventLine) and line.event == "outputs":
                outputs = self._conversation.read(_size(line), from_now(silence_s, whole))
                continue
            yield line, outputs
            outputs = None
            if isinstance(line, EventLine) and line.event == "end":
                return

    def finish(self) -> None:
        """Have one at rest end, and wait for that; one that cannot be reached ends by itself."""
        with suppress(Lost):
            self._conversation.finish(time.monotonic() + _END_S)
        self.close()

    def close(self) -> None:
        """Let go of it, whatever it does. Safe to call twice."""
        self._conversation.close()


def _size(line: EventLine) -> int:
    size = line.values.get("bytes")
    if not isinstance(size, int) or not 0 <= size <= LARGEST_INLINE:
        raise Garbage(f"the runner announces {size!r} bytes of outputs; run again to continue")
    return size
