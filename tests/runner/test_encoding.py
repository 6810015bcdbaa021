"""Hostile names stay names in every place that they are written to, and come back from those that programs read."""

from __future__ import annotations

import ast
import html
import io
import json
import os
import re
import shlex
import tokenize
import tomllib
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import urlsplit
from xml.etree import ElementTree

import pytest
from hypothesis import example, given
from markdown_it import MarkdownIt
from markdown_it.token import Token

from runner import encoding
from tests.hostile_names import LONG, any_names, well_formed_names

MARKDOWN = MarkdownIt("commonmark").enable(["table", "strikethrough"])
TABLE = "| a | b |\n|---|---|\n| {} | end |\n\nafter\n"
# What GitHub makes links of after markdown was read, in text that is no code.
LINKED = re.compile(r"(?:^|[^\w`])@\w|://|www\.", re.IGNORECASE)


def inline(text: str) -> list[Token]:
    """The inline parts of a document that is one paragraph."""
    blocks = MARKDOWN.parse(text)
    assert [block.type for block in blocks] == ["paragraph_open", "inline", "paragraph_close"]
    return blocks[1].children or []


def shown(parts: list[Token]) -> str:
    return "".join(part.content for part in parts)


def live(parts: list[Token]) -> set[str]:
    """The kinds of parts that are more than text or code, and what GitHub would make a link of."""
    links = {found for part in parts if part.type == "text" for found in LINKED.findall(part.content)}
    return {part.type for part in parts} - {"text", "code_inline", "text_special"} | links


@given(any_names())
@example(LONG)
def test_what_people_see_is_one_short_printable_line(name: str):
    line = encoding.one_line(name)
    assert line.isprintable()
    assert len(line) <= encoding.LINE
    assert encoding.one_line(line) == line
    if len(name) > encoding.LINE:
        assert f"{len(name):,} characters in all" in line
    assert len(encoding.shown_name(name)) <= encoding.NAME


@given(any_names(), any_names())
def test_names_that_differ_look_different(one: str, other: str):
    # A name that spells an escape looks like the character: nobody is deceived by that about what is beside it.
    if "\\" not in one + other and max(len(one), len(other)) <= encoding.LINE:
        assert (encoding.printable(one) == encoding.printable(other)) == (one == other)


@given(any_names())
@example(LONG)
@example('"""')
@example("\\")
def test_python_reads_the_name_back(name: str):
    literal = encoding.python_literal(name)
    assert ast.literal_eval(literal) == name
    assert encoding.printable(literal) == literal
    module = ast.parse(f'"""{encoding.python_docstring(name)}\n"""\nx = {literal}  # {encoding.code_comment(name)}\n')
    assert [type(node).__name__ for node in module.body] == ["Expr", "Assign"]
    assert ast.get_docstring(module, clean=False) == encoding.one_line(name) + "\n"


@given(any_names())
@example(LONG)
def test_a_comment_is_one_comment(name: str):
    source = f"# {encoding.code_comment(name)}\n"
    kinds = [token.type for token in tokenize.generate_tokens(io.StringIO(source).readline)]
    assert kinds == [tokenize.COMMENT, tokenize.NL, tokenize.ENDMARKER]


def kotlin_value(literal: str) -> bytes:
    """The UTF-16 that Kotlin's lexer makes of a string literal, which holds no template, bare quote or line end."""
    body = re.fullmatch(r'"((?:[^"\\$\n\r]|\\u[0-9a-f]{4}|\\["\\$])*)"', literal)
    assert body is not None, literal[:200]
    units = re.sub(r"\\(?:u([0-9a-f]{4})|(.))", lambda found: chr(int(found[1], 16)) if found[1] else found[2], body[1])
    return units.encode("utf-16", "surrogatepass")


@given(any_names())
@example(LONG)
def test_kotlin_reads_the_name_back(name: str):
    assert kotlin_value(encoding.kotlin_literal(name)) == name.encode("utf-16", "surrogatepass")
    assert encoding.kotlin_literal(name).isprintable()


