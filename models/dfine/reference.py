"""What torch says, in float64: of each graph on any feed, and of the whole original model.

Two references, on purpose. A graph's outputs are compared with the rewritten module on the very feed the graph got,
so that one broken graph does not blame the next. The chain is compared with the untouched transformers model, so that
a mistake in the rewrite or in the split cannot hide behind itself.
"""

from __future__ import annotations

import copy
import logging
from collections.abc import Mapping
from functools import lru_cache
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import numpy as np

from models import detector as detectors
from models.dfine import weights as weights_module
from models.dfine.anchors import anchors
from models.dfine.architecture import QUERIES, check_size
from models.dfine.sources import graph_sha256

if TYPE_CHECKING:
    import torch

GRAPHS = ("naive_a", "shipped_a", "graph_b")


@lru_cache(maxsize=len(detectors.DETECTORS))
def reference_model(weights: str, detector: str = detectors.DEFAULT) -> Any:
    """The original of transformers, float32, eval mode. Do not change it: it is shared."""
    # torchao, which transformers imports, warns at length about kernels for other machines.
    for name in ("torchao", "torch.utils._pytree"):
        logging.getLogger(name).setLevel(logging.ERROR)
    return weights_module.load(weights_module.resolve(weights, detector))


def rewritten(graph: str, size: int, weights: str, detector: str = detectors.DEFAULT) -> torch.nn.Module:
    """A fresh rewritten module: one of GRAPHS, float32, eval mode."""
    from models.dfine.graph_a import NaiveGraphA, ShippedGraphA

    kinds: dict[str, Any] = {"naive_a": NaiveGraphA, "shipped_a": ShippedGraphA}
    kind = kinds.get(graph) or detectors.named(detector).part("graph_b").GraphB
    return kind(copy.deepcopy(reference_model(weights, detector)), check_size(size)).eval()


@lru_cache(maxsize=3)
def _float64(graph: str, size: int, weights: str, detector: str) -> torch.nn.Module:
    return rewritten(graph, size, weights, detector).double()


def graph_outputs(
    graph: str,
    feed: tuple[np.ndarray, ...],
    *,
    size: int,
    weights: str = weights_module.DEFAULT,
    detector: str = detectors.DEFAULT,
) -> tuple[np.ndarray, ...]:
    """float64 outputs of one rewritten graph for one feed, in the graph's order."""
    import torch

    with torch.no_grad():
        outputs = _float64(graph, size, weights, detector)(*(torch.from_numpy(np.asarray(x, np.float64)) for x in feed))
    return tuple(t.numpy() for t in outputs)


def chain_outputs(
    feed: Mapping[str, np.ndarray],
    *,
    size: int,
    weights: str = weights_module.DEFAULT,
    detector: str = detectors.DEFAULT,
) -> dict[str, np.ndarray]:
    """boxes [1, 300, 4], logits [1, 300, 80] and tokens [300] of the original model in float64, for `image`."""
    import torch

    model = copy.deepcopy(reference_model(weights, detector)).double()
    image = torch.from_numpy(np.asarray(feed["image"], np.float64))
    with torch.no_grad():
        core = model.model(image)
    chosen = core.enc_outputs_class.max(-1).values.topk(QUERIES, dim=1).indices[0]
    return {
        "boxes": core.intermediate_reference_points[:, -1].numpy(),
        "logits": core.intermediate_logits[:, -1].numpy(),
        "tokens": chosen.numpy(),
    }


def key(*, size: int, weights: str = weights_module.DEFAULT, detector: str = detectors.DEFAULT) -> str:
    """Changes whenever any of these references would: what they may be cached under. Imports no torch."""
    versions = " ".join(f"{name} {version(name)}" for name in ("torch", "transformers"))
    resolved = weights_module.resolve(weights, detector)
    return f"{resolved.sha256} {size} {graph_sha256(resolved.detector)} {versions}"


def anchor_constant(*, size: int, **_: object) -> np.ndarray:
    """What dominates `enc_coord` and is no work of the network; +inf rows are to be left out of a comparison."""
    return anchors(check_size(size))
