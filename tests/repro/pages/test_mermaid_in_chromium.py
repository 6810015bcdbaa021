"""Mermaid itself draws what a report holds, and shows a hostile name as the name that it is."""

from __future__ import annotations

import re
import shutil
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from repro.drawings.mermaid import to_mermaid
from repro.drawings.picture import picture_of
from repro.findings import reader
from repro.findings.finding import REPORT
from repro.records.folders import FINDINGS
from runner.encoding import one_line
from tests.hostile_names import FRAGMENTS
from tests.repro.drawings.graphs import add_bug
from tests.repro.pages import chromium

pytestmark = pytest.mark.slow

MERMAID = "mermaid@12.3.0"
DRAW = """async ([id, text]) => {
  document.body.innerHTML = (await mermaid.render(id, text)).svg;
  return [...document.querySelectorAll(".nodeLabel")].map((label) => label.innerText);
}"""


@pytest.fixture(scope="module")
def script(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """mermaid.min.js out of the npm package."""
    folder = tmp_path_factory.mktemp("mermaid")
    if shutil.which("npm") is None:
        pytest.skip("no npm here, so mermaid was not asked (apt-get install npm)")
    packed = subprocess.run(["npm", "pack", MERMAID], cwd=folder, capture_output=True, timeout=300, check=False)
    if packed.returncode:
        pytest.skip(f"npm cannot fetch {MERMAID}, so mermaid was not asked")
    (archive,) = folder.glob("*.tgz")
    with tarfile.open(archive) as package:
        package.extract("package/dist/mermaid.min.js", folder, filter="data")
    return folder / "package" / "dist" / "mermaid.min.js"


@pytest.fixture(scope="module")
def page(script: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """An empty page with mermaid in it, as strict as GitHub's."""
    empty = tmp_path_factory.mktemp("empty") / "page.html"
    empty.write_text("<!doctype html><meta charset=utf-8><body></body>", encoding="utf-8")
    with chromium.browser() as launched, chromium.opened(launched, empty) as opened:
        opened.add_script_tag(path=str(script))
        opened.evaluate("() => mermaid.initialize({startOnLoad: false, securityLevel: 'strict'})")
        yield opened


def test_every_report_has_a_drawing_that_mermaid_draws(page: Any):
    for number, slug in enumerate(reader.slugs()):
        text = (FINDINGS / slug / REPORT).read_text(encoding="utf-8")
        (drawing,) = re.findall(r"```mermaid\n(.*?)\n```", text, re.DOTALL)
        labels = page.evaluate(DRAW, [f"finding{number}", drawing])
        assert len(labels) == drawing.count(":::"), slug


def test_a_hostile_name_is_shown_as_the_name_that_it_is(page: Any):
    for number, fragment in enumerate(FRAGMENTS):
        picture = picture_of(add_bug(f"{fragment}y{fragment}"))
        labels = page.evaluate(DRAW, [f"name{number}", "\n".join(to_mermaid(picture))])
        # Where lines break is mermaid's to say, and a joiner keeps what it would obey apart.
        drawn = sorted(re.sub(r"[\s\u2060]", "", label) for label in labels)
        assert drawn == sorted("".join(one_line("".join(node.text)).split()) for node in picture.nodes), fragment
