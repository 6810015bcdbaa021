"""SIGTERM and SIGHUP end a command as Ctrl-C does: what it started is stopped, what it made is removed, results stay.

Key insight: all that cleaning hangs on an exception that passes through. By default only SIGINT becomes one.
"""

from __future__ import annotations

import signal
from types import FrameType
from typing import Never

_SIGNALS = (signal.SIGTERM, signal.SIGHUP)


class Stopped(KeyboardInterrupt):
    """A signal asked this process to end. number: which."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.number = number


def stop_as_interrupted() -> None:
    """Once for a process, in its main thread. What is ignored (as under nohup) or handled already stays so."""
    for number in _SIGNALS:
        if signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, _stop)


def exit_code(error: BaseException) -> int:
    """128 and the signal's number, as shells have it: 130 for Ctrl-C, 143 for SIGTERM, 129 for SIGHUP.

    error: what ended the command; click's Abort has the interrupt as its cause.
    """
    stopped = next((each for each in (error, error.__cause__) if isinstance(each, Stopped)), None)
    return 128 + (stopped.number if stopped else signal.SIGINT)


def _stop(number: int, _frame: FrameType | None) -> Never:
    for each in _SIGNALS:
        signal.signal(each, signal.SIG_IGN)  # asked again, by an impatient supervisor: the cleaning goes on
    raise Stopped(number)
