"""PAD of a tensor of rank 3 whose first dimension is above 1, or is padded."""

from __future__ import annotations

from cases.builder import GraphBuilder
from cases.findings.model import clean, control, finding_models, helps, minimal, still_wrong
from cases.findings.pieces import padded
from cases.graph import Graph

FIRST = ((1, 0), (0, 0), (0, 0))
TOKENS_ONLY = ((0, 0), (0, 1), (0, 0))
CHANNELS = ((0, 0), (0, 0), (0, 1))
NOTHING = ((0, 0), (0, 0), (0, 0))


def pad_rank_3(
    batch: int = 2, table: tuple[tuple[int, int], ...] = TOKENS_ONLY, value: float | None = None, rank_4: bool = False
) -> Graph:
    """PAD (or, with a value, PADV2) of a tensor [batch, 3, 4]; rank_4: as [batch, 1, 3, 4], and back."""
    g = GraphBuilder()
    x = g.input("x", (batch, 3, 4))
    if not rank_4:
        return g.build([padded(g, x, table, value)])
    y = padded(g, g.reshape(x, (batch, 1, 3, 4), name="as_rank_4"), (table[0], (0, 0), *table[1:]), value)
    shape = g.shape(y)
    return g.build([g.reshape(y, (shape[0], *shape[2:]), name="as_rank_3")])


MODELS = finding_models(
    minimal("one PAD of [2,3,4], a row behind the tokens", pad_rank_3),
    control("the same of [1,3,4]", pad_rank_3, batch=1),
    still_wrong("nothing", "not the amounts: a PAD of nothing", pad_rank_3, table=NOTHING),
    still_wrong("channels", "not the axis: channels", pad_rank_3, table=CHANNELS),
    still_wrong("padv2", "not PAD alone: PADV2", pad_rank_3, value=2.0),
    still_wrong("first-dimension", "a first dimension of 1 that is itself padded", pad_rank_3, batch=1, table=FIRST),
    still_wrong(
        "first-dimension-rank-4",
        "that one not at rank 3 alone: a batch of 1 padded at rank 4",
        pad_rank_3,
        batch=1,
        table=FIRST,
        rank_4=True,
    ),
    clean("batch-2-rank-4", "a batch of 2 padded at rank 4", pad_rank_3, table=FIRST, rank_4=True),
    helps("rank-4", "PAD it as [2,1,3,4] and reshape it back", pad_rank_3, rank_4=True),
)
