"""The docs are held against what they are about: their commands are run, and what they name exists.

In a ```console block a line `$ COMMAND` is run from the repository's root, and must exit with 0 or
with the code that a trailing `# exit N` names. `make` lines are checked against the Makefile, and those of
a block behind `<!-- not run here -->` only for a command and options that exist.
"""

from __future__ import annotations

import ast
import fnmatch
import io
import re
import shlex
import subprocess
import sys
import tokenize
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from cases.catalogue import catalogue
from repro.cli import main

ROOT = Path(__file__).resolve().parent.parent
DOCS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]


@dataclass(frozen=True)
class Command:
    where: str
    text: str
    exit_code: int
    only_checked: bool


def commands() -> list[Command]:
    found = []
    for path in DOCS:
        text = path.read_text(encoding="utf-8")
        for mark, block in re.findall(r"^(<!-- not run here -->\n)?```console\n(.*?)^```", text, re.M | re.S):
            for line in block.splitlines():
                if not line.startswith("$ "):
                    continue
                text, _, remark = line[2:].partition("  #")
                code = re.search(r"^ exit (\d+)$", remark)
                assert code or not remark, f"{path.name}: only `# exit N` may stand behind a command, not '#{remark}'"
                found.append(Command(path.name, text.strip(), int(code.group(1)) if code else 0, bool(mark)))
    return found


def test_the_docs_show_commands():
    assert len(commands()) >= 5


@pytest.fixture(scope="module")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One folder for all commands of the docs, since one may read what another wrote."""
    return tmp_path_factory.mktemp("docs")


SHARED = re.compile(r"\bresults\.jsonl\b")  # what one command of the docs writes and another reads


def run_line(text: str, scratch: Path) -> subprocess.CompletedProcess[str]:
    """Run one line of the docs from the repository's root, after the one that writes what it reads."""
    if SHARED.search(text.partition(">")[0]) and not any(scratch.iterdir()):
        (writer,) = [c for c in commands() if SHARED.search(c.text.partition(">")[2])]
        run_line(writer.text, scratch)
    scripts = Path(sys.executable).parent
    line = f'cd "{ROOT}" && PATH="{scripts}:$PATH" && ' + SHARED.sub(lambda found: f"{scratch}/{found[0]}", text)
    return run(["bash", "-c", line])


def run(command: list[str | Path]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, encoding="utf-8", timeout=1800, check=False)


def help_of(words: list[str]) -> str:
    helped = CliRunner().invoke(main, [*words, "--help"])
    assert helped.exit_code == 0, helped.output
    return helped.output


def parameters() -> list[Any]:
    """What is run beyond README's own commands is slow: each is a process of its own, and most run models."""
    found = []
    for command in commands():
        runs = command.text.startswith("repro ") and not command.only_checked and command.where != "README.md"
        marks = [pytest.mark.slow] if runs else []
        found.append(pytest.param(command, marks=marks, id=f"{command.where}: {command.text}"))
    return found


@pytest.mark.parametrize("command", parameters())
def test_command_in_the_docs(command: Command, scratch: Path):
    words = shlex.split(command.text.partition(">")[0])
    if words[0] == "make":
        targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.M)
        assert words[1] in targets
        return
    if words[0] == "pytest":
        assert command.only_checked, "a pytest line inside pytest would never end: mark its block <!-- not run here -->"
        return
    assert words[0] == "repro", f"docs show {words[0]!r}; only repro, make and pytest are checked"
    if command.only_checked:
        helped = help_of(words[1:2])
        missing = [w for w in words if w.startswith("--") and w.partition("=")[0] not in helped]
        # Sub-subcommands (`repro device setup`) list their own options.
        if missing and len(words) > 2 and not words[2].startswith("-"):
            helped = help_of(words[1:3])
            missing = [w for w in missing if w.partition("=")[0] not in helped]
        assert missing == []
        return
    done = run_line(command.text, scratch)
    assert done.returncode == command.exit_code, f"{command.text}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}"
    assert "Traceback" not in done.stderr


def test_the_python_in_the_docs_runs():
    """All blocks of docs/python.md, one after another, as its reader would type them."""
    text = (ROOT / "docs" / "python.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```python\n(.*?)^```", text, re.M | re.S)
    assert len(blocks) >= 2
    done = subprocess.run(
        [sys.executable, "-c", "\n".join(blocks)], cwd=ROOT, capture_output=True, encoding="utf-8", check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]


# --- what the docs and the docstrings name ---------------------------------------------------------------

