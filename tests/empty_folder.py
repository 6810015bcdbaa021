"""The page docs/from-an-empty-folder.md as what its reader does: files to write, and commands to run, in its order."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

PAGE = Path(__file__).resolve().parents[1] / "docs" / "from-an-empty-folder.md"


@dataclass(frozen=True)
class Written:
    """A block with a title: a file, by its path from the folder."""

    name: str
    text: str


@dataclass(frozen=True)
class Typed:
    """A line of a block of commands, and the exit code that its remark names."""

    line: str
    code: int


def steps() -> Iterator[Written | Typed]:
    """All but the installation, which whoever runs the page has behind them."""
    page = PAGE.read_text(encoding="utf-8")
    for kind, title, text in re.findall(r'^```(\w+)(?: title="([^"]+)")?\n(.*?)^```', page, re.M | re.S):
        if title:
            yield Written(title, text)
        elif kind == "sh":
            for line in text.splitlines():
                command, _, remark = line.partition("  #")
                code = re.search(r"exit (\d+)", remark)
                if not command.startswith("pip "):
                    yield Typed(command, int(code[1]) if code else 0)