@given(any_names())
@example(LONG)
def test_json_is_ascii_and_every_parser_reads_it(name: str):
    text = encoding.json_text({name: [name]})
    assert text.isascii()
    assert text.isprintable()
    assert not re.search(r"(?<!\\)(?:\\\\)*\\ud[89ab]..(?!\\ud[c-f])", text)  # half a pair
    assert json.loads(text) == {encoding.well_formed(name): [encoding.well_formed(name)]}
    kept = encoding.json_text([name], ascii_only=False, indent=1)
    assert json.loads(kept.encode()) == [encoding.well_formed(name)]


def test_json_has_no_number_that_is_none():
    with pytest.raises(ValueError, match="JSON"):
        encoding.json_text([float("nan")])


@given(well_formed_names())
@example(LONG)
def test_toml_reads_the_name_back(name: str):
    assert tomllib.loads(f"x = {encoding.toml_literal(name)}\n") == {"x": name}


@given(any_names(), any_names())
def test_a_shell_takes_each_name_for_one_word(one: str, other: str):
    words = [word.replace("\0", "\\x00") for word in (one, other)]
    assert shlex.split(encoding.shell_command([one, other])) == words
    os.fsencode(encoding.shell_command(words).encode("utf-8", "surrogatepass"))


@given(any_names())
@example(LONG)
def test_xml_reads_the_name_back_as_text(name: str):
    element = ElementTree.Element("a", name=encoding.one_line(name))
    element.text = encoding.xml_text(name)
    read = ElementTree.fromstring(ElementTree.tostring(element, encoding="utf-8"))
    assert len(read) == 0
    assert read.get("name") == encoding.one_line(name)
    ends = {"\r\n": "\n", "\r": "\n"}
    assert (read.text or "") == re.sub("\r\n?", lambda found: ends[found[0]], encoding.xml_text(name))


class OnlyText(HTMLParser):
    """Collects text, and refuses a tag other than the one around it."""

    def __init__(self) -> None:
        super().__init__()
        self.text = ""
        self.tags: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.text += dict(attrs).get("title") or ""

    def handle_comment(self, data: str) -> None:
        self.tags.append(f"comment {data}")

    def handle_data(self, data: str) -> None:
        self.text += data


@given(any_names())
@example(LONG)
def test_a_page_shows_the_name_and_has_no_tag_of_its(name: str):
    reader = OnlyText()
    reader.feed(f'<td title="{encoding.html_text(name)}">{encoding.html_text(name)}</td>')
    reader.close()
    assert reader.tags == ["td"]
    assert reader.text == encoding.one_line(name) * 2
    assert html.unescape(encoding.html_text(name)) == encoding.one_line(name)


@given(any_names())
@example(LONG)
@example("a\\")
@example(" a")
@example("``` ")
def test_markdown_shows_a_name_as_code_and_nothing_else(name: str):
    if name:
        (only,) = inline(encoding.code_span(name))
        assert (only.type, only.content) == ("code_inline", encoding.shown_name(name))
    parts = inline(f"before {encoding.code_span(name)} @ after")
    assert shown(parts) == f"before {encoding.shown_name(name) or '(empty)'} @ after"
    assert live(parts) == set()


@given(any_names())
@example(LONG)
def test_a_strangers_words_in_a_sentence_are_text(name: str):
    said = encoding.one_line(name)
    if said.strip():
        parts = inline(encoding.markdown_text(name))
        assert shown(parts) in (said, said.rstrip())
        assert live(parts) == set()
    for begin in ("- ", "1. ", "# ", "> "):
        blocks = {block.type for block in MARKDOWN.parse(begin + encoding.markdown_text(name))}
        assert not blocks & {"hr", "html_block", "fence"}


