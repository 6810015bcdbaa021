"""Every finding's models, by slug.

Key insight: a finding's graphs and its claims are one module of this package under the finding's own name
(`pad-rank-3` is `pad_rank_3.py`), and the package is listed to find them. Adding a finding adds a module.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Mapping

import cases.findings
from cases.findings.model import FindingModel

OTHER_MODULES = frozenset({"cases", "model", "pieces", "registry"})
"""The modules of this package that are not a finding's."""

FIRST = (
    "add-output-feeds-reduction",
    "conv-output-feeds-constant",
    "scaled-output-feeds-conv",
    "dfine-naive-enc-coord",
    "card-token-fanout",
    "add-before-max",
    "depthwise-1x1-multiplier",
    "padding-channels-read",
    "rank-1-fully-connected",
    "rank-1-softmax",
    "pad-output-feeds-conv",
    "pad-before-pooling",
    "layernorm-inner-output",
    "split-halves-meet",
    "split-halves-added",
    "constant-broadcasts-channels",
    "same-operand-aborts",
    "output-before-elementwise",
    "mali-thin-pointwise",
    "pad-rank-3",
    "slice-of-split-part",
    "no-op-behind-output",
    "concat-of-one",
    "split-put-together",
    "cumsum-batch",
    "pad-value-lost",
    "pad-before-broadcast-add",
    "fc-flattens-input",
    "fc-runtime-weights-bias",
    "cumsum-options",
    "pad-batch",
    "grouped-conv-split",
    "grouped-conv-aborts",
    "grouped-conv-scaled",
    "mish-inner-output",
    "norm-of-other-input",
    "norm-one-pass-variance",
    "correlation-concat",
)
"""The findings that keep their places, since seeds draw from the catalogue by position (the fuzzer's mutations, the
controls that test the judge). Any other finding comes behind them, in the order of the alphabet."""


def slugs() -> list[str]:
    """The findings that have a module, in the order of the catalogue."""
    names = {module.name for module in pkgutil.iter_modules(cases.findings.__path__)} - OTHER_MODULES
    place = {slug: index for index, slug in enumerate(FIRST)}
    return sorted((name.replace("_", "-") for name in names), key=lambda slug: (place.get(slug, len(FIRST)), slug))


def models_of(slug: str) -> tuple[FindingModel, ...]:
    """The `MODELS` of the finding's module."""
    return importlib.import_module(f"cases.findings.{slug.replace('-', '_')}").MODELS


FINDING_MODELS: Mapping[str, tuple[FindingModel, ...]] = {slug: models_of(slug) for slug in slugs()}
