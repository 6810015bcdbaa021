"""Attackers choose names: of tensors, files, layouts, adapters, and the sentences of a finding.

Whatever they hold, a name stays a name: in what a terminal shows, in what CI reads, and in what somebody pastes.
"""

from __future__ import annotations

import ast
import functools
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from markdown_it import MarkdownIt
from markdown_it.token import Token

from cases.edit import with_names
from cases.graph import Graph, Op, Tensor
from cases.tflite.read import read_tflite
from cases.tflite.write import write_tflite
from repro.campaigns.campaign import CaseResult
from repro.display.campaign_table import junit_rows
from repro.display.gate_table import junit_rows as gate_rows
from repro.display.junit import write_junit
from repro.findings import report
from repro.findings.finding import EVIDENCE, MANIFEST, SAMPLE, Finding
from repro.findings.reader import load
from repro.layouts.result import GateAnswer, GateCheck, Report
from repro.pages.of_run import run_page
from repro.pages.render import render
from repro.records.canonical_json import canonical
from repro.records.folders import FINDINGS
from repro.verdicts.verdict import Status, Verdict
from runner.encoding import one_line, shell_command, shown_name, toml_literal
from runner.errors import BadInput
from runner.runtimes import installed
from tests.console_script import Repro
from tests.hostile_names import LONG, any_names, well_formed_names
from tests.repro.display.results import NEWS, result
from tests.repro.display.schemas import require_junit, require_sarif
from tests.repro.findings.shipped import ONE

ROOT = Path(__file__).resolve().parents[2]
MARKDOWN = MarkdownIt("commonmark").enable(["table", "strikethrough"])
NOW = datetime(2026, 11, 25, tzinfo=UTC)
SHARED_FOLDER = settings(max_examples=10, suppress_health_check=[HealthCheck.function_scoped_fixture])
# Clean itself, its neighbours on a line, and the line before; each of them was once seen on a terminal.
CLEAN = "\x1b[2K\x1b[1A\x1b]0;t\x07\nclean m.tflite\n[/] [red] :warning: \u202e`|\"'${x}{{y}}"


def add_bug(name: str) -> bytes:
    """The two-op model of the first bug, all of whose tensors bear the name, with a letter before it."""
    x, z, y, total = (f"{letter}{name}" for letter in "xzys")
    tensors = {n: Tensor(n, (1, 4, 8)) for n in (x, z, y)}
    tensors |= {total: Tensor(total, (1, 4)), "axis": Tensor("axis", (1,), "int32", np.array([2], np.int32))}
    ops = (Op("ADD", (x, z), (y,)), Op("SUM", (y, "axis"), (total,)))
    return write_tflite(Graph(tensors, ops, (x, z), (y, total)))


# --- a terminal, and what CI reads --------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [CLEAN, LONG], ids=["clean", "long"])
@pytest.mark.parametrize(
    "words",
    [["lint"], ["check", "--target", "cpu"], ["matrix", "--target", "cpu", "--runtime", installed().version, "-v"]],
    ids=lambda words: words[0],
)
def test_a_model_cannot_print_a_line_of_its_own(repro: Repro, tmp_path: Path, monkeypatch, name: str, words: list[str]):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("REPRO_CACHE", str(tmp_path / "cache"))
    command, *options = words
    lines = {}
    for kind, given_name in (("hostile", name), ("tame", "")):
        Path("m.tflite").write_bytes(add_bug(given_name))
        code, out, err = repro(command, "m.tflite", *options)
        assert (code, err) == (1 if command == "lint" else 0, "")
        lines[kind] = out.splitlines()
        assert all(line.isprintable() for line in lines[kind])
    if command != "matrix":  # a table folds what is wide
        assert len(lines["hostile"]) == len(lines["tame"])
    assert max(map(len, lines["hostile"])) < 3000
    assert not any(line.strip().startswith("clean") for line in lines["hostile"])


