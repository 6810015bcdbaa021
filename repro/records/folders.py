"""Where the findings lie: the one data folder that is part of this project and not of the cache."""

from __future__ import annotations

from pathlib import Path

FINDINGS = Path(__file__).resolve().parents[2] / "findings"
"""One folder per finding, beside EXPECTATIONS and the gate's baselines."""

EXPECTATIONS = FINDINGS / "expectations"
"""What is expected on each target: one TOML file per target or group of targets."""
