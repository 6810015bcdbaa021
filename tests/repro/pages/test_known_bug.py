"""What a page says of a known bug comes from the finding, and only web addresses become links."""

from __future__ import annotations

from repro.findings import reader
from repro.pages.known_bug import known_bug, link, place
from repro.pages.page import Facts, Text


def test_a_finding_is_folded_with_cause_and_workaround():
    finding = reader.load("add-output-feeds-reduction")
    fold = known_bug(finding, "60 outputs")
    assert fold.id == place("add-output-feeds-reduction")
    assert "60 outputs" in fold.heading
    facts = next(block for block in fold.blocks if isinstance(block, Facts))
    said = dict(facts.facts)
    assert said["cause"] == finding.cause
    assert "emit y through a MUL by 1" in said["helps"]
    links = [block.href for block in fold.blocks if isinstance(block, Text) and block.href]
    assert links == [one.url for one in finding.upstream]


def test_what_is_no_web_address_is_no_link():
    assert link("javascript:alert(1)", "x") == Text("x")
    assert link("https://a.example", "x").href == "https://a.example"