@pytest.mark.parametrize("name", [CLEAN, LONG], ids=["clean", "long"])
def test_programs_get_the_name_as_it_is(repro: Repro, tmp_path: Path, name: str):
    model = tmp_path / "m.tflite"
    model.write_bytes(add_bug(name))
    _, out, _ = repro("lint", str(model), "--json")
    (hazard,) = map(json.loads, out.splitlines())
    assert hazard["tensor"] == f"y{name}"
    _, out, _ = repro("lint", str(model), "--sarif", "-")
    log = json.loads(out)
    require_sarif(log)
    (location,) = log["runs"][0]["results"][0]["locations"]
    assert location["logicalLocations"][0]["name"] == f"y{name}"
    _, out, _ = repro("check", str(model), "--target", "cpu", "--precision", "fp32", "--json")
    # A runtime ends a name at its first NUL, which is what it is asked for its outputs' names by.
    assert [json.loads(line)["name"] for line in out.splitlines()] == [f"{n}{name}".split("\0")[0] for n in "ys"]


def failing(name: str) -> CaseResult:
    """A case, an output, what it holds, a target and a log that are all called `name`."""
    verdict = Verdict(0, name, Status.FAIL, f"alias({name})", name, name)
    return result(f"family/{name}", (verdict, NEWS[1]), target=f"gpu:{name}", log=name)


