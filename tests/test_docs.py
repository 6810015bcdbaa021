"""The commands in the docs are run: a document that lies fails here.

In a ```console block a line `$ COMMAND` is run from the repository's root, and must exit with 0 or
with the code that a trailing `# exit N` names. `make` lines are checked against the Makefile, and
lines with `# not run here` are only checked for a command and options that exist.
"""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

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
        for block in re.findall(r"^```console\n(.*?)^```", path.read_text(encoding="utf-8"), re.M | re.S):
            for line in block.splitlines():
                if not line.startswith("$ "):
                    continue
                text, _, remark = line[2:].partition("  #")
                code = re.search(r"exit (\d+)", remark)
                found.append(
                    Command(path.name, text.strip(), int(code.group(1)) if code else 0, "not run here" in remark)
                )
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


@pytest.mark.parametrize("command", commands(), ids=lambda c: f"{c.where}: {c.text}")
def test_command_in_the_docs(command: Command, scratch: Path):
    words = shlex.split(command.text.partition(">")[0])
    if words[0] == "make":
        targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.M)
        assert words[1] in targets
        return
    if words[0] == "pytest":
        assert command.only_checked, "a pytest line inside pytest would never end: mark it '# not run here'"
        return
    assert words[0] == "repro", f"docs show {words[0]!r}; only repro, make and pytest are checked"
    scripts = Path(sys.executable).parent
    if command.only_checked:
        helped = run([scripts / "repro", words[1], "--help"])
        assert helped.returncode == 0
        missing = [w for w in words if w.startswith("--") and w.partition("=")[0] not in helped.stdout]
        # Sub-subcommands (`repro device setup`) list their own options.
        if missing and len(words) > 2 and not words[2].startswith("-"):
            helped = run([scripts / "repro", *words[1:3], "--help"])
            missing = [w for w in missing if w.partition("=")[0] not in helped.stdout]
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
