"""Where the findings lie: in a checkout beside the packages, in an installed wheel inside one of them."""

from __future__ import annotations

from pathlib import Path

from runner.errors import BadInput

_REPRO = Path(__file__).resolve().parents[1]
SHIPPED = _REPRO / "shipped"
"""What a wheel carries of the checkout's other folders (setup.py copies it); a checkout has no such folder."""

FINDINGS = SHIPPED / "findings" if SHIPPED.is_dir() else _REPRO.parent / "findings"
"""One folder per finding, beside EXPECTATIONS and the gate's baselines."""

EXPECTATIONS = FINDINGS / "expectations"
"""What is expected on each target: one TOML file per target or group of targets."""


def require_own_folders(what: str) -> None:
    """Raise BadInput where the findings are an installed package's: the next upgrade would undo what is written.

    what: what would be written, for the message.
    """
    if FINDINGS.is_relative_to(SHIPPED):
        raise BadInput(f"{what} would be written into the installed package; run this in a checkout of the project")
