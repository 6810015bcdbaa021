"""docs/output.md names every field that `--json` writes, and none that nobody writes; and every exit code."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from cases.tflite.write import write_tflite
from repro.cli import COMMANDS, main
from repro.display.gate_table import missing_json
from repro.display.json_lines import unfit_object
from repro.fuzzer.hunt import Bug
from repro.matrix.bisect import Bisected
from repro.records.folders import FINDINGS
from repro.verdicts.fitness import Fitness
from runner.run import Precision
from runner.source_version import ROOT
from tests.repro.trials.test_partial import shared

LOST = FINDINGS / "add-output-feeds-reduction" / "models" / "minimal.tflite"
MINIMAL = "findings/add-output-feeds-reduction-minimal"
PAGE = (ROOT / "docs" / "output.md").read_text(encoding="utf-8")
SECTIONS = re.split(r"^### ", PAGE, flags=re.M)[1:]

Record = Mapping[str, object]


def documented() -> dict[str, set[str]]:
    """Command -> the fields that the page names for it."""
    found: dict[str, set[str]] = {}
    for section in SECTIONS:
        heading, _, body = section.partition("\n")
        commands = re.findall(r"`([\w ]+)`", heading)
        table = re.search(r"(?:^\|.*\n)+", body, re.M)
        assert table is not None, heading
        for row in table[0].splitlines()[2:]:
            fields, _, *within = (cell.strip() for cell in re.split(r"(?<!\\)\|", row.strip("|")))
            named = [c for c in commands if not within or within == ["all"] or f"`{c}`" in within[0]]
            assert named, f"{heading}: {row} is about none of its commands"
            for command in named:
                found.setdefault(command, set()).update(re.findall(r"`(\w+)`", fields))
    return found


def commands_with_json() -> Iterable[str]:
    """Every command that has --json, those of a group with the group's name before them."""
    context = click.Context(main)
    for name in COMMANDS:
        command = main.get_command(context, name)
        below = [(name, command)]
        if isinstance(command, click.Group):
            below = [(f"{name} {sub}", command.get_command(context, sub)) for sub in command.list_commands(context)]
        yield from (said for said, one in below if one and any("--json" in p.opts for p in one.params))


def test_every_command_with_json_has_its_table():
    assert set(documented()) == set(commands_with_json())


def answer(*words: object) -> list[Record]:
    """What a command prints with --json."""
    result = CliRunner().invoke(main, [*map(str, words), "--json"], standalone_mode=False)
    return [json.loads(line) for line in result.stdout.splitlines()]


def saved(folder: Path) -> Path:
    answer("check", LOST, "--target", "cpu", "--precision", "fp32", "--save", folder / "saved")
    (one,) = (folder / "saved").iterdir()
    return one


def kept(folder: Path, name: str, *words: object) -> Path:
    """The answer of `repro run` as a file of lines."""
    records = answer("run", "findings/add-output-feeds-reduction-*", "--precision", "fp32", *words)
    (folder / name).write_text("\n".join(map(json.dumps, records)), encoding="utf-8")
    return folder / name


def part(folder: Path) -> Path:
    under_two_names("--results", folder / "part.results")
    return folder / "part.results"


def under_two_names(*words: object) -> list[Record]:
    names = ("--target", "gpu:lavapipe@intel", "--target", "gpu:lavapipe@mali-valhall-4")
    return answer("run", "findings/thin-convolution-chain-minimal", *names, "--precision", "fp32", *words)


CHEAP: dict[str, Callable[[Path], list[Record]]] = {
    "check": lambda _: answer("check", LOST, "--target", "cpu"),
    "run": lambda _: answer("run", MINIMAL, "--target", "cpu"),
    "judge": lambda folder: answer("judge", saved(folder)),
    "lint": lambda _: answer("lint", LOST),
    "range": lambda _: answer("range", LOST),
    "list": lambda _: answer("list", "--family", "fanout"),
    "finding list": lambda _: answer("finding", "list"),
}
UNFIT = unfit_object(Fitness("gpu:lavapipe", "2.3.0", Precision.FP32, 2, ()))


@pytest.mark.parametrize("command", CHEAP)
def test_what_a_command_writes_is_on_the_page(command: str, tmp_path: Path):
    records = CHEAP[command](tmp_path)
    assert records
    assert {name for record in records for name in record} <= documented()[command]


