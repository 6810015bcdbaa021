"""A page as one HTML file: no network, no other file, no script but the one that filters.

Key insight: a page is mailed, attached to CI and opened by people who trust it, and what it shows comes from strangers'
files. So the template escapes everything, what cannot be printed is shown as its escape, and the page itself forbids
the browser any script and any address but its own: a text stays a text even where a template has a mistake.
"""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path

import jinja2
from markupsafe import Markup

from repro.pages import heat_map
from repro.pages.page import Command, Drawing, Facts, Fold, HeatMap, Lines, Page, Table, Text, choices
from runner.cache import write_atomically
from runner.encoding import one_line

TEMPLATES = Path(__file__).parent / "templates"
PICTURE_BYTES = 850_000
"""Bytes of pictures in a page at most; of more failures the first have theirs. The whole stays below 2 MB."""


def _printable(value: object) -> object:
    """What stands between {{ }}: text without characters that a browser obeys, line ends included."""
    return one_line(value) if isinstance(value, str) and not isinstance(value, Markup) else value


_environment = jinja2.Environment(
    loader=jinja2.FileSystemLoader(TEMPLATES),
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    autoescape=True,
    finalize=_printable,
)
_environment.filters["enumerated"] = lambda values: {value: number for number, value in enumerate(values)}
_environment.tests |= {
    kind.__name__.lower(): lambda value, kind=kind: isinstance(value, kind)
    for kind in (Text, Lines, Command, Facts, Drawing, HeatMap, Table, Fold)
}


class _Pictures:
    """Hands out the pictures of a page until it has enough of them."""

    def __init__(self) -> None:
        self.left = PICTURE_BYTES
        self.omitted = 0

    def image(self, block: HeatMap) -> str:
        """The address of a heat map's image, or nothing where the page has no room for it."""
        uri = heat_map.data_uri(block.map)
        if len(uri) > self.left:
            self.omitted += 1
            return ""
        self.left -= len(uri)
        return uri

    def svg(self, block: Drawing) -> Markup | str:
        """A drawing, which escaped its own texts, or nothing."""
        if len(block.svg) > self.left:
            self.omitted += 1
            return ""
        self.left -= len(block.svg)
        return Markup(block.svg)


def render(page: Page) -> str:
    """The page as HTML."""
    style = _source("page.css") + _column_labels(page)
    script = _source("filters.js")
    template = _environment.get_template("page.html.j2")
    return template.render(
        page=page,
        style=Markup(style),
        script=Markup(script),
        style_hash=_sha256(style),
        script_hash=_sha256(script),
        pictures=_Pictures(),
        choices=choices,
        heat_map=heat_map,
    )


def write_page(path: Path, page: Page) -> None:
    """Write a page. Raises Unwritable."""
    write_atomically(path, render(page).encode("utf-8"))


def _source(name: str) -> str:
    return (TEMPLATES / name).read_text(encoding="utf-8")


def _sha256(text: str) -> str:
    """As a content security policy names what it allows."""
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _column_labels(page: Page) -> str:
    """On a phone a row is a card, in which each cell says which column it is."""
    rules = []
    for number, table in enumerate(tables(page)):
        for column, name in enumerate(table.columns, 1):
            plain = "".join(c if c.isalnum() or c in " ._-" else " " for c in name if c.isascii())
            rules.append(f'#t{number}>tbody>tr>:nth-child({column})::before{{content:"{plain}"}}')
    return f"@media (max-width:700px){{{''.join(rules)}}}"


def tables(page: Page) -> list[Table]:
    """The tables of a page that stand in its sections, in order; those in folded details have no filters."""
    return [block for section in page.sections for block in section.blocks if isinstance(block, Table)]
