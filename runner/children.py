"""Processes that we start: the kernel ends them when we end, however we end.

Key insight: the kernel's word of a parent's death comes when the *thread* that started the child ends, and the threads
that want workers come and go. So all children are started by one thread, which lives as long as the process. And the
child asks for that word itself, after its exec (`runner.dies_with_parent`): a function between fork and exec would
make Python fork this process with all that torch and the BLAS threads hold.
"""

from __future__ import annotations

import functools
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import runner.dies_with_parent as launcher


def start(command: Sequence[str | bytes], **options: Any) -> subprocess.Popen[Any]:
    """`subprocess.Popen(command, **options)`, in a process group of its own, ended with this process.

    Ctrl-C in a terminal is for us alone; who calls this ends the child (`end`). A program that does not exist is exit
    code 127 and one line on standard error.
    """
    # Isolated and in UTF-8 mode: nothing in the environment changes it, and every argument arrives byte for byte.
    bound = [sys.executable, "-I", "-S", "-X", "utf8", launcher.__file__, str(os.getpid()), *command]
    popen = functools.partial(subprocess.Popen, bound, start_new_session=True, **options)
    return _starter(os.getpid()).submit(popen).result()


@functools.cache
def _starter(pid: int) -> ThreadPoolExecutor:
    """The thread that starts the children of process `pid`: a forked copy of us has our cache but not our threads."""
    return ThreadPoolExecutor(max_workers=1, thread_name_prefix="repro-children")


def end(process: subprocess.Popen[Any]) -> None:
    """Kill a started child, with all that is in its process group, and wait for it. It may have ended before."""
    if process.poll() is None:
        with suppress(ProcessLookupError):  # it ended between the two lines
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def run(command: Sequence[str], *, timeout_s: float, **options: Any) -> subprocess.CompletedProcess[str]:
    """Run to the end, with both outputs as text. Nothing of it is left where we give up.

    Raises subprocess.TimeoutExpired.
    """
    pipe = subprocess.PIPE
    with start(
        command,
        stdin=subprocess.DEVNULL,
        stdout=pipe,
        stderr=pipe,
        encoding="utf-8",
        errors="replace",
        **options,
    ) as process:
        try:
            output, errors = process.communicate(timeout=timeout_s)
        except BaseException:
            end(process)
            raise
    return subprocess.CompletedProcess(command, process.returncode, output, errors)
