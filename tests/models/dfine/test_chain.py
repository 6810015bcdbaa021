"""The rewritten, split chain against the untouched transformers model, aligned by token."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

import models.dfine  # noqa: E402
from models.dfine import host_step, preprocess  # noqa: E402
from models.dfine.architecture import QUERIES  # noqa: E402
from models.dfine.reference import reference_model, rewritten  # noqa: E402

pytestmark = pytest.mark.convert

IMAGES = Path(models.dfine.__file__).parent / "images"
EVERY_DAY = ("dfine", "shipped", 160)
CHAINS = [
    *[("dfine", layout, size) for layout in ("shipped", "naive") for size in (160, 320, 640)],
    *[("rt_detr", "shipped", 160), ("rt_detr", "naive", 640)],  # only 640 has anchors that are not valid
]


def original_chain(detector, image):
    """float32 boxes, logits and tokens of transformers."""
    with torch.no_grad():
        core = reference_model("seed:0", detector).model(image)
    chosen = core.enc_outputs_class.max(-1).values.topk(QUERIES, dim=1).indices[0]
    return core.intermediate_reference_points[0, -1], core.intermediate_logits[0, -1], chosen.tolist()


def aligned(a, b):
    """Rows of the tokens that both selected."""
    row = {token: index for index, token in enumerate(b)}
    both = [(i, row[token]) for i, token in enumerate(a) if token in row]
    return [list(side) for side in zip(*both, strict=True)]


@pytest.mark.parametrize(
    ("detector", "layout", "size"), [c if c == EVERY_DAY else pytest.param(*c, marks=pytest.mark.slow) for c in CHAINS]
)
def test_the_split_chain_is_the_original(detector, layout, size):
    image = torch.from_numpy(preprocess.load(IMAGES / "coffee.jpg", size)["image"])
    boxes, logits, chosen = original_chain(detector, image)
    with torch.no_grad():
        outputs = [t.numpy() for t in rewritten(f"{layout}_a", size, "seed:0", detector)(image)]
        if layout == "shipped":
            parameters = host_step.host_parameters(reference_model("seed:0", detector))
            between = host_step.shipped_step(parameters, size, *outputs)
        else:
            between = {**host_step.naive_step(*outputs[:3]), "memory_raw": outputs[3]}
        feed = (torch.from_numpy(np.ascontiguousarray(between[key])) for key in ("memory_raw", "target", "ref"))
        my_boxes, my_logits = rewritten("graph_b", size, "seed:0", detector)(*feed)
    left, right = aligned(chosen, between["tokens"].tolist())
    assert len(left) >= QUERIES - 3
    assert float((boxes[left] - my_boxes[0, right]).abs().max()) < 1e-5
    assert float((logits[left] - my_logits[0, right]).abs().max()) < 1e-4


def test_the_naive_and_the_shipped_graph_compute_the_same():
    image = torch.from_numpy(preprocess.load(IMAGES / "chelsea.jpg", 160)["image"])
    with torch.no_grad():
        naive = rewritten("naive_a", 160, "seed:0")(image)
        shipped = rewritten("shipped_a", 160, "seed:0")(image)
    assert torch.equal(naive[0], shipped[0])
    assert torch.equal(naive[3] * 2, shipped[1])
