"""A page is one file that stands alone: well formed, bounded, and deaf to whatever the names in it say."""

from __future__ import annotations

import base64
import hashlib
import re
from pathlib import Path

import pytest
from hypothesis import given

from repro.pages.of_run import run_page
from repro.pages.page import Fold, Page, Row, Section, Table, Text
from repro.pages.render import PICTURE_BYTES, render, write_page
from repro.records.lines import Tone
from runner.cache import Unwritable
from tests.hostile_names import any_names
from tests.repro.pages.html_reader import Reader
from tests.repro.pages.samples import PAGES, catalogue

MOST_BYTES = 2_000_000


@pytest.fixture(params=PAGES, scope="module")
def page(request: pytest.FixtureRequest) -> str:
    return render(PAGES[request.param]())


def test_every_tag_is_closed_and_no_id_is_there_twice(page: str):
    read = Reader(page)
    assert (read.mistakes, read.open_tags) == ([], [])
    ids = [attributes["id"] for _, attributes in read.tags if "id" in attributes]
    assert len(set(ids)) == len(ids)


def test_nothing_is_loaded_from_anywhere(page: str):
    read = Reader(page)
    sources = [value for _, attributes in read.tags for name, value in attributes.items() if name == "src"]
    assert all(source.startswith("data:image/png;base64,") for source in sources)
    assert {name for name, _ in read.tags} & {"link", "iframe", "object", "embed", "base", "audio", "video"} == set()
    links = [attributes["href"] for attributes in read.named("a")]
    assert all(link.startswith(("#", "https://")) for link in links)
    assert "url(" not in page
    assert "@import" not in page


def test_the_only_script_and_style_are_those_that_the_page_allows_itself(page: str):
    read = Reader(page)
    assert (read.elements("script"), read.elements("style")) == (1, 1)
    (policy,) = [m["content"] for m in read.named("meta") if m.get("http-equiv") == "Content-Security-Policy"]
    assert policy.startswith("default-src 'none'")
    for tag in ("script", "style"):
        (text,) = re.findall(rf"<{tag}>(.*?)</{tag}>", page, re.DOTALL)
        allowed = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{allowed}'" in policy
    handlers = {name for _, attributes in read.tags for name in attributes if name.startswith("on")}
    assert handlers == set()
    assert [a for _, a in read.tags if "style" in a] == []


def test_a_screen_reader_finds_its_way(page: str):
    read = Reader(page)
    assert [a["lang"] for a in read.named("html")] == ["en"]
    assert (read.elements("h1"), read.elements("main"), read.elements("nav")) == (1, 1, 1)
    ids = {attributes["id"] for _, attributes in read.tags if "id" in attributes}
    inside = [a["href"][1:] for a in read.named("a") if a["href"].startswith("#")]
    assert set(inside) <= ids, "a link leads nowhere"
    assert read.elements("caption") == read.elements("table")
    assert all(a.get("scope") in ("col", "row") for a in read.named("th"))
    assert all(a.get("alt") for a in read.named("img"))
    assert all(a.get("aria-label") or a.get("aria-hidden") for a in read.named("svg"))


@given(any_names())
def test_any_name_is_shown_as_a_text_wherever_it_stands(name: str):
    row = Row((Text(name), Text(name, Tone.BAD)), (name,), (Text(name),))
    table = Table(name, ("case", "what"), (row, row), ("filter",))
    made = render(Page(name, [Text(name)], [Section(name, (table, Fold(name, (Text(name),))))]))
    plain = render(Page("x", [Text("x")], [Section("x", (_plain(), Fold("x", (Text("x"),))))]))
    shape = [name for name, _ in Reader(made).tags]
    assert shape == [name for name, _ in Reader(plain).tags]
    assert made.isascii() or made.encode("utf-8")
    body = made[made.index("<body>") :].replace("\n", "")
    assert body.isprintable()


def _plain() -> Table:
    row = Row((Text("x"), Text("x", Tone.BAD)), ("x",), (Text("x"),))
    return Table("x", ("case", "what"), (row, row), ("filter",))


def campaign_page(failing: int) -> tuple[str, int]:
    """A page of as many outputs as the catalogue has, and the bytes of its pictures."""
    results = catalogue(failing=failing)
    page = render(run_page(results, "summary", "repro run", lambda slug: None))
    assert page.count("<tr data-f=") == sum(len(r.verdicts) for r in results) > 2600
    return page, sum(map(len, re.findall(r'src="([^"]*)"', page)))


def test_a_page_of_the_whole_catalogue_has_every_picture_and_stays_below_two_megabytes():
    page, shown = campaign_page(failing=500)
    assert len(page.encode()) < MOST_BYTES
    assert page.count("<img") == 500
    assert shown < PICTURE_BYTES


def test_where_far_more_fails_there_are_as_many_pictures_as_there_is_room_for():
    page, shown = campaign_page(failing=900)
    assert len(page.encode()) < MOST_BYTES
    assert PICTURE_BYTES * 0.9 < shown <= PICTURE_BYTES
    assert page.count("<img") + page.count("picture left out") == 900


def test_a_page_is_written_whole_or_not_at_all(tmp_path: Path):
    page = Page("t", [Text("a")])
    write_page(tmp_path / "deep" / "page.html", page)
    assert (tmp_path / "deep" / "page.html").read_text(encoding="utf-8") == render(page)
    with pytest.raises(Unwritable):
        write_page(Path("/dev/null/page.html"), page)
