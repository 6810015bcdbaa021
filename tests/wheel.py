"""The wheel in an environment of its own, away from any checkout: `python -m tests.wheel WHEEL [--quick]`.

Installs the wheel without torch into a fresh virtual environment under build/, goes to an empty folder with an empty
home, and runs the main job and every command there: in no project, in one with a catalogue of its own, and in one whose
packages have our names, which the page for beginners begins. Prints each command with its exit code and seconds; exit 1
if one ends otherwise than it should or does not say what it should. --quick runs one family in the place of the
catalogue and two findings in the place of all.
"""

from __future__ import annotations

import argparse
import itertools
import os
import shutil
import subprocess
import sys
import time
import venv
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tests import empty_folder

ROOT = Path(__file__).resolve().parents[1]
BUILD = ROOT / "build" / "wheel"
SLUG = "add-output-feeds-reduction"


PYTHON = BUILD / "venv" / "bin" / "python"
OWN, EMPTY = "own", "from an empty folder"
"""Folders of projects: one with a catalogue of its own, and the one that the page for beginners fills."""


@dataclass(frozen=True)
class Step:
    """One command line after `repro`, the exit code it must have and a text that it must print.

    folder: where, below the folder in which everything is tried. program: else the words are the whole line.
    """

    words: str
    code: int = 0
    says: str = ""
    folder: str = ""
    program: str = "repro"


def steps(quick: bool) -> list[Step]:
    findings = f"{SLUG} concat-of-one" if quick else "--all"
    catalogue = "'fanout/*' --precision fp32" if quick else "--precision both"
    return [
        Step("--version", says="repro, version"),
        Step("doctor", says="these targets can run here"),
        Step("list --family fanout", says="50 cases"),
        Step(f"run {catalogue} --target gpu:lavapipe", says="0 news"),
        Step("run --family token-tensor --target cpu --precision fp32", says="0 news"),
        # The extra `web` is not installed there.
        Step(f"run 'findings/{SLUG}*' --target gpu:web", 3, says="no playwright in this Python"),
        Step(f"run 'findings/{SLUG}*' --target gpu:lavapipe --json > results.jsonl", says="0 news"),
        Step(f"finding verify {findings}", says="confirmed"),
        Step("finding list", says="split-put-together"),
        Step(f"finding show {SLUG}", says="since"),
        Step(f"finding render {SLUG}", 2, "in a checkout"),
        Step(f"finding sample {SLUG}", 2, "in a checkout"),
        Step("finding grid", says="findings.svg"),
        Step("finding new mine --model minimal.tflite --control control.tflite", 2, "in a checkout"),
        Step("expect update results.jsonl", 2, "in a checkout"),
        Step("expect update results.jsonl --dry-run"),
        Step("check minimal.tflite --save saved", 1, "FAIL alias(x)"),
        Step("check control.tflite", says="PASS"),
        Step("judge saved/*", 1, "FAIL alias(x)"),
        Step("compare saved saved", says="nothing is worse"),
        Step("lint minimal.tflite", 1, "hazard add-reduce"),
        Step("range minimal.tflite", says="fp16 holds every tensor"),
        Step("run 'fanout/*' --target cpu --precision fp32 --json > runs/1.jsonl", says="0 news"),
        Step("run 'fanout/*' --target cpu --precision fp32 --json > runs/2.jsonl", says="0 news"),
        *(Step(f"run 'fanout/*' --target cpu --precision fp32 --shard {i}/2 --results {i}.results") for i in (1, 2)),
        Step("merge 1.results 2.results", says="0 news"),
        Step("restart control.tflite --target gpu:lavapipe --cache beside", says="0 faults"),
        Step("history runs", says="2 runs: 0 findings show now"),
        Step("reduce minimal.tflite", says="2 ops after"),
        Step("fix minimal.tflite --out fixed.tflite", says="PASS"),
        Step("check fixed.tflite", says="PASS"),
        Step("fuzz --target cpu --graphs 10 --seed 1", says="0 new"),
        Step("matrix minimal.tflite --target gpu:lavapipe", says="since"),
        Step(f"report {SLUG} --out issue", says="issue"),
        Step("gate two_graphs/split.toml", says="PASS"),
        Step("docs", says="gate-your-own-split"),
        Step("docs gate-your-own-split", says="docs/examples/two_graphs/split.toml"),
        Step("gate docs/examples/two_graphs/split.toml", says="PASSED"),
        Step("gate docs/examples/two_graphs/naive.toml", 1, "hazard add-reduce"),
        Step("gate docs/examples/detector/split.toml", says="PASSED"),
        Step("gate docs/examples/detector/naive.toml", 1, "hazard elementwise-gemm"),
        Step("gate docs/examples/encoder_decoder/split.toml", says="PASSED"),
        Step("gate docs/examples/two_graphs/split.toml --update-baseline", 2, "copy the layout's folder"),
        Step(f"lint findings/{SLUG}/models/minimal.tflite", 1, "taken is the one of this tool"),
        Step("gate models/dfine/shipped.toml --size 160", 3, "pip install"),
        Step("gate models/rt_detr/shipped.toml", 3, "pip install"),
        Step("detect models/dfine/images/coffee.jpg", 3, "pip install"),
        Step("bundle 'fanout/add-to-2' --device linux-x86_64 --cpu -o suite.zip", says="1 run of 1 case"),
        Step("ingest suite.zip --by me", 2, "no bundle writes such a file"),
        Step("device list", 3, "no device is attached"),
        Step("device setup", 3, "no device is attached"),
        Step("device clean", 3, "no device is attached"),
        Step("device connect phone:none", 2, "is no address of a device"),
        Step("prepare 'fanout/*'", says="are there"),
        Step("suite", 3, "pip install"),
        Step("scheduler --port 8798", 3, "distributed"),
        Step("worker --scheduler tcp://127.0.0.1:8798 --target cpu", 3, "distributed"),
        Step("run 'fanout/*' --scheduler tcp://127.0.0.1:8798", 3, "distributed"),
        Step("scheduler --host 0.0.0.0", 2, "beyond this machine"),
        Step(f"init {OWN}", says="repro.toml"),
    ]


