"""Where findings and expectations lie: in a checkout beside the packages, in an installed wheel inside one of them.

A project's own ones (`repro.records.own_folders`) come on top; where there is such a project, it is what is written to.
"""

from __future__ import annotations

from pathlib import Path

from repro.records.own_folders import own_folders
from runner.errors import BadInput

_REPRO = Path(__file__).resolve().parents[1]
SHIPPED = _REPRO / "shipped"
"""What a wheel carries of the checkout's other folders (setup.py copies it); a checkout has no such folder."""

FINDINGS = SHIPPED / "findings" if SHIPPED.is_dir() else _REPRO.parent / "findings"
"""One folder per finding, beside EXPECTATIONS and the gate's baselines."""

EXPECTATIONS = FINDINGS / "expectations"
"""What is expected on each target: one TOML file per target or group of targets."""


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


def require_own_folders(what: str, folder: Path) -> None:
    """Raise BadInput where a folder is an installed package's: the next upgrade would undo what is written.

    what: what would be written, for the message.
    """
    if folder.is_relative_to(SHIPPED):
        raise BadInput(
            f"{what} would be written into the installed package; run this in a project of your own "
            "(`repro init` begins one) or in a checkout of this one"
        )
