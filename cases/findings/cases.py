"""Every graph that a shipped finding makes a claim with: what shows it, what does not, what helps."""

from __future__ import annotations

from cases.case import Case
from cases.findings.model import HEALTHY
from cases.findings.registry import FINDING_MODELS

FAMILY = "findings"


def cases() -> list[Case]:
    """Graph models only: the torch ones are cases of the token-tensor family already."""
    found = []
    for slug, models in FINDING_MODELS.items():
        for model in models():
            if model.build is None:
                continue
            minimal = f"{FAMILY}/{slug}-minimal"
            name = f"{FAMILY}/{slug}-{model.name}"
            healthy = model.purpose in HEALTHY and not model.wrong and name != minimal
            found.append(
                Case(name, FAMILY, f"{slug}: {model.what}", graph=model.build, control_of=minimal if healthy else "")
            )
    names = {case.name for case in found}
    return [case for case in found if not case.control_of or case.control_of in names]


def is_variant(case: Case) -> bool:
    """Whether a finding has it beside its minimal model and its control: what else shows the bug, or does not."""
    return case.family == FAMILY and not case.name.endswith(("-minimal", "-control"))
