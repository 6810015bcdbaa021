"""Where findings and expectations lie: in a checkout beside the packages, in an installed wheel inside one of them.

A project's own ones (`repro.records.own_folders`) come on top; where there is such a project, it is what is written to.
"""

from __future__ import annotations

import os
from pathlib import Path

from repro.records.own_folders import own_folders
from runner.errors import BadInput

_REPRO = Path(__file__).resolve().parents[1]
SHIPPED = _REPRO / "shipped"
"""What a wheel carries of the checkout's other folders (setup.py copies it); a checkout has no such folder."""

FINDINGS = SHIPPED / "findings" if SHIPPED.is_dir() else _REPRO.parent / "findings"
"""One folder per finding, beside EXPECTATIONS."""

EXPECTATIONS = FINDINGS / "expectations"
"""What is expected on each target: one TOML file per target or group of targets."""


DOCS = SHIPPED / "docs" if SHIPPED.is_dir() else _REPRO.parent / "docs"
"""The pages of the documentation, as markdown."""

MODELS = _REPRO.parent / "models"
"""The package with the real models and their layouts, which are read as files here."""

_BY_NAME = {
    "findings": FINDINGS,
    "docs/examples": SHIPPED / "examples" if SHIPPED.is_dir() else DOCS / "examples",
    "models": MODELS,
}
"""What the documentation names by its path in a checkout -> where it lies."""

SUITE = SHIPPED / "suite" if SHIPPED.is_dir() else _REPRO.parent
"""The folder whose `tests` are what `repro suite` runs."""


def finding_folders() -> tuple[Path, ...]:
    """The built-in findings, then a project's own."""
    own = own_folders()
    return (FINDINGS, own.findings) if own else (FINDINGS,)


def expectation_folders() -> tuple[Path, ...]:
    """The built-in expectations, then a project's own, which win over them."""
    own = own_folders()
    return (EXPECTATIONS, own.expectations) if own else (EXPECTATIONS,)


def pages() -> dict[str, Path]:
    """The pages of the documentation: name -> file, by name."""
    return {page.stem: page for page in sorted(DOCS.glob("*.md"))}


def built_in(path: Path) -> Path | None:
    """The file of this tool that a checkout has at this path; None where it has none, or something of the name is here.

    So what the documentation says of `docs/examples/two_graphs/split.toml` can be typed in any folder.
    """
    if path.is_absolute() or os.path.lexists(path):
        return None
    for name, folder in _BY_NAME.items():
        if path.is_relative_to(name) and ".." not in path.parts:
            found = folder / path.relative_to(name)
            return found if found.exists() else None
    return None


def is_installed(folder: Path) -> bool:
    """Whether a folder is an installed package's: the next upgrade would undo what is written there."""
    return SHIPPED.is_dir() and any(folder.resolve().is_relative_to(ours) for ours in (SHIPPED, MODELS))


def require_own_folders(what: str, folder: Path) -> None:
    """Raise BadInput where a folder is an installed package's.

    what: what would be written, for the message.
    """
    if is_installed(folder):
        raise BadInput(
            f"{what} would be written into the installed package; do it with what is your own, in a project of yours "
            "(`repro init` begins one), or in a checkout of this one"
        )
