"""The native runner against a runtime that never falls silent: it is stopped in its time.

A library is built in LiteRT's place whose first call about a model writes without end, into the log or into whatever
pipe it finds open, as a runtime does that has lost track of its descriptors.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from runner import children
from runner.adb.build import SOURCE
from runner.adb.manifest import BatchCase, BatchLimits
from runner.runtimes import Runtime
from tests.runner.adb.conftest import sums
from tests.runner.adb.test_native_runner import run

pytestmark = pytest.mark.gpu

_BABBLER = """
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
int LiteRtCreateModelFromBuffer(void) {
  struct stat about;
  for (;;) {
    if (WHERE == 1) (void)!write(1, TEXT, strlen(TEXT));
    for (int fd = 3; WHERE != 1 && fd < 64; fd++) {
      if (fstat(fd, &about) == 0 && S_ISFIFO(about.st_mode)) (void)!write(fd, TEXT, strlen(TEXT));
    }
    usleep(PAUSE_US);
  }
}
"""


@dataclass(frozen=True)
class Babble:
    """text: C source of what is written. into: `log` or `pipe`. pause_us: between two writes."""

    text: str
    into: str
    pause_us: int
    status: str
    says: str


BABBLES = {
    "a log without end": Babble("noise\\n", "log", 200, "hang", "no answer within 1 s"),
    "half a reply, byte by byte": Babble("R", "pipe", 200, "hang", "no answer within 1 s"),
    "half a reply, as fast as it can": Babble("R" * 4096, "pipe", 0, "crash", "what is no reply"),
    "that the case begins, again and again": Babble("S\\n", "pipe", 0, "crash", "what is no reply"),
    "that the case begins, now and then": Babble("S\\n", "pipe", 200, "crash", "what is no reply"),
    "empty lines": Babble("\\n", "pipe", 0, "crash", "what is no reply"),
    "anything": Babble("\\001\\377 X\\n", "pipe", 0, "crash", "what is no reply"),
}


def babbling_runtime(place: Path, babble: Babble) -> Runtime:
    calls = set(re.findall(r'"(LiteRt\w+)"', SOURCE.read_text(encoding="utf-8"))) - {"LiteRtCreateModelFromBuffer"}
    stubs = "".join(f"int {name}(void) {{ return 0; }}\n" for name in sorted(calls))
    place.mkdir()
    (place / "babbler.c").write_text(_BABBLER + stubs, encoding="utf-8")
    where = 1 if babble.into == "log" else 2
    options = [f'-DTEXT="{babble.text}"', f"-DWHERE={where}", f"-DPAUSE_US={babble.pause_us}"]
    command = ["gcc", "-shared", "-fPIC", *options, str(place / "babbler.c"), "-o", str(place / "libLiteRt.so")]
    done = children.run(command, timeout_s=600)
    assert done.returncode == 0, done.stderr
    return Runtime("0.0.0", place)


@pytest.mark.parametrize("babble", BABBLES.values(), ids=BABBLES.keys())
def test_a_job_that_babbles_is_stopped_and_the_next_one_has_its_turn(tmp_path: Path, babble: Babble) -> None:
    jobs, _ = sums(2)
    deadline_s = 1.0 if babble.status == "hang" else 3600.0
    cases = [BatchCase(i, replace(job, deadline_s=deadline_s)) for i, job in enumerate(jobs)]
    batch = run(tmp_path, cases, BatchLimits(3600.0), runtime=babbling_runtime(tmp_path / "runtime", babble))
    assert batch.code == 0, batch.errors
    assert [(line.number, line.status) for line in batch.lines] == [(0, babble.status), (1, babble.status)]
    assert all(babble.says in line.message for line in batch.lines)
    assert batch.events[-1].event == "end"


def test_a_batch_that_babbles_ends_at_the_whole_deadline(tmp_path: Path) -> None:
    jobs, _ = sums(1)
    cases = [BatchCase(0, replace(jobs[0], deadline_s=3600.0))]
    runtime = babbling_runtime(tmp_path / "runtime", BABBLES["half a reply, byte by byte"])
    batch = run(tmp_path, cases, BatchLimits(1.0), runtime=runtime)
    assert batch.code == 4
    assert batch.events[-1].kind == "deadline"
