"""DYNAMIC_UPDATE_SLICE that starts somewhere along the first dimension of a tensor of rank 1 to 3."""

from __future__ import annotations

from cases.builder import GraphBuilder
from cases.findings.model import clean, control, face, finding_models, helps, minimal, still_wrong
from cases.graph import Graph


def updated(whole: tuple[int, ...] = (16, 8), part: tuple[int, ...] = (4, 8), at_rank_4: bool = False) -> Graph:
    """x of a shape with z put into it at a start index that is given at run time.

    at_rank_4: both have further dimensions of 1 in front, and the start index zeros. Seeded start indices are 0 to 7,
    so that a dimension of 16 holds a part of 4 at each of them.
    """
    g = GraphBuilder()
    x, z = g.input("x", whole), g.input("z", part)
    start = g.input("start", (len(whole),), "int32")
    if at_rank_4:
        ones = (1,) * (4 - len(whole))
        x, z = g.reshape(x, ones + whole, name="whole"), g.reshape(z, ones + part, name="part")
        start = g.concat([g.const([0] * len(ones), dtype="int32"), start], 0, name="start_of_4")
    (y,) = g.op("DYNAMIC_UPDATE_SLICE", (x, z, start), name="updated" if at_rank_4 else "y")
    return g.build([g.reshape(y, whole, name="y") if at_rank_4 else y])


def key_cache(at_rank_4: bool = False) -> Graph:
    """A cache of keys [tokens, channels] that gets the keys of a new token, and the scores of a query over it."""
    g = GraphBuilder()
    keys, key = g.input("keys", (16, 8)), g.input("key", (1, 8))
    start = g.input("start", (2,), "int32")
    if at_rank_4:
        keys, key = g.reshape(keys, (1, 1, 16, 8)), g.reshape(key, (1, 1, 1, 8))
        start = g.concat([g.const([0, 0], dtype="int32"), start], 0)
    (cache,) = g.op("DYNAMIC_UPDATE_SLICE", (keys, key, start), name="cache")
    if at_rank_4:
        cache = g.reshape(cache, (16, 8), name="rows")
    return g.build([g.batch_matmul(g.input("query", (1, 8)), cache, "scores", adj_y=True)])


MODELS = finding_models(
    minimal("[4,8] into [16,8]", updated),
    control("the same at rank 4: [1,1,4,8] into [1,1,16,8]", updated, whole=(1, 1, 16, 8), part=(1, 1, 4, 8)),
    still_wrong("rank-1", "not rank 2 alone: [4] into [16]", updated, whole=(16,), part=(4,)),
    still_wrong("rank-3", "not rank 2 alone: [4,4,8] into [16,4,8]", updated, whole=(16, 4, 8), part=(4, 4, 8)),
    still_wrong("both", "both dimensions: [4,4] into [16,16]", updated, whole=(16, 16), part=(4, 4)),
    clean("second", "along the second dimension alone: [4,8] into [4,16]", updated, whole=(4, 16), part=(4, 8)),
    clean("rank-3-second", "[1,4,8] into [1,16,8]", updated, whole=(1, 16, 8), part=(1, 4, 8)),
    helps("at-rank-4", "RESHAPE to rank 4, with zeros in front of the start index", updated, at_rank_4=True),
    helps("rank-1-at-rank-4", "the same for [4] into [16]", updated, whole=(16,), part=(4,), at_rank_4=True),
    face("key-cache", "a cache of keys that gets a new token, and a query over it", key_cache),
    helps("key-cache-at-rank-4", "the cache updated at rank 4", key_cache, at_rank_4=True),
)
