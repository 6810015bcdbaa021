"""TOPK_V2 under a Midgard's name: every second group of four channels is left out.

Key insight: the kernel has one thread for each group of four channels and joins what they found in four steps, each of
which leaves a quarter of the threads. That comes out even for 256 threads. A Midgard gets 128, of which two are left
in front of the last step, which then has nothing to do, and only the first of them is written.

Source: google-ai-edge/ml-drift at commit 5e6f42e454e0f1079ecffdacda8df87ef3ac83e1, `common/kernels/top_k.cc`
(CreateTopK, GetTopKCode).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from repro.delegate.adapters import Adapter, is_midgard
from repro.delegate.graph import SLICE_CHANNELS, DelegateGraph
from repro.delegate.sighting import Effect, OnAdapters, Sighting


def halves_left_out(graph: DelegateGraph, adapters: Iterable[Adapter]) -> Iterator[OnAdapters]:
    """Both results of every TOPK_V2 over more than one whole group of channels."""
    where = tuple(adapter for adapter in adapters if is_midgard(adapter))
    if not where:
        return
    for node in graph.live():
        if node.kind != "TOPK_V2" or node.misparsed in ("top-k-aborts", "quantised-ranks"):
            continue
        batch, *_, channels = node.inputs[0].shape
        # A vector, which the delegate reads as a batch, is laid out as channels for this op.
        if max(channels, batch if channels == 1 else 0) // SLICE_CHANNELS > 1:
            for value in node.outputs:
                yield OnAdapters(Sighting("top-k-midgard", Effect.WRONG, value, node, node), where)
