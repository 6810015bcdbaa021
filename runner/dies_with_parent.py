"""Become another program that the kernel kills when our parent is gone: `python dies_with_parent.py PARENT COMMAND...`

Key insight: a child can lose its parent before it has asked the kernel to be told. So it asks first, and then looks
whether the parent is still the one that started it. What is asked for survives the change of program; a child of the
new program does not inherit it.

Run as a file of its own by `runner.children`, hence the few imports.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1


def main(parent: int, command: list[str]) -> None:
    """Never returns. Exit 127 where there is no such program, as a shell has it."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(1)
    # Not os.environ: under the C locale Python adds LC_CTYPE to it, which nobody asked for.
    with open("/proc/self/environ", "rb") as file:  # noqa: PTH123 - pathlib would be the larger half of what is loaded
        given = dict(entry.split(b"=", 1) for entry in file.read().split(b"\0") if b"=" in entry)
    try:
        os.execvpe(command[0], command, given)
    except OSError as error:
        sys.stderr.write(f"{command[0]}: {error.strerror}\n")
        os._exit(127)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2:])
