"""Results that nobody reads are counted as the graph says, and bytes that are no model have none."""

from __future__ import annotations

import random

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from cases.builder import GraphBuilder
from cases.tflite.write import write_tflite
from runner.web.unread_results import unread_results


@settings(max_examples=30)
@given(st.integers(1, 6), st.integers(0, 2**32))
def test_each_part_of_a_split_counts_unless_it_is_read_or_returned(parts: int, seed: int):
    rng = random.Random(seed)
    b = GraphBuilder()
    results = b.split(b.input("x", (1, 4 * parts)), parts, 1)
    fates = [rng.choice(("unread", "read", "returned")) for _ in results]
    outputs = [b.mul(b.input("z", (1, 4)), b.const(np.float32(2.0)), "always")]
    for result, fate in zip(results, fates, strict=True):
        if fate == "read":
            outputs.append(b.unary("NEG", result))
        elif fate == "returned":
            outputs.append(result)
    assert unread_results(write_tflite(b.build(outputs))) == fates.count("unread")


@given(st.binary(max_size=200))
def test_bytes_that_are_no_model_have_none(data: bytes):
    assert unread_results(data) >= 0
    assert unread_results(data[:7]) == 0
