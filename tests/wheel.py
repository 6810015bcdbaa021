"""The wheel in an environment of its own, away from any checkout: `python -m tests.wheel WHEEL [--quick]`.

Installs the wheel without torch into a fresh virtual environment under build/, goes to an empty folder with an empty
home, and runs the main job and every command there. Prints each command with its exit code and seconds; exit 1 if
one ends otherwise than it should or does not say what it should. --quick runs one family in the place of the
catalogue and two findings in the place of all.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import time
import venv
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
BUILD = ROOT / "build" / "wheel"
SLUG = "add-output-feeds-reduction"


@dataclass(frozen=True)
class Step:
    """One command line after `repro`, the exit code it must have and a text that it must print."""

    words: str
    code: int = 0
    says: str = ""


def steps(quick: bool) -> list[Step]:
    findings = f"{SLUG} concat-of-one" if quick else "--all"
    catalogue = "'fanout/*' --precision fp32" if quick else "--precision both"
    return [
        Step("--version", says="repro, version"),
        Step("doctor", says="these targets can run here"),
        Step("list --family fanout", says="50 cases"),
        Step(f"run {catalogue} --target gpu:lavapipe", says="0 news"),
        Step("run --family token-tensor --target cpu --precision fp32", says="0 news"),
        Step(f"run 'findings/{SLUG}*' --target gpu:lavapipe --json > results.jsonl", says="0 news"),
        Step(f"finding verify {findings}", says="confirmed"),
        Step("finding list", says="split-put-together"),
        Step(f"finding show {SLUG}", says="since"),
        Step(f"finding render {SLUG}", 2, "in a checkout"),
        Step("finding new mine --model minimal.tflite --control control.tflite", 2, "in a checkout"),
        Step("expect update results.jsonl", 2, "in a checkout"),
        Step("expect update results.jsonl --dry-run"),
        Step("check minimal.tflite --save saved", 1, "FAIL alias(x)"),
        Step("check control.tflite", says="PASS"),
        Step("judge saved/*", 1, "FAIL alias(x)"),
        Step("compare saved saved", says="nothing is worse"),
        Step("lint minimal.tflite", 1, "hazard add-reduce"),
        Step("reduce minimal.tflite", says="2 ops after"),
        Step("fix minimal.tflite --out fixed.tflite", says="PASS"),
        Step("check fixed.tflite", says="PASS"),
        Step("fuzz --seconds 5 --seed 1", says="seed 1"),
        Step("matrix minimal.tflite --target gpu:lavapipe", says="since"),
        Step(f"report {SLUG} --out issue", says="issue"),
        Step("gate two_graphs/split.toml", says="PASS"),
        Step("gate '{site}/models/dfine/shipped.toml' --size 160", 3, "pip install"),
        Step("detect '{site}/models/dfine/images/coffee.jpg'", 3, "pip install"),
        Step("device list", 3, "no device is attached"),
        Step("prepare 'fanout/*'", says="are there"),
    ]


def installed(wheel: Path) -> Path:
    """A fresh virtual environment with the wheel in it; returns its folder of packages."""
    shutil.rmtree(BUILD, ignore_errors=True)
    venv.create(BUILD / "venv", with_pip=True)
    python = BUILD / "venv" / "bin" / "python"
    constraints = ROOT / "constraints.txt"
    subprocess.run([python, "-m", "pip", "install", "-q", "-c", constraints, wheel], check=True)
    asked = [python, "-I", "-c", "import repro; print(repro.__path__[0])"]
    return Path(subprocess.run(asked, check=True, encoding="utf-8", capture_output=True).stdout.strip()).parent


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("wheel", type=Path)
    parser.add_argument("--quick", action="store_true")
    asked = parser.parse_args()
    site = installed(asked.wheel.resolve(strict=True))
    work = BUILD / "empty folder"
    work.mkdir()
    shutil.copytree(site / "repro" / "shipped" / "examples" / "two_graphs", work / "two_graphs")
    for name in ("minimal", "control"):
        shutil.copy(site / "repro" / "shipped" / "findings" / SLUG / "models" / f"{name}.tflite", work)
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "REPRO_", "XDG_", "VIRTUAL_ENV"))}
    environment = kept | {"HOME": str(BUILD / "home"), "PATH": f"{BUILD / 'venv' / 'bin'}:{os.environ['PATH']}"}
    wrong, tried = 0, steps(asked.quick)
    for step in tried:
        line, started = f"repro {step.words.replace('{site}', str(site))}", time.monotonic()
        done = subprocess.run(line, shell=True, cwd=work, env=environment, encoding="utf-8", capture_output=True)
        said = done.stdout + done.stderr
        good = done.returncode == step.code and step.says in said
        wrong += not good
        print(
            f"{'ok   ' if good else 'WRONG'} exit {done.returncode} {time.monotonic() - started:6.1f} s  {line}",
            flush=True,
        )
        if not good:
            print(f"      wanted exit {step.code} and {step.says!r}; it said:\n{said[-2000:]}", flush=True)
    print(f"{wrong} of {len(tried)} commands were wrong")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
