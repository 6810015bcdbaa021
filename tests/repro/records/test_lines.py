"""A result in words: the same text everywhere, tones beside it, a stranger's name never markup."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from repro.records.lines import CSS, Line, Tone, Worded, indented, line
from runner.encoding import printable

spans = st.lists(st.one_of(st.text(max_size=8), st.tuples(st.text(max_size=8), st.sampled_from(Tone))), max_size=4)


class Result(Worded):
    def __init__(self, *shown: Line) -> None:
        self.shown = shown

    def lines(self) -> Iterator[Line]:
        yield from self.shown


@given(spans)
def test_the_text_of_a_line_is_that_of_its_parts(parts: list[str | tuple[str, Tone]]):
    text = "".join(part if isinstance(part, str) else part[0] for part in parts)
    one = line(*parts)
    assert one.text == printable(text)
    (moved,) = indented([one], by="    ")
    assert moved.text == f"    {printable(text)}"
    assert moved.spans[1:] == one.spans


@given(spans)
def test_a_notebook_shows_the_same_text(parts: list[str | tuple[str, Tone]]):
    result = Result(line(*parts), line("end"))
    shown = re.fullmatch(r"<pre>(.*)</pre>", result._repr_html_(), re.DOTALL)
    assert shown is not None
    assert html.unescape(re.sub(r"</?span[^>]*>", "", shown.group(1))) == str(result)


def test_a_plain_text_is_plain_and_others_have_their_style():
    assert line("a").spans == (("a", Tone.PLAIN),)
    assert Result(line("<b>", ("x & y", Tone.BAD)))._repr_html_() == (
        f'<pre>&lt;b&gt;<span style="{CSS[Tone.BAD]}">x &amp; y</span></pre>'
    )
    assert set(CSS) == set(Tone)


def test_a_result_says_itself_what_it_is():
    assert str(Result(line("a"), line("b"))) == "a\nb"
    with pytest.raises(NotImplementedError):
        str(Worded())