OURS = ("repro", "cases", "models", "runner", "tests")
A_PATH = re.compile(rf"(?<![\w/.$~<{{-])((?:{'|'.join(OURS)}|findings|docs)/[\w./*<>-]*[\w*>/])")
A_MODULE = re.compile(rf"(?<![\w/.-])((?:{'|'.join(OURS)})(?:\.[A-Za-z_]\w*)+)(?![\w/])")
OTHERS = {
    *("models/post.py", "models.post"),  # a user's, in the example of a repository with a `models` of its own
    "models/*.tflite",  # in the folder of a finding
    "cases/shipped",  # made by `make dist`
    "repro.toml",  # a project's own
}


def python_files() -> list[Path]:
    return [path for package in OURS for path in sorted((ROOT / package).rglob("*.py"))]


def prose(path: Path) -> Iterator[str]:
    """What a file says in words: the code spans of a document, the docstrings and comments of a module."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".md":
        yield from re.findall(r"`([^`\n]+)`", re.sub(r"^```.*?^```", "", text, flags=re.M | re.S))
    elif path.suffix == ".py":
        documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
        yield from (ast.get_docstring(n) or "" for n in ast.walk(ast.parse(text)) if isinstance(n, documented))
        tokens = tokenize.generate_tokens(io.StringIO(text).readline)
        yield from (token.string for token in tokens if token.type == tokenize.COMMENT)
    else:
        yield text


def path_exists(name: str) -> bool:
    pattern = re.sub(r"<[^<>]*>", "*", name.rstrip("/"))
    return any(ROOT.glob(pattern)) or any(fnmatch.fnmatch(case.name, pattern) for case in catalogue())


def module_exists(name: str) -> bool:
    """Whether a dotted name is a module of ours, or begins with one that speaks of the next part."""
    parts = name.split(".")
    for count in range(len(parts), 0, -1):
        place = ROOT.joinpath(*parts[:count])
        source = place / "__init__.py" if place.is_dir() else place.with_suffix(".py")
        if source.is_file():
            return count == len(parts) or bool(re.search(rf"\b{parts[count]}\b", source.read_text(encoding="utf-8")))
    return False


def lost_names(path: Path) -> list[str]:
    """Paths and modules of ours that a file names and that are not there."""
    lost = []
    for text in prose(path):
        lost += [name for name in A_PATH.findall(text) if not path_exists(name)]
        lost += [name for name in A_MODULE.findall(text) if not name.endswith(".py") and not module_exists(name)]
    return [name for name in lost if name not in OTHERS]


def test_every_path_and_module_of_ours_that_is_named_exists():
    paths = [*DOCS, ROOT / "Makefile", ROOT / ".ci" / "run", *python_files()]
    assert {str(path.relative_to(ROOT)): lost for path in paths if (lost := lost_names(path))} == {}


def test_a_name_that_is_lost_is_seen(tmp_path: Path):
    (tmp_path / "a.md").write_text(
        "`repro/judge.py`, `repro/cli.py`, `repro.oracle.main`, `repro.cli.main`", encoding="utf-8"
    )
    (tmp_path / "b.py").write_text(
        '"""See repro.cli and tests/nowhere/."""\n# as in `cases.evaluate`\n', encoding="utf-8"
    )
    assert lost_names(tmp_path / "a.md") == ["repro/judge.py", "repro.oracle.main"]
    assert lost_names(tmp_path / "b.py") == ["tests/nowhere/", "cases.evaluate"]


def test_package_data_is_there():
    """A pattern of pyproject.toml that matches nothing is a folder that moved and is no longer installed."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    patterns = [(p, each) for p, among in project["tool"]["setuptools"]["package-data"].items() for each in among]
    patterns.remove(("cases", "shipped/*.tflite"))  # made by `make dist`, for the wheel alone
    assert len(patterns) > 3
    assert [(package, pattern) for package, pattern in patterns if not any((ROOT / package).glob(pattern))] == []


@pytest.mark.parametrize("path", DOCS, ids=lambda p: p.name)
def test_every_link_between_documents_leads_somewhere(path: Path):
    targets = re.findall(r"\]\((?!https?:)([^)\s]*)\)", path.read_text(encoding="utf-8"))
    for target in targets:
        name, _, section = target.partition("#")
        file = path.parent / name if name else path
        assert file.exists(), target
        if section:
            headings = re.findall(r"^#+ (.*)$", file.read_text(encoding="utf-8"), re.M)
            assert section in {re.sub(r"[^\w\s-]", "", h.lower()).replace(" ", "-") for h in headings}, target
