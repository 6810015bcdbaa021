"""A progress line is for people at a terminal: a pipe gets nothing of it."""

from __future__ import annotations

import pytest

from repro.display.progress import progress_line


def test_nothing_is_written_where_stderr_is_no_terminal(capfd: pytest.CaptureFixture[str]):
    with progress_line("run", 3) as line:
        for text in ("a", "b"):
            line.advance(text)
        line.advance("c", 2)
    assert capfd.readouterr() == ("", "")


def test_at_a_terminal_it_shows_how_far_it_is_and_goes_away(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
):
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    with progress_line("run", 3) as line:
        line.advance("family/case", 2)
    out, err = capfd.readouterr()
    assert out == ""
    assert "run" in err
    assert "2/3" in err
    assert "family/case" in err
    assert "\x1b[2K" in err, "the line is erased at the end"


def test_what_is_raised_inside_comes_out(capfd: pytest.CaptureFixture[str]):
    with pytest.raises(KeyError), progress_line("run", 3):
        raise KeyError("x")
    assert capfd.readouterr() == ("", "")


def test_what_is_in_hand_is_no_markup_and_one_line(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]):
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "200")
    with progress_line("run", 3) as line:
        line.advance("[/] [red]a\x1b]0;t\x07\nclean")
    _, err = capfd.readouterr()
    assert r"[/] [red]a\x1b]0;t\x07\nclean" in err
    assert "\x07" not in err
