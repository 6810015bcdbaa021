"""PAD of a tensor of rank 4 and batch 1 in its batch, which repeats the input."""

from __future__ import annotations

import numpy as np

from cases.builder import GraphBuilder
from cases.findings.model import clean, control, finding_models, helps, minimal, no_help, still_wrong
from cases.findings.pieces import Piece, identity_transpose, padded, plain
from cases.graph import Graph

NONE, ONE = (0, 0), (0, 1)
BATCH_IN_FRONT = ((1, 0), NONE, NONE, NONE)


def pad_batch(
    table: tuple[tuple[int, int], ...] = BATCH_IN_FRONT,
    batch: int = 1,
    value: float | None = None,
    as_height: bool = False,
    as_rank_3: bool = False,
    between: Piece = plain,
) -> Graph:
    """PAD (or, with a value, PADV2) of a tensor [batch, 2, 3, 4]. table: (before, after) of every axis.

    as_height, as_rank_3: the batch of 1 is padded as the height of [1, 1, 2, 3*4], or as the first dimension of
    [1, 2, 3*4], and the result is brought back. between: what x goes through first.
    """
    g = GraphBuilder()
    x = between(g, g.input("x", (batch, 2, 3, 4)))
    if as_height:
        x, table = g.reshape(x, (1, 1, 2, 12), name="flat"), (NONE, table[0], NONE, NONE)
    elif as_rank_3:
        x, table = g.reshape(x, (1, 2, 12), name="flat"), table[:3]
    y = padded(g, x, table, value)
    if as_height or as_rank_3:
        y = g.reshape(y, (1 + sum(table[1 if as_height else 0]), 2, 3, 4), name="back")
    return g.build([y])


def batch_concatenated() -> Graph:
    """The same one batch of zeros in front of x, put there by CONCATENATION with a constant."""
    g = GraphBuilder()
    x = g.input("x", (1, 2, 3, 4))
    return g.build([g.concat([g.const(np.zeros((1, 2, 3, 4), np.float32)), x], 0, name="padded")])


MODELS = finding_models(
    minimal("one PAD of [1,2,3,4], a batch in front: x comes twice", pad_batch),
    control("the same of [2,2,3,4]", pad_batch, batch=2),
    still_wrong("behind", "not what is in front alone: a batch behind", pad_batch, table=(ONE, NONE, NONE, NONE)),
    still_wrong("padv2", "not PAD alone: PADV2", pad_batch, value=2.0),
    still_wrong("height-too", "not the batch alone: height too", pad_batch, table=(ONE, ONE, NONE, NONE)),
    still_wrong("channels-too", "not the batch alone: channels too", pad_batch, table=(ONE, NONE, NONE, ONE)),
    clean("height", "a batch of 1 padded in height", pad_batch, table=(NONE, ONE, NONE, NONE)),
    helps("as-height", "RESHAPE to [1,1,2,12], PAD the second dimension, and RESHAPE back", pad_batch, as_height=True),
    no_help("as-rank-3", "RESHAPE to [1,2,12], PAD the first dimension, and RESHAPE back", pad_batch, as_rank_3=True),
    no_help("transposed", "an identity TRANSPOSE in front of it", pad_batch, between=identity_transpose),
    helps("concatenated", "CONCATENATION with a batch of zeros instead", batch_concatenated),
)