THEIRS = {
    **{f"{name}/__init__.py": "WHOSE = 'theirs'\n" for name in ("cases", "models", "runner")},
    "conftest.py": (
        "import cases, models, runner\n\nassert {module.WHOSE for module in (cases, models, runner)} == {'theirs'}\n"
    ),
}
"""A project's own packages, which have our names, and a look whether they are its own under pytest."""


def own_steps() -> list[Step]:
    """In a project of the user's, begun with `repro init own`; with a finding of its own that is whole."""
    on_cpu = "--target cpu --precision fp32"
    measure = "finding measure mine-copied --runtime 2.3.0 --target gpu:lavapipe --no-named"
    return [
        Step("init", 2, "is there already", OWN),
        Step("finding list", says="mine-copied", folder=OWN),
        Step("finding new mine --model ../minimal.tflite --control ../control.tflite", says="fill in", folder=OWN),
        Step(measure, says="0 contradict", folder=OWN),
        Step("finding verify mine-copied --target gpu:lavapipe", says="holds", folder=OWN),
        Step("report mine-copied --out issue", says="issue", folder=OWN),
        Step("expect update ../results.jsonl", folder=OWN),
        Step(f"run --mine {on_cpu}", says="own catalogue", folder=OWN),
        Step("run --mine --no-python", 2, "runs none", OWN),
    ]


def suite_steps() -> list[Step]:
    """With pytest installed."""
    return [
        Step("suite --target cpu -k fanout -q", says=" passed", folder=EMPTY),
        Step("suite -m device", 3, "nothing to run on", EMPTY),
    ]


def page_steps(folder: Path) -> Iterator[Step]:
    """The page for beginners, whose files are written on the way."""
    for step in empty_folder.steps():
        if isinstance(step, empty_folder.Written):
            (folder / step.name).parent.mkdir(parents=True, exist_ok=True)
            (folder / step.name).write_text(step.text, encoding="utf-8")
        else:
            yield Step(step.line, step.code, folder=EMPTY, program="")


def installed(wheel: Path) -> Path:
    """A fresh virtual environment with the wheel in it; returns its folder of packages."""
    shutil.rmtree(BUILD, ignore_errors=True)
    venv.create(BUILD / "venv", with_pip=True)
    install(str(wheel))
    asked = [str(PYTHON), "-I", "-c", "import repro; print(repro.__path__[0])"]
    return Path(subprocess.run(asked, check=True, encoding="utf-8", capture_output=True).stdout.strip()).parent


def install(*what: str) -> None:
    constraints = str(ROOT / "constraints.txt")
    subprocess.run([str(PYTHON), "-m", "pip", "install", "-q", "-c", constraints, *what], check=True)


def prepared(site: Path) -> Path:
    """The folder in which everything is tried, with the files that the steps name."""
    work = BUILD / "empty folder"
    shipped = site / "repro" / "shipped"
    shutil.copytree(shipped / "examples" / "two_graphs", work / "two_graphs")
    for name in ("minimal", "control"):
        shutil.copy(shipped / "findings" / SLUG / "models" / f"{name}.tflite", work)
    (work / "runs").mkdir()
    cases = work / OWN / "repro-catalogue" / "own-cases"
    cases.mkdir(parents=True)
    shutil.copytree(shipped / "findings" / SLUG, cases.parent / "findings" / "mine-copied")
    shutil.copy(work / "control.tflite", cases)
    (cases / "control.toml").write_text('reason = "it was wrong once"\n', encoding="utf-8")
    (cases / "more.py").write_text("def cases():\n    return []\n", encoding="utf-8")
    (work / EMPTY / ".git").mkdir(parents=True)  # a repository's root, for what is looked for upwards
    for name, text in THEIRS.items():
        (work / EMPTY / name).parent.mkdir(parents=True, exist_ok=True)
        (work / EMPTY / name).write_text(text, encoding="utf-8")
    return work


def tried(steps: Iterable[Step], work: Path) -> Iterator[bool]:
    """Whether each step did what it should; prints it."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "REPRO_", "XDG_", "VIRTUAL_ENV"))}
    environment = kept | {"HOME": str(BUILD / "home"), "PATH": f"{PYTHON.parent}:{os.environ['PATH']}"}
    for step in steps:
        line, started = f"{step.program} {step.words}".strip(), time.monotonic()
        done = subprocess.run(
            line, shell=True, cwd=work / step.folder, env=environment, encoding="utf-8", capture_output=True
        )
        said = done.stdout + done.stderr
        good = done.returncode == step.code and step.says in said
        print(
            f"{'ok   ' if good else 'WRONG'} exit {done.returncode} {time.monotonic() - started:6.1f} s  {line}",
            flush=True,
        )
        if not good:
            print(f"      wanted exit {step.code} and {step.says!r}; it said:\n{said[-2000:]}", flush=True)
        yield good


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("wheel", type=Path)
    parser.add_argument("--quick", action="store_true")
    asked = parser.parse_args()
    work = prepared(installed(asked.wheel.resolve(strict=True)))
    good = list(tried([*steps(asked.quick), *own_steps()], work))
    install("pytest", "pytest-timeout")
    good += tried(itertools.chain(suite_steps(), page_steps(work / EMPTY)), work)
    print(f"{good.count(False)} of {len(good)} commands were wrong")
    return 0 if all(good) else 1


if __name__ == "__main__":
    sys.exit(main())