def partly(folder: Path) -> list[Record]:
    """Of a model that GPU and cpu share, so that a tensor crosses between them."""
    (folder / "shared.tflite").write_bytes(write_tflite(shared()))
    return answer("check", folder / "shared.tflite", "--precision", "fp32", "--partial")


def listed(folder: Path) -> list[Record]:
    """In a project with a finding of which nothing is written yet."""
    (folder / "mine" / "begun").mkdir(parents=True)
    (folder / "mine" / "begun" / "finding.toml").touch()
    (folder / "repro.toml").write_text('[folders]\nfindings = "mine"\n', encoding="utf-8")
    with contextlib.chdir(folder):
        return answer("finding", "list")


def fixed(folder: Path) -> list[Record]:
    return answer("fix", LOST, "-o", folder / "fixed.tflite", "--target", "gpu:lavapipe", "--precision", "fp32")


def history(folder: Path) -> list[Record]:
    (folder / "runs").mkdir()
    kept(folder / "runs", "1.jsonl", "--target", "cpu")
    kept(folder / "runs", "2.jsonl", "--target", "gpu:lavapipe")
    return answer("history", folder / "runs")


def compared(folder: Path) -> list[Record]:
    sides = [kept(folder, f"{target[:3]}.jsonl", "--target", target) for target in ("cpu", "gpu:lavapipe")]
    return answer("compare", *sides)


def gated(folder: Path) -> list[Record]:
    layout = ROOT / "docs" / "examples" / "two_graphs" / "split.toml"
    return [*answer("gate", layout), missing_json("split", "adb", "no phone")]


def matrix(folder: Path) -> list[Record]:
    words = ("matrix", LOST, "--target", "gpu:lavapipe", "--runtime", "2.3.0", "--precision", "fp32")
    bisected = {name: value for name, value in Bisected("", "", "", "", {}).__dict__.items() if name != "tried"}
    between = {"case": LOST.name, "target": "gpu:lavapipe", "precision": "fp32", **bisected}
    return [*answer(*words, "--out", folder / "matrix.json"), between]


def reduced(folder: Path) -> list[Record]:
    return answer("reduce", LOST, "--target", "gpu:lavapipe", "--precision", "fp32", "--out", folder / "reduced")


def fuzzed(folder: Path) -> list[Record]:
    two = ("--target", "gpu:lavapipe", "--target", "gpu:lavapipe@intel")
    summary = answer("fuzz", *two, "--graphs", 20, "--seed", 2, "--corpus", folder / "corpus")
    answer("fuzz", "--target", "cpu", "--graphs", 5, "--seed", 2, "--shard", "1/2", "--corpus", folder / "half")
    return [*summary, *answer("merge", folder / "half"), Bug("", "", "", 0, "", "").__dict__]


COSTLY: dict[str, Callable[[Path], list[Record]]] = {
    **CHEAP,
    "merge": lambda folder: answer("merge", part(folder)),
    "finding list": listed,
    "check": partly,
    "run": lambda _: [*under_two_names(), UNFIT],
    "compare": compared,
    "history": history,
    "gate": gated,
    "fix": fixed,
    "reduce": reduced,
    "matrix": matrix,
    "fuzz": fuzzed,
    "restart": lambda _: answer("restart", LOST, "--target", "gpu:lavapipe", "--cache", "programs"),
    "finding verify": lambda _: answer("finding", "verify", "concat-of-one", "--target", "gpu:lavapipe"),
    "doctor": lambda _: answer("doctor"),
    "device list": lambda _: answer("device", "list", "--device", "loopback"),
}


@pytest.mark.slow
@pytest.mark.gpu
@pytest.mark.timeout(600)
@pytest.mark.parametrize("command", COSTLY)
def test_a_command_writes_what_is_on_the_page(command: str, tmp_path: Path):
    written = {name for record in COSTLY[command](tmp_path) for name in record}
    assert documented()[command] - written == set()
    assert written - documented()[command] == set()


def test_every_exit_code_of_the_code_is_on_the_page():
    table = PAGE[: PAGE.index("## JSON")]
    told = {int(code) for cells in re.findall(r"^\| ([\d, ]+) \|", table, re.M) for code in cells.split(",")}
    errors = (ROOT / "runner" / "errors.py").read_text(encoding="utf-8")
    raised = {int(code) for code in re.findall(r"exit_code\b.*= (\d+)", errors)}
    assert raised
    assert {0, 1, 130, 141, 143} | raised == told