@given(any_names())
@example(LONG)
@example("``` a ``` b")
def test_an_authors_sentence_begins_no_block_no_tag_and_mentions_nobody(name: str):
    prose = encoding.markdown_prose(name)
    for before in ("", "- ", "**Summary.** "):
        kinds = [block.type for block in MARKDOWN.parse(f"{before}{prose}\n")]
        assert not {"hr", "html_block", "fence", "code_block", "heading_open", "blockquote_open"} & set(kinds)
    parts = [part for block in MARKDOWN.parse(prose) for part in block.children or ()]
    assert "html_inline" not in {part.type for part in parts}
    assert not [p for p in parts if p.type == "text" and re.search(r"(?:^|[^\w`])@\w", p.content)]
    # What stands behind it stays what it is, whatever backticks the sentence left open.
    last = [part for block in MARKDOWN.parse(f"a {prose} {encoding.code_span(name)}") for part in block.children or ()]
    if name:
        assert (last[-1].type, last[-1].content) == ("code_inline", encoding.shown_name(name))


@given(any_names())
@example(LONG)
@example("a|b")
@example("\\|")
def test_a_cell_of_a_table_ends_where_it_should(name: str):
    for encoder in (encoding.code_span, encoding.markdown_text, encoding.markdown_prose):
        blocks = MARKDOWN.parse(TABLE.format(encoding.markdown_cell(encoder(name))))
        cells = [block for block in blocks if block.type == "inline"]
        assert len(cells) == 5, encoder.__name__
        assert cells[3].content == "end"
        assert cells[4].content == "after"
    code = MARKDOWN.parse(TABLE.format(encoding.markdown_cell(encoding.code_span(name))))
    assert shown([block for block in code if block.type == "inline"][2].children or []) == (
        encoding.shown_name(name) or "(empty)"
    )


@given(any_names(), any_names())
def test_a_block_of_code_ends_where_it_should(one: str, other: str):
    lines = [encoding.one_line(one), encoding.one_line(other), "end"]
    blocks = MARKDOWN.parse(f"{encoding.fenced(lines, 'python')}\n\nafter\n")
    assert [block.type for block in blocks] == ["fence", "paragraph_open", "inline", "paragraph_close"]
    assert blocks[0].content == "\n".join(lines) + "\n"


@given(any_names())
@example(LONG)
def test_an_address_stays_inside_its_link(name: str):
    address = encoding.url(f"https://github.com/a/b/{name}")
    assert urlsplit(address).netloc == "github.com"
    begin, text, end = inline(f"[x]({address})")
    assert (begin.type, text.content, end.type) == ("link_open", "x", "link_close")
    assert begin.attrGet("href") == MARKDOWN.normalizeLink(address)


@given(any_names())
@example(LONG)
def test_a_file_name_leads_nowhere_else(name: str):
    made = encoding.file_name(name)
    assert made == Path(made).name
    assert made.isprintable()
    assert not made.startswith((".", "-"))
    assert 0 < len(os.fsencode(made)) < 230
    assert encoding.file_name(made) == made


@given(any_names())
@example("../x")
@example("/x")
@example("a//b")
def test_what_is_inside_leads_out_of_no_folder(name: str):
    if encoding.is_inside(name):
        assert os.path.normpath(f"/folder/{name}") == f"/folder/{name}"
        assert name.isprintable()
    assert encoding.is_inside("serving_default/args_0:0")


def test_file_names_of_long_names_differ():
    assert encoding.file_name("x" * 300 + "a") != encoding.file_name("x" * 300 + "b")
    assert encoding.file_name("fanout/add-to-2--fp32") == "fanout--add-to-2--fp32"


@given(any_names())
@example(LONG)
def test_a_message_of_sarif_has_no_link_and_no_placeholder(name: str):
    message = encoding.sarif_message(name)
    assert "](" not in message
    assert not re.search(r"\{[^{]*?\}", message.replace("{{", "").replace("}}", ""))


@given(any_names())
@example(LONG)
def test_a_models_label_is_well_formed(name: str):
    label = encoding.path_label(Path("folder", name.replace("\0", "") or "x"))
    assert label.encode().decode() == label
    assert "/" not in label
