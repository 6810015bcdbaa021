"""Every command, rule and finding has its page, and every link leads somewhere."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from docs.site import made, sources
from docs.site.__main__ import ROOT, build
from repro.cli import COMMANDS
from repro.findings.reader import slugs
from repro.hazards.rules import RULES


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("pages")
    sources.copy_pages(ROOT, out)
    made.write_all(out)
    return out


def test_every_command_rule_and_finding_has_its_page(pages: Path):
    wanted = [*(f"commands/{name}.md" for name in COMMANDS), *(f"rules/{rule}.md" for rule in RULES)]
    wanted += [f"findings/{slug}/report.md" for slug in slugs()]
    assert [page for page in wanted if not (pages / page).is_file()] == []


def test_every_page_of_the_docs_is_in_the_contents(pages: Path):
    contents = (ROOT / "docs" / "site" / "index.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```\{toctree\}\n(.*?)^```", contents, re.M | re.S)
    listed = {re.sub(r".*<(.*)>", r"\1", line) for block in blocks for line in block.splitlines()}
    written = {str(page.with_suffix("")) for page in sources.pages_of(ROOT) if page.parts[0] != "findings"}
    assert written - listed == set()


def test_a_commands_page_has_its_options_and_its_examples(pages: Path):
    text = (pages / "commands" / "check.md").read_text(encoding="utf-8")
    assert "| `--junit FILE` | Also write JUnit XML here. |" in text
    assert "\n1. repro check model.tflite\n" in text
    below = (pages / "commands" / "finding.md").read_text(encoding="utf-8")
    assert "\n## repro finding verify\n" in below


def test_a_rules_page_leads_to_its_evidence(pages: Path):
    text = (pages / "rules" / "add-reduce.md").read_text(encoding="utf-8")
    assert "(../findings/add-output-feeds-reduction/report.md)" in text
    assert "repro fix model.tflite" in text


@pytest.mark.parametrize("link", ["nowhere.md", "../../etc/passwd", "../repro"])
def test_a_link_that_leads_nowhere_is_refused(tmp_path: Path, link: str):
    (tmp_path / "docs" / "pictures").mkdir(parents=True)
    (tmp_path / "repro").mkdir()
    for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md"):
        (tmp_path / name).write_text("# x\n", encoding="utf-8")
    (tmp_path / "docs" / "a.md").write_text(f"```\n[code](nothing.md)\n```\n[a]({link})\n", encoding="utf-8")
    with pytest.raises(ValueError, match=re.escape(f"docs/a.md: the link {link} leads ")):
        sources.copy_pages(tmp_path, tmp_path / "out")


def test_a_file_of_the_code_is_shown_as_it_is(pages: Path):
    shown = (pages / "ci" / "run.sh.md").read_text(encoding="utf-8")
    assert (ROOT / "ci" / "run.sh").read_text(encoding="utf-8") in shown
    assert "(../ci/run.sh.md)" in (pages / "docs" / "ci.md").read_text(encoding="utf-8")


@pytest.mark.slow
def test_the_site_is_built_without_a_warning(tmp_path: Path):
    assert build(tmp_path / "site") == 0
    for page in ("index", "commands/check", "rules/add-reduce", "findings/add-before-max/report", "docs/output"):
        assert "<html" in (tmp_path / "site" / f"{page}.html").read_text(encoding="utf-8")
