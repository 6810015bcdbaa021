"""Drawn ops for property-based tests, which shrink them."""

from __future__ import annotations

from hypothesis import strategies as st

from cases.drawn_ops.draw import Draw
from cases.drawn_ops.one_op import OneOp
from cases.drawn_ops.quantised import QUANTISED
from cases.drawn_ops.table import DRAWS


def draws() -> st.SearchStrategy[Draw]:
    """What decides a drawn op; Hypothesis makes its choices."""
    return st.randoms(use_true_random=False).map(Draw)


def ops(kind: str) -> st.SearchStrategy[OneOp]:
    """An op of a kind, on operands that TFLite's kernels take."""
    return draws().map(lambda draw: DRAWS[kind](draw, kind))


def quantised_ops(kind: str) -> st.SearchStrategy[OneOp]:
    """A fully quantised op of a kind, on operands that TFLite's kernels take."""
    return draws().map(lambda draw: QUANTISED[kind](draw, kind))
