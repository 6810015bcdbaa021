"""A finding of two starts: what one process left in a cache gives other outputs in the next one, or ends it.

    findings/<slug>/restart.toml      what is claimed, by people
                    models/*.tflite   the model that is started again
                    evidence/*.json   what `repro restart --out` wrote, one file per target

Key insight: such a bug is in no model. So its claim is a step of `repro restart` and how that ends, and its evidence is
what that command writes, about the very model that lies beside it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from cases.graph import Graph
from cases.tflite.read import read_tflite
from repro.findings.finding import file_bytes
from repro.findings.reader import Cause
from repro.records.folders import finding_folders
from repro.records.strict import Said
from repro.records.strict_toml import read_toml
from repro.restarts.reading import State
from repro.restarts.setups import SETUPS, Setup
from repro.restarts.steps import Step, steps_for
from runner.errors import BadInput
from runner.run import Precision

MANIFEST = "restart.toml"
MODEL = "models/model.tflite"
HEALTHY_STEPS = ("without", "cold", "warm")
"""What has to be right for a fault to be the cache's: no cache, one that is written, one that is as it was written."""


@dataclass(frozen=True, kw_only=True)
class Claim:
    """The keys of restart.toml. cache, step: of `repro restart`. state: how the step ends. targets: where it does."""

    title: Said
    claim: Said
    silent: Said
    cache: Literal["graph", "programs"]
    step: Said
    state: Literal["WRONG", "CRASH"]
    targets: tuple[Said, ...]
    not_claimed: tuple[Said, ...]
    cause: Cause


@dataclass(frozen=True)
class RestartFinding:
    """One such finding and the folder that it lies in."""

    folder: Path
    said: Claim

    @property
    def slug(self) -> str:
        return self.folder.name

    @property
    def setup(self) -> Setup:
        return SETUPS[self.said.cache]

    @property
    def silent(self) -> bool:
        """Whether the outputs are wrong, and not the process at its end."""
        return self.said.state == "WRONG"

    @cached_property
    def model(self) -> bytes:
        return file_bytes(self.folder / MODEL, "restore it from git")

    @cached_property
    def graph(self) -> Graph:
        return read_tflite(self.model, f"{self.slug}/{MODEL}")

    @cached_property
    def steps(self) -> Mapping[str, Step]:
        """All steps of `repro restart` with this model, by name, in its order."""
        return {step.name: step for step in steps_for(self.graph, self.said.targets[0], Precision.FP32, (), 0)}

    @property
    def step(self) -> Step:
        """The claimed one. Raises BadInput for one that `repro restart` has not."""
        if self.said.step not in self.steps:
            raise BadInput(f"finding '{self.slug}': step '{self.said.step}' is none of {', '.join(self.steps)}")
        return self.steps[self.said.step]

    @cached_property
    def answers(self) -> tuple[Mapping[str, Any], ...]:
        """What was measured, one answer per target. Raises BadInput where it is damaged, or shows something else."""
        found = []
        for path in sorted((self.folder / "evidence").glob("*.json")):
            try:
                found += json.loads(path.read_bytes())["answers"]
            except (OSError, ValueError, KeyError, TypeError) as error:
                raise BadInput(f"finding '{self.slug}': {path.name} is damaged ({error}); restore it") from error
        for answer in found:
            self._check(answer)
        missing = sorted({*self.said.targets} - {answer["target"] for answer in found})
        if missing:
            raise BadInput(f"finding '{self.slug}': nothing was measured on {', '.join(missing)}")
        return tuple(found)

    def _check(self, answer: Mapping[str, Any]) -> None:
        where = f"finding '{self.slug}': on {answer['target']}"
        if answer["model_sha256"] != hashlib.sha256(self.model).hexdigest() or answer["cache"] != self.said.cache:
            raise BadInput(f"{where} another model or another cache was measured; measure this one")
        readings = answer["readings"]
        unhealthy = [step for step in HEALTHY_STEPS if not readings.get(step, "").startswith(State.SAME)]
        if unhealthy:
            raise BadInput(f"{where} '{unhealthy[0]}' is not as it should be, so that nothing is shown")
        shows = readings.get(self.said.step, "").startswith(self.said.state)
        if shows is not (answer["target"] in self.said.targets):
            raise BadInput(f"{where} '{self.said.step}' ended otherwise than claimed: {readings.get(self.said.step)}")


def restart_slugs() -> list[str]:
    """The findings of this kind, by name."""
    return sorted(path.parent.name for place in finding_folders() for path in place.glob(f"*/{MANIFEST}"))


def load_restart(slug: str) -> RestartFinding:
    """Read one of `restart_slugs`. Raises BadInput for what does not add up, its evidence included."""
    (folder,) = (path.parent for place in finding_folders() for path in place.glob(f"{slug}/{MANIFEST}"))
    finding = RestartFinding(folder, read_toml(folder / MANIFEST, Claim, f"finding '{slug}'"))
    _ = finding.step, finding.answers
    return finding
