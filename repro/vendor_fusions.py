"""Fusions that the delegate applies on some vendors' GPUs only."""

from __future__ import annotations

from repro.delegate_graph import DelegateGraph


def vendor_events(graph: DelegateGraph) -> tuple:  # filled in below once measured
    return ()
