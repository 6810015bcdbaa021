"""The documents of the checkout, copied to where Sphinx reads them, with every link leading somewhere on the site.

Key insight: the documents are written to be read in the checkout too, so their links are relative to it. Copied into
the same places they still fit, but for what is no page: the folder of a finding leads to its report, and a file of the
code is shown as it is.
"""

from __future__ import annotations

import functools
import re
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path

from runner.encoding import fenced, markdown_cell

_LINK = re.compile(r"(\]\()(?!https?:|#|mailto:)([^)\s]+)(\))")
_FENCE = re.compile(r"^```.*?^```", re.M | re.S)
_SHOWN_AS = {".py": "python", ".yml": "yaml", ".sh": "bash", ".toml": "toml", ".tsv": "text"}


def pages_of(root: Path) -> list[Path]:
    """The documents that are pages, relative to the root."""
    named = [Path("README.md"), Path("CONTRIBUTING.md"), Path("CHANGELOG.md")]
    found = [*sorted(root.glob("docs/*.md")), *sorted(root.glob("findings/*/report.md"))]
    return [*named, *(page.relative_to(root) for page in found)]


def copy_pages(root: Path, out: Path) -> None:
    """Copy all pages and what they show. Raises ValueError for a link that leads nowhere."""
    for page in pages_of(root):
        text = (root / page).read_text(encoding="utf-8")
        text = _outside_of_code(text, functools.partial(_relinked, page=page, root=root, out=out))
        target = out / page
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(_without_mermaid(text) if page.name == "report.md" else text, encoding="utf-8")
    shutil.copytree(root / "docs" / "pictures", out / "docs" / "pictures", dirs_exist_ok=True)


def _outside_of_code(text: str, change: Callable[[str], str]) -> str:
    parts: list[str] = []
    end = 0
    for fence in _FENCE.finditer(text):
        parts += [change(text[end : fence.start()]), fence[0]]
        end = fence.end()
    return "".join([*parts, change(text[end:])])


def _without_mermaid(text: str) -> str:
    """The drawing of a report needs a script from elsewhere; the graph stands in words above it."""
    return re.sub(r"^```mermaid\n.*?^```\n", "", text, flags=re.M | re.S)


def _relinked(text: str, page: Path, root: Path, out: Path) -> str:
    return _LINK.sub(lambda found: f"{found[1]}{_place(found[2], page, root, out)}{found[3]}", text)


def _place(link: str, page: Path, root: Path, out: Path) -> str:
    """Where a link leads on the site."""
    name, hash_, section = link.partition("#")
    file = (root / page.parent / name).resolve()
    if not file.is_relative_to(root.resolve()) or not file.exists():
        raise ValueError(f"{page}: the link {link} leads nowhere")
    place = file.relative_to(root.resolve())
    up = "../" * len(page.parent.parts)
    if file.is_dir():
        if place == Path("findings"):
            return f"{up}findings/index.md"
        if (file / "report.md").is_file():
            return f"{up}{place}/report.md"
        raise ValueError(f"{page}: the link {link} leads to a folder that is no finding")
    if file.suffix in (".md", ".svg", ".jpg", ".png"):
        return f"{name}{hash_}{section}"
    _show(file, out / f"{place}.md", str(place))
    return f"{up}{place}.md"


def _show(file: Path, page: Path, title: str) -> None:
    """A page that shows a file of the code as it is."""
    shown = fenced(file.read_text(encoding="utf-8").splitlines(), _SHOWN_AS.get(file.suffix, "text"))
    page.parent.mkdir(parents=True, exist_ok=True)
    page.write_text(f"---\norphan: true\n---\n# {title}\n\n{shown}\n", encoding="utf-8")


def table(columns: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """A markdown table; a bar in a cell is escaped."""
    columns = list(columns)
    lines = [columns, ["---"] * len(columns), *(map(markdown_cell, row) for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