class Tags(HTMLParser):
    """The tags of a page with the names of their attributes, in order."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.seen: list[tuple[str, ...]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, *(name for name, _ in attrs)))


def tags_of_the_page(name: str) -> list[tuple[str, ...]]:
    return Tags(render(run_page([failing(name)], name, name, lambda slug: None))).seen


@SHARED_FOLDER
@given(name=any_names())
@example(name=LONG)
def test_junit_and_html_hold_the_name_as_text(tmp_path: Path, name: str):
    name = f"n{name}"
    layout = Report(
        name, "gpu:a", "fp32", None, None, (GateCheck("output", name, name, GateAnswer.REFUSED, name),), 1, 1
    )
    for rows in (junit_rows([failing(name)]), list(gate_rows(layout))):
        write_junit(tmp_path / "r.xml", name, rows, NOW)
        require_junit(tmp_path / "r.xml")
        (case,) = ElementTree.parse(tmp_path / "r.xml").getroot().iter("testcase")
        assert [child.tag for child in case] in (["failure"], ["failure", "system-out"])
        assert case.get("name", "").isprintable()
    assert tags_of_the_page(name) == tags_of_the_page("plain")


# --- a report that somebody pastes --------------------------------------------------------------------------------


def spoiled(folder: Path, name: str, said: str) -> Finding:
    """A shipped finding, all of whose names hold `name` and all of whose sentences are `said`."""
    for slug in (ONE, *load(ONE).siblings):
        shutil.copytree(FINDINGS / slug, folder / slug, dirs_exist_ok=True)
    home = folder / ONE
    for path in sorted(home.glob("models/*.tflite")):
        graph = read_tflite(path.read_bytes(), path.name)
        renamed = {old: f"{old}{name}" for old in graph.tensors}
        path.write_bytes(write_tflite(with_names(graph, renamed)))
    keys = ("name", "holds", "signature", "driver", "adapter", "message")
    for kept in (EVIDENCE, SAMPLE):
        document = _renamed(json.loads((home / kept).read_bytes()), name, keys)
        for records in {"cells", "environments"} & set(document):  # one runtime is as good as seven, and faster
            document[records] = [each for each in document[records] if each["runtime"] == "2.3.0"]
        (home / kept).write_bytes(canonical(document))
    text = (home / MANIFEST).read_text(encoding="utf-8")
    document = tomllib.loads(text)
    sentences = [document[key] for key in ("title", "claim", "silent", "rule")]
    sentences += [*document["cause"].values(), *document["not_claimed"], *(m["what"] for m in document["model"])]
    sentences += [s[key] for s in document["cause"]["source"] for key in ("where", "says", "file", "repo")]
    for sentence in (one for one in sentences if isinstance(one, str)):
        text = text.replace(f'= "{sentence}"\n', f"= {toml_literal(said)}\n")
    (home / MANIFEST).write_text(text, encoding="utf-8")
    return load(ONE, folder)


def _renamed(value: Any, name: str, keys: tuple[str, ...], key: str = "") -> Any:
    if isinstance(value, dict):
        return {k: _renamed(v, name, keys, k) for k, v in value.items()}
    if isinstance(value, list):
        return [_renamed(v, name, keys, key) for v in value]
    return f"{value}{name}" if isinstance(value, str) and value and key in keys else value


@functools.cache
def tame_files() -> dict[str, bytes]:
    """The report of the same finding with names and sentences of letters."""
    folder = Path(tempfile.mkdtemp())
    try:
        return report.report_files(spoiled(folder, "q", "said"))
    finally:
        shutil.rmtree(folder)


def blocks(markdown: bytes) -> list[Token]:
    return MARKDOWN.parse(markdown.decode())


def shape_of(source: str) -> list[str]:
    """The kinds of all nodes of a module: what it does, whatever its literals say."""
    return [type(node).__name__ for node in ast.walk(ast.parse(source))]


def strings_of(source: str) -> list[str]:
    return [n.value for n in ast.walk(ast.parse(source)) if isinstance(n, ast.Constant) and isinstance(n.value, str)]


@pytest.mark.slow
@SHARED_FOLDER
@given(name=well_formed_names(), said=well_formed_names())
@example(name='")]; print("gotcha"); (["', said='""" import os; os.system("id") #')
@example(name="`|` @maintainer <script>", said="# <!-- ``` */ https://evil.example")
@example(name=CLEAN, said="a")
@example(name=LONG, said=LONG)
def test_a_report_does_and_is_the_same_whatever_the_names_are(tmp_path: Path, name: str, said: str):
    said = f"s {one_line(said)}"  # what cannot be printed is refused in a finding.toml
    finding = spoiled(tmp_path / "findings", name, said)
    files, tame = report.report_files(finding), tame_files()
    assert {n for n in files if "objects" not in n} == {n for n in tame if "objects" not in n}
    script = files["repro.py"].decode()
    assert shape_of(script) == shape_of(tame["repro.py"].decode())
    graph, part = finding.graph(finding.minimal), literals(script, "MODEL")
    assert [each[0] for each in part["inputs"]] == list(graph.inputs)
    assert [each[0] for each in part["outputs"]] == list(graph.outputs)
    assert part["what"] == finding.minimal.what
    assert without_comments(files["CompiledModelRepro.kt"]) == without_comments(tame["CompiledModelRepro.kt"])
    read, wanted = blocks(files["issue.md"]), blocks(tame["issue.md"])
    pasted = [block for block in read if block.type == "fence" and block.info == "python"]
    if not pasted:  # a model that is too large for a dozen lines: then these lines are not there
        wanted = without_pasted(wanted)
    assert [(b.type, b.info) for b in read if b.type != "inline"] == [
        (b.type, b.info) for b in wanted if b.type != "inline"
    ]
    for block in pasted:
        (twin,) = [b for b in wanted if b.type == "fence" and b.info == "python"]
        assert shape_of(block.content) == shape_of(twin.content)
        assert {*graph.inputs, graph.outputs[0]} <= set(strings_of(block.content))
    parts = [part for block in read for part in block.children or ()]
    assert shown_name(graph.outputs[0]) in {part.content for part in parts if part.type == "code_inline"}
    assert not {"html_inline", "html_block"} & {part.type for part in (*read, *parts)}
    assert mentions(parts) == set()


