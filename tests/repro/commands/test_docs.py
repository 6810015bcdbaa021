"""`repro docs`: each page of docs/ by its name."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from repro.commands.docs import command
from repro.records.folders import pages
from runner.errors import BadInput

DOCS = Path(__file__).resolve().parents[3] / "docs"


def test_every_page_is_listed_with_its_title():
    listed = CliRunner().invoke(command, []).stdout.splitlines()
    assert [line.split()[0] for line in listed] == sorted(page.stem for page in DOCS.glob("*.md"))
    assert "Gate your own split" in next(line for line in listed if line.startswith("gate-your-own-split"))
    assert all(len(line.split()) > 1 for line in listed)


@pytest.mark.parametrize("asked", ["settings", "settings.md", "docs/settings.md"])
def test_a_page_is_printed_as_it_is(asked: str):
    assert CliRunner().invoke(command, [asked]).stdout == pages()["settings"].read_text(encoding="utf-8")


@pytest.mark.parametrize(("asked", "hint"), [("setings", "did you mean 'settings'"), ("../README", "lists them")])
def test_a_page_that_is_not_there_is_one_line(asked: str, hint: str):
    refused = CliRunner().invoke(command, [asked]).exception
    assert isinstance(refused, BadInput)
    assert hint in str(refused)
