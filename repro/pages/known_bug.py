"""What a page says of a finding that its rows point at: what it is, its cause, what helps, where it is filed."""

from __future__ import annotations

from cases.findings.model import Purpose
from repro.findings.finding import Finding
from repro.findings.note import note
from repro.pages.page import Block, Facts, Fold, Text
from repro.records.lines import Tone


def place(slug: str) -> str:
    """The id of what a page says of a finding."""
    return f"finding-{slug}"


def link(url: str, text: str) -> Text:
    """A link where the address is one of the web; else its text."""
    return Text(text, href=url if url.startswith("https://") else "")


def known_bug(finding: Finding, shown: str) -> Fold:
    """The finding, folded. shown: how often it shows in what the page is about."""
    helping = [model.what for model in finding.of(Purpose.HELPS)]
    facts = [
        ("what", finding.claim),
        ("why nobody notices" if finding.silent else "what happens instead", finding.silent or finding.instead),
        ("cause", finding.cause),
        ("rule", finding.rule),
        ("helps", "; ".join(helping) or "nothing that was tried"),
        ("measured", note(finding.slug)),
    ]
    blocks: list[Block] = [Facts(tuple((term, what) for term, what in facts if what))]
    blocks += [link(one.url, f"{one.url}: {one.relation}") for one in finding.upstream]
    blocks.append(Text(f"findings/{finding.slug}/report.md", Tone.ASIDE))
    return Fold(f"{finding.slug}: {finding.title} ({shown})", tuple(blocks), place(finding.slug))
