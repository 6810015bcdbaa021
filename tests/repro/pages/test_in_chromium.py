"""Every kind of page in a real browser: no complaint, filters that work, readable light, dark and on a phone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from repro.pages.of_run import run_page
from repro.pages.render import write_page
from tests.repro.pages import chromium
from tests.repro.pages.samples import PAGES, catalogue

pytestmark = pytest.mark.slow

CONTRAST = """() => {
  const parsed = (colour) => colour.match(/[\\d.]+/g).map(Number);
  const light = ([r, g, b]) => [r, g, b].map((v) => v / 255)
    .map((v) => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
    .reduce((sum, v, n) => sum + v * [0.2126, 0.7152, 0.0722][n], 0);
  const ground = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const colour = parsed(getComputedStyle(at).backgroundColor);
      if (colour.length === 3 || colour[3] > 0) return colour;
    }
    return [255, 255, 255];
  };
  const faint = new Set();
  for (const element of document.querySelectorAll("body *:not(script):not(svg *)")) {
    const own = [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim());
    if (!own || !element.checkVisibility()) continue;
    const [a, b] = [parsed(getComputedStyle(element).color), ground(element)].map(light).sort((x, y) => y - x);
    const ratio = (a + 0.05) / (b + 0.05);
    if (ratio < 4.5) faint.add(element.tagName + "." + element.className + " " + ratio.toFixed(2));
  }
  return [...faint];
}"""
"""Elements whose text has less contrast to what is behind it than WCAG's AA asks of text."""

UNFOLD = "() => document.querySelectorAll('details').forEach((details) => { details.open = true; })"


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium.browser() as launched:
        yield launched


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("pages")
    for kind, page in PAGES.items():
        write_page(made / f"{kind}.html", page())
    return made


@pytest.mark.parametrize("kind", PAGES)
def test_a_page_opens_without_a_complaint_and_no_name_in_it_is_obeyed(browser: Any, folder: Path, kind: str):
    with chromium.opened(browser, folder / f"{kind}.html") as page:
        page.evaluate(UNFOLD)
        page.wait_for_function("() => [...document.images].every((image) => image.complete && image.naturalWidth)")
        assert page.evaluate("() => typeof window.broken") == "undefined"
        assert page.locator("svg.graph").count() == page.locator("svg.graph[role=img]").count()


@pytest.mark.parametrize("kind", PAGES)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_has_the_contrast_that_aa_asks_for(browser: Any, folder: Path, kind: str, scheme: str):
    with chromium.opened(browser, folder / f"{kind}.html", scheme=scheme) as page:
        page.evaluate(UNFOLD)
        assert page.evaluate(CONTRAST) == []


@pytest.mark.parametrize("kind", PAGES)
def test_nothing_is_wider_than_a_phone(browser: Any, folder: Path, kind: str):
    with chromium.opened(browser, folder / f"{kind}.html", viewport=chromium.PHONE) as page:
        page.evaluate(UNFOLD)
        assert page.evaluate("() => document.documentElement.scrollWidth") <= chromium.PHONE["width"]


def shown(page: Any) -> list[list[str]]:
    """The cells of the rows that can be seen, of the first table."""
    rows = page.locator("#t0 > tbody > tr:visible")
    return rows.evaluate_all("(rows) => rows.map((row) => [...row.cells].map((cell) => cell.innerText))")


def test_a_filter_shows_what_has_its_choice_and_counts(browser: Any, folder: Path):
    with chromium.opened(browser, folder / "run.html") as page:
        everything = len(shown(page))
        assert page.locator("output").inner_text() == f"{everything} of {everything} shown"
        page.get_by_label("verdict").select_option(label="PASS")
        passed = shown(page)
        assert 0 < len(passed) < everything
        assert {cells[1] for cells in passed} == {"PASS"}
        page.get_by_label("family").select_option(label="other")
        both = shown(page)
        assert 0 < len(both) < len(passed)
        assert all(cells[0].startswith("other/") for cells in both)
        page.get_by_label("words").fill("TWIN other")
        assert [cells[0] for cells in shown(page)] == ["other/twin"]
        assert page.locator("output").inner_text() == f"1 of {everything} shown"
        page.get_by_label("words").fill("")
        for name in ("verdict", "family"):
            page.get_by_label(name).select_option(label="any")
        assert len(shown(page)) == everything


def test_what_is_folded_opens_when_it_is_linked_to(browser: Any, folder: Path):
    with chromium.opened(browser, folder / "run.html") as page:
        finding = page.locator("#finding-add-output-feeds-reduction")
        assert finding.get_attribute("open") is None
        row = page.locator("#t0 tr", has_text="family/known-too").filter(has=page.locator("details"))
        row.locator("summary").click()
        row.get_by_role("link", name="known: add-output-feeds-reduction").click()
        assert finding.get_attribute("open") is not None
        assert finding.get_by_text("emit y through a MUL by 1").first.is_visible()


def test_the_keyboard_is_enough(browser: Any, folder: Path):
    with chromium.opened(browser, folder / "run.html") as page:
        page.keyboard.press("Tab")
        assert page.evaluate("() => document.activeElement.textContent") == "Skip to the answer"
        page.keyboard.press("Enter")
        assert page.evaluate("() => location.hash") == "#main"
        page.locator("#t0 summary").first.focus()
        page.keyboard.press("Enter")
        assert page.locator("#t0 details").first.get_attribute("open") is not None


def test_a_page_as_large_as_the_catalogue_opens_and_filters(browser: Any, tmp_path: Path):
    results = catalogue()
    outputs = sum(len(result.verdicts) for result in results)
    write_page(tmp_path / "run.html", run_page(results, "summary", "repro run", lambda slug: None))
    with chromium.opened(browser, tmp_path / "run.html") as page:
        assert page.locator("output").inner_text() == f"{outputs} of {outputs} shown"
        page.get_by_label("verdict").select_option(label="FAIL")
        assert page.locator("output").inner_text() == f"500 of {outputs} shown"


def test_without_scripts_everything_is_shown_and_no_filter_pretends(browser: Any, folder: Path):
    context = browser.new_context(java_script_enabled=False, offline=True)
    page = context.new_page()
    page.goto((folder / "run.html").as_uri())
    assert page.locator(".filters:visible").count() == 0
    assert page.locator("#t0 > tbody > tr:visible").count() == page.locator("#t0 > tbody > tr").count() > 0
    context.close()