def literals(source: str, name: str) -> dict[str, Any]:
    """The value of a top-level name of a script, which is not run."""
    (node,) = [n for n in ast.parse(source).body if isinstance(n, ast.Assign) and ast.unparse(n.targets[0]) == name]
    return dict(ast.literal_eval(node.value))


def without_comments(kotlin: bytes) -> list[str]:
    return [re.sub("//.*", "//", line) for line in kotlin.decode().split("\n")]


def without_pasted(tokens: list[Token]) -> list[Token]:
    (at,) = [i for i, block in enumerate(tokens) if block.type == "fence" and block.info == "python"]
    return [*tokens[: at - 3], *tokens[at + 1 :]]  # with the paragraph before it


def mentions(parts: list[Token]) -> set[str]:
    """Whom GitHub would tell of the text."""
    return {one for part in parts if part.type == "text" for one in re.findall(r"(?:^|[^\w`])(@\w+)", part.content)}


@pytest.mark.parametrize("name", ["../../x", "/etc/x", "a/b", ".hidden", "a\nb", "-o", "x" * 300])
def test_a_models_name_in_a_finding_leads_out_of_no_folder(tmp_path: Path, name: str):
    shutil.copytree(FINDINGS / ONE, tmp_path / ONE)
    path = tmp_path / ONE / MANIFEST
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace('name = "control"', f"name = {toml_literal(name)}"), encoding="utf-8")
    with pytest.raises(BadInput, match=r"no plain name of a file|is no name") as refused:
        load(ONE, tmp_path)
    assert str(refused.value).isprintable()


@pytest.mark.parametrize("begin", ["", "./", "../findings/", "{folder}/"])
def test_a_report_is_named_by_the_finding_and_by_no_path(repro: Repro, tmp_path: Path, monkeypatch, begin: str):
    monkeypatch.chdir(tmp_path)
    before = sorted((FINDINGS / ONE).rglob("*"))
    code, out, err = repro("report", f"{begin.format(folder=FINDINGS)}{ONE}")
    assert sorted((FINDINGS / ONE).rglob("*")) == before
    if begin:
        assert (code, out) == (2, "")
        assert f"did you mean '{ONE}'?" in err
        assert list(tmp_path.iterdir()) == []
    else:
        assert (code, [p.name for p in Path("build/report").iterdir()]) == (0, [ONE])


# --- file names that are no UTF-8, a stdout that is no UTF-8, a reader that goes away -----------------------------

