"""The detectors that are split in two graphs here, by the names that a layout's `[parameters]` give.

D-FINE was built on RT-DETR: the hybrid encoder, the heads that score a token and the choice of the best tokens are
the same. So models/dfine does all of that for both, and the package of a detector is asked for what is its own:
`architecture` (`config`, `model_class`), `initialise` (`seeded_model`) and `graph_b` (`GraphB`).
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import Any

from runner.errors import BadInput


@dataclass(frozen=True)
class Detector:
    """name: of its package in models/. title: what people call it. hub_id: where trained weights are."""

    name: str
    title: str
    hub_id: str

    def part(self, module: str) -> Any:
        """One module of its package. Imports torch and transformers where that module does."""
        return import_module(f"models.{self.name}.{module}")


DETECTORS = {
    detector.name: detector
    for detector in (
        Detector("dfine", "D-FINE-S", "ustc-community/dfine-small-coco"),
        Detector("rt_detr", "RT-DETR-R18", "PekingU/rtdetr_r18vd"),
    )
}
DEFAULT = "dfine"


def named(name: str) -> Detector:
    """The detector of that name. Raises BadInput where there is none."""
    if name not in DETECTORS:
        raise BadInput(f"detector '{name}': there is none of that name; take one of {', '.join(DETECTORS)}")
    return DETECTORS[name]
