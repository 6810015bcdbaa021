"""Workers and schedulers, also killed ones, as processes of their own: the results are those of this machine."""

from __future__ import annotations

import random
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from repro.campaigns.parts import Part, read_part
from tests.repro.layouts.gating import EXAMPLE

pytestmark = pytest.mark.slow


class Campaign:
    """A scheduler and its workers, each a process of `repro`."""

    def __init__(self, folder: Path, target: str) -> None:
        self.folder, self.target, self.started = folder, target, 0
        self.children: list[subprocess.Popen[bytes]] = []
        self.log = folder / "scheduler.log"
        self.scheduler = self.start("scheduler", "--port", "0", log=self.log)
        self.address = self.said(self.log, r"scheduler at (\S+)")
        self.workers = [self.worker(), self.worker()]

    def start(self, *words: str, log: Path) -> subprocess.Popen[bytes]:
        with log.open("ab") as file:
            child = subprocess.Popen([sys.executable, "-m", "repro", *words], stdout=file, stderr=file)
        self.children.append(child)
        return child

    def worker(self) -> subprocess.Popen[bytes]:
        self.started += 1
        log = self.folder / f"worker-{self.started}.log"
        words = ("worker", "--scheduler", self.address, "--target", self.target, "--processes", "1")
        child = self.start(*words, log=log)
        self.said(log, "lends")
        return child

    def said(self, log: Path, pattern: str) -> str:
        """What a process says, waited for."""
        for _ in range(600):
            text = log.read_text(encoding="utf-8") if log.exists() else ""
            if found := re.search(pattern, text):
                return found[found.lastindex or 0]
            assert all(child.poll() is None for child in self.children[-1:]), text
            time.sleep(0.1)
        raise AssertionError(f"{pattern} is not said in {log}")

    def kill_one(self) -> None:
        """SIGKILL, as the kernel's out-of-memory killer does; another one comes."""
        self.workers[0].kill()
        self.workers[0].wait()
        self.children.remove(self.workers[0])
        self.workers[0] = self.worker()

    def run(self, *cases: str, results: Path) -> subprocess.Popen[bytes]:
        """A run that has its first results."""
        words = ("run", *cases, "--target", self.target, "--again", "--json", "--results", str(results))
        log = results.with_suffix(".log")
        running = self.start(*words, "--scheduler", self.address, log=log)
        self.said(log, '"case"')
        return running

    def close(self) -> None:
        for child in reversed(self.children):
            child.kill()
            child.wait()


@pytest.fixture
def on_cpu(tmp_path: Path) -> Iterator[Campaign]:
    made = Campaign(tmp_path, "cpu")
    yield made
    made.close()


def local(cases: tuple[str, ...], target: str, results: Path) -> Part:
    words = ["run", *cases, "--target", target, "--again", "--results", str(results)]
    subprocess.run([sys.executable, "-m", "repro", *words], check=True, capture_output=True)
    return read_part(results)


def answered(*words: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run([sys.executable, "-m", "repro", *words], check=False, capture_output=True)


def without_times(part: Part) -> list[str]:
    """All that may not differ: a log has times and process numbers in it. As text, in which a NaN equals another."""
    return [repr(replace(result, stages={}, log="")) for result in part.results]


def killed_at_random(campaign: Campaign, cases: tuple[str, ...], kills: int, pause_s: tuple[float, float]) -> Part:
    """The results of a run in which one worker is killed at so many seeded moments."""
    rng = random.Random(7)
    results = campaign.folder / "killed.results"
    running = campaign.run(*cases, results=results)
    for _ in range(kills):
        try:
            running.wait(rng.uniform(*pause_s))
        except subprocess.TimeoutExpired:
            campaign.kill_one()
    assert running.wait(1200) == 0, results.with_suffix(".log").read_text(encoding="utf-8")
    return read_part(results)


def test_with_a_worker_killed_the_results_are_those_of_this_machine(on_cpu: Campaign):
    cases = ("fanout/*", "output-plus-consumer/*-r3-*")
    killed = killed_at_random(on_cpu, cases, 3, (0.5, 2.0))
    whole = local(cases, "cpu", on_cpu.folder / "local.results")
    assert killed.head == whole.head
    assert without_times(killed) == without_times(whole)


@pytest.mark.gpu
@pytest.mark.parametrize(("layout", "code"), [("split.toml", 0), ("naive.toml", 1)])
def test_a_gate_elsewhere_answers_as_on_this_machine(tmp_path: Path, layout: str, code: int):
    """Every check with its answer, reason and numbers: outputs, chain and control are run by the worker."""
    words = ["gate", str(EXAMPLE / layout), "--target", "gpu:lavapipe", "--json"]
    campaign = Campaign(tmp_path, "gpu:lavapipe")
    try:
        answers = [answered(*words, *where) for where in ((), ("--scheduler", campaign.address))]
    finally:
        campaign.close()
    here, there = (re.sub(rb'"\w*seconds": [0-9.]+', b"", answer.stdout) for answer in answers)
    assert here == there
    assert here.count(b'"answer"') > 5
    assert [answer.returncode for answer in answers] == [code, code]


@pytest.mark.gpu
@pytest.mark.long
def test_the_whole_catalogue_with_ten_kills_is_what_it_is_on_this_machine(tmp_path: Path):
    campaign = Campaign(tmp_path, "gpu:lavapipe")
    try:
        killed = killed_at_random(campaign, (), 10, (2.0, 9.0))
    finally:
        campaign.close()
    whole = local((), "gpu:lavapipe", tmp_path / "local.results")
    assert killed.head == whole.head
    assert without_times(killed) == without_times(whole)


def test_when_the_scheduler_goes_it_is_exit_3_in_one_line_for_all_who_used_it(on_cpu: Campaign):
    results = on_cpu.folder / "cut.results"
    running = on_cpu.run("output-plus-consumer/*", results=results)
    on_cpu.scheduler.kill()
    assert running.wait(60) == 3
    assert "has gone; what was measured is kept" in results.with_suffix(".log").read_text(encoding="utf-8")
    assert [worker.wait(60) for worker in on_cpu.workers] == [3, 3]


def test_ctrl_c_ends_the_command_at_once_and_the_workers_are_free_for_the_next(on_cpu: Campaign):
    results = on_cpu.folder / "cut.results"
    running = on_cpu.run("output-plus-consumer/*", results=results)
    running.send_signal(signal.SIGINT)
    assert running.wait(60) == 130
    again = on_cpu.run("fanout/*", results=on_cpu.folder / "next.results")
    assert again.wait(120) == 0


def test_a_runtime_that_a_worker_lacks_is_sent_to_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    subprocess.run([sys.executable, "-c", "from runner.runtimes import runtime; runtime('2.1.6')"], check=True)
    with monkeypatch.context() as alone:
        alone.setenv("REPRO_CACHE", str(tmp_path / "empty"))
        alone.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
        alone.setenv("PIP_RETRIES", "0")
        campaign = Campaign(tmp_path, "cpu")
    try:
        results = tmp_path / "old.results"
        running = campaign.run("fanout/add-to-*", "--runtime", "2.1.6", results=results)
        assert running.wait(300) == 0
        assert {result.runtime for result in read_part(results).results} == {"2.1.6"}
        assert "sending LiteRT 2.1.6" in results.with_suffix(".log").read_text(encoding="utf-8")
        assert (tmp_path / "empty" / "runtimes").is_dir()
    finally:
        campaign.close()
