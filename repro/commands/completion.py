"""What the shell offers at Tab for cases, findings, targets, pages. Asked at each press of a key: it has to be quick.

Key insight: what could be asked of drivers and phones takes seconds. So the targets offered are those that any machine
can have, and the names that were read from files are those that are there.
"""

from __future__ import annotations

import click
from click.shell_completion import CompletionItem

from repro.findings import reader
from repro.findings.restart_finding import restart_slugs
from repro.own_cases.choice import select
from repro.records import folders
from runner.adapter_families import FAMILIES
from runner.targets import KNOWN_TARGETS


def cases(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Names of cases; those of a family once it is typed, else the families. Own Python is not run for that."""
    names = [case.name for case in select(())]
    if "/" not in incomplete:
        families = dict.fromkeys(f"{name.partition('/')[0]}/" for name in names)
        return [CompletionItem(family) for family in families if family.startswith(incomplete)]
    return [CompletionItem(name) for name in names if name.startswith(incomplete)]


def findings(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Slugs of the findings that are here."""
    return [CompletionItem(slug) for slug in reader.slugs() if slug.startswith(incomplete)]


def reported(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Slugs of all that has an issue to file: findings, and those of two starts."""
    return [CompletionItem(s) for s in sorted([*reader.slugs(), *restart_slugs()]) if s.startswith(incomplete)]


def pages(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Pages of the documentation."""
    return [CompletionItem(name) for name in folders.pages() if name.startswith(incomplete)]


def targets(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Targets that a machine can have; behind an `@` the families of adapters."""
    driver, at, _ = incomplete.partition("@")
    names = [f"{driver}@{family.key}" for family in FAMILIES] if at else KNOWN_TARGETS
    return [CompletionItem(name) for name in names if name.startswith(incomplete)]


def adapters(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Families of adapters."""
    return [
        CompletionItem(family.key, help=family.stands_for) for family in FAMILIES if family.key.startswith(incomplete)
    ]
