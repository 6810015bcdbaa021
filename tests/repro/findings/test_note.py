"""What a user wants to know of a finding, in half a line."""

from __future__ import annotations

import json

import pytest

from repro.findings.finding import EVIDENCE
from repro.findings.note import note
from repro.findings.reader import load, slugs
from tests.repro.findings.shipped import ONE

SHIPPED = slugs()


def test_what_a_finding_comes_to_in_half_a_line():
    assert note("output-before-elementwise") == "since LiteRT 2.1.3; fixed in 2.1.6; helps: emit y through a MUL by 1"
    assert note(ONE).startswith("since LiteRT 2.1.3; helps: ")
    assert note("no-such-finding") == ""


def test_what_shows_over_opencl_alone_is_since_a_release_of_litert_lm(copy, monkeypatch):
    path = copy / ONE / EVIDENCE
    kept = json.loads(path.read_text(encoding="utf-8"))
    kept["cells"] = [cell for cell in kept["cells"] if cell["runtime"].startswith("lm-")]
    path.write_text(json.dumps(kept), encoding="utf-8")
    monkeypatch.setattr(load, "__defaults__", (copy,))
    note.cache_clear()
    assert note(ONE).startswith("since LiteRT-LM 0.14.0; helps: ")
    note.cache_clear()


@pytest.mark.parametrize("slug", SHIPPED)
def test_every_shipped_finding_that_shows_on_the_host_says_since_when(slug: str):
    said = note(slug)
    assert "\n" not in said
    if load(slug).minimal.shows:
        assert said.startswith("since LiteRT")
