"""Lines on a terminal: their text as it is, their tones as colours."""

from __future__ import annotations

import contextlib
import io
import os
import pty
import sys
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from rich.console import Console, RenderableType
from rich.table import Table

from repro.display.console import LOG_WIDTH, STYLES, Screen, cell, echo_line, own_stderr, print_lines
from repro.records.lines import Tone, line
from runner.encoding import one_line
from tests.hostile_names import LONG, any_names


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


def screen() -> Screen:
    return Screen(file=io.StringIO(), width=5000, color_system=None, soft_wrap=True)


def text_on(one: Screen) -> str:
    assert isinstance(one.file, io.StringIO)
    return one.file.getvalue()


@given(any_names())
@example(LONG)
def test_a_name_takes_one_printable_line_wherever_it_is_printed(name: str):
    shown = one_line(name)
    for show in (
        lambda one: one.print(name),
        lambda one: one.say(name),
        lambda one: one.say((name, Tone.BAD)),
        lambda one: print_lines(one, [line(name)]),
    ):
        one = screen()
        show(one)
        assert text_on(one) == f"{shown}\n"


@given(any_names())
@example(LONG)
def test_a_name_stays_in_its_cell(name: str):
    one = screen()
    table = Table("name", "toned", "end", box=None, pad_edge=False, show_header=False)
    table.add_row(name, cell(name, Tone.GOOD), "end")
    one.print(table)
    assert [" ".join(row.split()) for row in text_on(one).splitlines()] == [
        " ".join(f"{one_line(name)} {one_line(name)} end".split())
    ]


@given(any_names())
@example(LONG)
def test_what_is_done_now_is_one_printable_line(name: str):
    for begun in (screen().status(name), screen().status("begun")):
        begun.update(name)
        assert str(begun.status) == one_line(name)


@given(any_names())
def test_a_line_on_stdout_is_printable(name: str):
    kept = io.StringIO()
    with contextlib.redirect_stdout(kept):
        echo_line(name)
    assert kept.getvalue() == f"{one_line(name)}\n"


def test_a_reader_that_is_gone_is_no_exit_of_richs():
    class Gone(io.StringIO):
        def write(self, text: str) -> int:
            raise BrokenPipeError

    with pytest.raises(BrokenPipeError):
        Screen(file=Gone()).print("text")


def test_what_is_done_has_the_time_since_it_began_behind_it(monkeypatch: pytest.MonkeyPatch):
    now = 100.0
    monkeypatch.setattr("repro.display.console.time.monotonic", lambda: now)
    doing = Screen(stderr=True).status("torch\n[red]")
    doing.update("converting")
    now += 125
    assert drawn(doing.status) == "converting  2:05"
    doing.update("running")
    assert drawn(doing.status) == "running  2:05"


def drawn(what: RenderableType) -> str:
    console = Console(file=io.StringIO(), width=80)
    console.print(what)
    return console.file.getvalue().strip()  # type: ignore[attr-defined]


def test_progress_is_drawn_while_a_converter_holds_the_standard_error(monkeypatch: pytest.MonkeyPatch):
    """A terminal, whose descriptor 2 goes elsewhere for a while."""
    ours, theirs = pty.openpty()
    with os.fdopen(os.dup(theirs), "w") as terminal:
        monkeypatch.setattr(sys, "stderr", terminal)
        own = own_stderr()
        with Path(os.devnull).open("wb") as nowhere:
            os.dup2(nowhere.fileno(), terminal.fileno())
        print("still here", file=own, flush=True)
        own.close()
        assert b"still here" in os.read(ours, 100)
    os.close(ours)
    os.close(theirs)


@pytest.mark.parametrize(("columns", "width"), [(None, LOG_WIDTH), ("40", 40)])
def test_a_log_has_no_narrow_edge_unless_it_is_told_of_one(monkeypatch: pytest.MonkeyPatch, columns: str | None, width):
    if columns is not None:
        monkeypatch.setenv("COLUMNS", columns)
    console = Screen(file=io.StringIO())
    assert console.width == width
    assert Screen(file=io.StringIO(), width=60).width == 60


def test_a_log_has_no_edge_at_which_a_path_is_cut_in_two():
    console = Screen(file=io.StringIO())
    table = Table("what", "where")
    table.add_row("runtime", place := "/" + "venv/lib/site-packages/" * 6)
    console.print(table)
    console.print(f"stored in {place}")
    assert isinstance(console.file, io.StringIO)
    assert console.file.getvalue().count(place) == 2