WILD = os.fsdecode(b"m\xff\x80\x1b[2J\n[red]")
SHOWN = r"m\udcff\udc80\x1b[2J\n[red]"


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (["lint", "{}.tflite"], 1, "{}.tflite: 1 hazard, 0 risks"),
        (["lint", "{}.tflite", "--sarif", "{}.sarif"], 1, "1 hazard"),
        (["check", "{}.tflite", "--target", "cpu", "--save", "saved{}"], 0, "{}.tflite: 2 ops"),
        (["judge", "saved{}/one{}"], 0, "{}.tflite cpu fp32"),
        (["judge", "{}.tflite"], 2, "{}.tflite: no such folder"),
        (["judge", "--reference", "{}.npz", "--actual", "{}.npz"], 0, "{}.npz fp32"),
        (["check", "{}.tflite", "--target", "cpu", "--inputs", "{}.npz"], 2, "{}.npz: no array for input 0 'x'"),
        (["reduce", "{}.tflite", "--target", "cpu", "--out", "{}"], 2, "{}.tflite: no output fails on cpu"),
        (["fix", "healthy{}.tflite", "-o", "{}", "--target", "cpu"], 0, "healthy{}.tflite: no known hazard"),
        (["matrix", "{}.tflite", "--target", "cpu", "--runtime", "{}"], 2, "'{}' is no LiteRT version"),
        (["gate", "{}.toml"], 2, "layout '{}.toml': no such file"),
        (["gate", "{}.tflite"], 2, "layout '{}.tflite': not readable TOML"),
        (["report", ONE, "--out", "{}"], 0, "{}: "),
        (["report", "{}"], 2, "there is no finding '{}'"),
        (["finding", "new", "{}", "--model", "{}.tflite", "--control", "healthy{}.tflite"], 2, "'{}' is no slug"),
        (["expect", "update", "{}"], 2, "{}: no such file"),
        (["run", "{}"], 2, "no case '{}'"),
        (["check", "{}.tflite", "--target", "{}"], 2, "'{}'"),
        (["{}"], 2, "No such command '{}'"),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, list) else None,
)
def test_a_file_name_that_is_no_utf_8_is_a_name(
    repro: Repro, tmp_path: Path, monkeypatch, words: list[str], code: int, says: str
):
    monkeypatch.chdir(tmp_path)
    Path(f"{WILD}.tflite").write_bytes(add_bug(""))
    Path(f"healthy{WILD}.tflite").write_bytes(read_healthy())
    np.savez(f"{WILD}.npz", a=np.arange(6.0))
    if words[0] == "judge" and "saved" in words[1]:
        saved = f"saved{WILD}/one{WILD}"
        repro("check", f"{WILD}.tflite", "--target", "cpu", "--precision", "fp32", "--save", f"saved{WILD}")
        (only,) = Path(f"saved{WILD}").iterdir()
        only.rename(saved)
    got, out, err = repro(*(word.replace("{}", WILD) for word in words))
    assert got == code, err
    said = out + err
    assert says.replace("{}", SHOWN) in " ".join(said.split("\n"))
    assert all(line.isprintable() for line in said.splitlines())
    assert code != 2 or err.splitlines()[-1].startswith("repro: ")
    assert "Traceback" not in err


def read_healthy() -> bytes:
    tensors = {n: Tensor(n, (1, 4)) for n in ("x", "y")}
    return write_tflite(Graph(tensors, (Op("NEG", ("x",), ("y",)),), ("x",), ("y",)))


def script(*words: str, **options: Any) -> subprocess.CompletedProcess[bytes]:
    """The console script in a process of its own."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), **options.pop("env", {})}
    command = [sys.executable, "-m", "repro", *words]
    return subprocess.run(command, env=environment, check=False, stderr=subprocess.PIPE, **options)


@pytest.mark.parametrize(
    "env",
    [{"PYTHONIOENCODING": "ascii"}, {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}],
    ids=["ascii", "C"],
)
def test_a_stdout_that_is_ascii_gets_ascii(tmp_path: Path, env: dict[str, str]):
    (tmp_path / "m.tflite").write_bytes(add_bug("\N{SNOWMAN}"))
    done = script("lint", "m.tflite", cwd=tmp_path, env=env, stdout=subprocess.PIPE)
    assert (done.returncode, done.stderr) == (1, b"")
    assert rb"output 0 'y\u2603'" in done.stdout


@pytest.mark.parametrize("words", [("lint", "m.tflite"), ("lint", "m.tflite", "--json"), ("--help",)], ids=" ".join)
def test_a_reader_that_went_away_is_neither_a_pass_nor_a_finding(tmp_path: Path, words: tuple[str, ...]):
    (tmp_path / "m.tflite").write_bytes(add_bug(""))
    reading, writing = os.pipe()
    os.close(reading)
    done = script(*words, cwd=tmp_path, stdout=writing)
    os.close(writing)
    assert (done.returncode, done.stderr) == (141, b"")


def test_a_closed_stdout_changes_no_answer(tmp_path: Path):
    (tmp_path / "m.tflite").write_bytes(add_bug(""))
    command = f"{shell_command([sys.executable, '-m', 'repro', 'lint', 'm.tflite'])} >&-"
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(["sh", "-c", command], cwd=tmp_path, env=environment, check=False, stderr=subprocess.PIPE)
    assert (done.returncode, done.stderr) == (1, b"")
