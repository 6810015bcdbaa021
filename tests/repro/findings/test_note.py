"""What a user wants to know of a finding, in half a line."""

from __future__ import annotations

import pytest

from repro.findings.note import note
from repro.findings.reader import load, slugs
from tests.repro.findings.shipped import ONE

SHIPPED = slugs()


def test_what_a_finding_comes_to_in_half_a_line():
    assert note("output-before-elementwise") == "since LiteRT 2.1.3; fixed in 2.1.6; helps: emit y through a MUL by 1"
    assert note(ONE).startswith("since LiteRT 2.1.3; helps: ")
    assert note("no-such-finding") == ""


@pytest.mark.parametrize("slug", SHIPPED)
def test_every_shipped_finding_that_shows_on_the_host_says_since_when(slug: str):
    said = note(slug)
    assert "\n" not in said
    if load(slug).minimal.shows:
        assert said.startswith("since LiteRT")
