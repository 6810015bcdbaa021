"""Lines on a terminal: their text as it is, their tones as colours."""

from __future__ import annotations

import io

from hypothesis import given
from hypothesis import strategies as st

from repro.display.console import STYLES, Screen, print_lines
from repro.records.lines import Tone, line


def printed(*lines, colour: bool = False) -> str:
    kind = "truecolor" if colour else None
    console = Screen(file=io.StringIO(), width=500, color_system=kind, force_terminal=colour)
    print_lines(console, lines)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


@given(st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=80), st.sampled_from(Tone))
def test_nothing_is_taken_for_markup(text: str, tone: Tone):
    assert printed(line((text, tone))) == f"{text}\n"


def test_a_tone_is_a_style_and_plain_is_none():
    assert printed(line("plain"), colour=True) == "plain\n"
    assert "\x1b[31mbad\x1b[0m" in printed(line(("bad", Tone.BAD)), colour=True)
    assert printed(line("a ", ("b", Tone.GOOD), " 12"), colour=True) == "a \x1b[32mb\x1b[0m 12\n"


def test_every_tone_has_a_style():
    assert set(STYLES) == set(Tone)
