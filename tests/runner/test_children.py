"""Children end with us, whichever thread started them and however we end; real processes throughout."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

import pytest

from runner import children

ROOT = Path(__file__).resolve().parents[2]
SLEEPER = ["sleep", "3600"]

# A parent of its own: starts a child from a thread that ends, tells the child's number, and waits to be killed.
PARENT = """
import sys, threading, time
from runner import children
started = []
thread = threading.Thread(target=lambda: started.append(children.start(["sleep", "3600"])))
thread.start()
thread.join()
print(started[0].pid, flush=True)
time.sleep(3600)
"""


def wait_until_gone(pid: int) -> None:
    """Returns when the process is dead (a zombie is). Never gives up: the test's own time limit does."""
    with suppress(FileNotFoundError, ProcessLookupError):
        while Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0] not in "ZX":
            time.sleep(0.01)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGABRT], ids=lambda n: n.name)
def test_a_child_ends_with_its_parent_however_that_ends(number: signal.Signals) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", PARENT], stdout=subprocess.PIPE, cwd=ROOT, text=True, encoding="utf-8"
    ) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        assert os.getpgid(child) == child
        parent.send_signal(number)
        parent.wait()
        wait_until_gone(child)
        assert parent.returncode == -number


def test_a_child_outlives_the_thread_that_wanted_it() -> None:
    started: list[subprocess.Popen[bytes]] = []
    thread = threading.Thread(target=lambda: started.append(children.start(SLEEPER)))
    thread.start()
    thread.join()
    (child,) = started
    try:
        with pytest.raises(subprocess.TimeoutExpired):
            child.wait(timeout=0.5)
    finally:
        children.end(child)
    assert child.returncode == -signal.SIGKILL


def test_a_child_whose_parent_is_gone_before_it_could_ask_ends_at_once() -> None:
    launcher = children.launcher.__file__
    nobody = "1" if os.getpid() != 1 else "2"
    done = subprocess.run([sys.executable, launcher, nobody, "echo", "alive"], capture_output=True, check=False)
    assert (done.returncode, done.stdout) == (1, b"")


def test_arguments_and_environment_arrive_as_they_were_given() -> None:
    argument, environment = b"\xff \n\x01\xe4", {"ONE": "\udcff", "PATH": os.environ["PATH"], "LC_ALL": "C"}
    show = "import os, sys; print(os.fsencode(sys.argv[1]), sorted(os.environb.items()))"
    direct = subprocess.run(
        [sys.executable, "-c", show, argument], env=environment, capture_output=True, check=True
    ).stdout
    started = children.start([sys.executable, "-c", show, argument], env=environment, stdout=subprocess.PIPE)
    assert started.communicate()[0] == direct


def test_a_program_that_is_not_there_is_127_and_one_line() -> None:
    done = children.run(["/no/such/program"], timeout_s=60)
    assert done.returncode == 127
    assert done.stderr == "/no/such/program: No such file or directory\n"


def test_giving_up_leaves_nothing_of_what_was_started(tmp_path: Path) -> None:
    """A grandchild holds the pipes open: neither does it live on, nor is it waited for."""
    told = tmp_path / "grandchild"
    timeout_s = 0.5
    while not told.exists():  # a slow machine may not come so far in that time
        timeout_s *= 2
        with pytest.raises(subprocess.TimeoutExpired):
            children.run(
                ["sh", "-c", f"sleep 3600 & echo $! > {told}.part; mv {told}.part {told}; wait"], timeout_s=timeout_s
            )
    wait_until_gone(int(told.read_text(encoding="utf-8")))


def test_what_a_child_says_is_text() -> None:
    done = children.run(["sh", "-c", "echo out; echo err >&2; printf '\\377'; exit 3"], timeout_s=60)
    assert (done.returncode, done.stdout, done.stderr) == (3, "out\n\N{REPLACEMENT CHARACTER}", "err\n")
