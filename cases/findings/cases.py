"""Every graph that a shipped finding makes a claim with: what shows it, what does not, what helps."""

from __future__ import annotations

from cases.case import Case
from cases.findings.registry import FINDING_MODELS

FAMILY = "findings"


def cases() -> list[Case]:
    """Graph models only: the torch ones are cases of the token-tensor family already."""
    return [
        Case(
            f"{FAMILY}/{slug}-{model.name}",
            FAMILY,
            f"{slug}: {model.what}",
            graph=model.build,
            control_of=f"{FAMILY}/{slug}-minimal" if model.healthy else "",
        )
        for slug, models in FINDING_MODELS.items()
        for model in models
        if model.build is not None
    ]


def is_variant(case: Case) -> bool:
    """Whether a finding has it beside its minimal model and its control: what else shows the bug, or does not."""
    return case.family == FAMILY and not case.name.endswith(("-minimal", "-control"))
