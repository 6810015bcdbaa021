"""A process that forks judges: `python -m repro.judges.process SOCKET...`, one judge per inherited socket.

Key insight: what a judge imports takes a second and most of its memory. So it is imported once, by a process that has
no thread yet, and judges are forked from it.
"""

from __future__ import annotations

import os
import pickle
import sys
from collections.abc import Sequence
from multiprocessing.connection import Connection

from repro.verdicts.judge import judge
from repro.verdicts.subject import Subject
from repro.verdicts.verdict import Verdict

READY = b"ready"


def serve(line: Connection) -> None:
    """Judge what comes until the other end is closed.

    A question is a pickled (subject or None, Run): None is the subject of the question before. The answer is pickled:
    the verdicts, or None where the question cannot be read or answered here.
    """
    line.send_bytes(READY)
    subject: Subject | None = None
    while True:
        try:
            question = line.recv_bytes()
        except (EOFError, OSError):
            return
        try:
            given, run = pickle.loads(question)
            subject = given or subject
            answer: tuple[Verdict, ...] | None = judge(run, subject) if subject is not None else None
        except Exception:  # noqa: BLE001 - whatever it is, who asks judges it again and has the same
            subject, answer = None, None  # the next one may be of the subject that could not be read
        line.send_bytes(pickle.dumps(answer))


def main(sockets: Sequence[int]) -> None:
    """Fork a judge for each socket, and stay until all have ended."""
    for mine in sockets:
        if os.fork() == 0:
            for other in sockets:
                if other != mine:
                    os.close(other)
            serve(Connection(mine))
            os._exit(0)
    for socket in sockets:
        os.close(socket)
    for _ in sockets:
        os.wait()


if __name__ == "__main__":
    main([int(word) for word in sys.argv[1:]])
