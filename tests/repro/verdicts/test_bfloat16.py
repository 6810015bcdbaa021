"""Values that were rounded to bfloat16, told from values that need no more bits."""

from __future__ import annotations

import numpy as np
import pytest

from cases.builder import GraphBuilder
from repro.verdicts.bfloat16 import is_rounded_to_bfloat16, needs_few_bits
from repro.verdicts.emulation import floors_for
from repro.verdicts.numeric_rule import judge_numbers
from repro.verdicts.thresholds import DEFAULT
from repro.verdicts.verdict import Status
from runner.run import Precision


def test_what_is_rounded_to_bfloat16_is_told_from_float16_and_from_whole_numbers():
    half = np.random.default_rng(1).standard_normal((32, 16)).astype(np.float16).astype(np.float32)
    coarse = (half.view(np.uint32) & np.uint32(0xFFFF0000)).view(np.float32)
    assert (is_rounded_to_bfloat16(half, coarse), is_rounded_to_bfloat16(half, half)) == (True, False)
    whole = np.round(half * 8)
    assert not is_rounded_to_bfloat16(whole, whole), "whole numbers need few bits"
    assert (needs_few_bits(whole), needs_few_bits(half)) == (True, False)


@pytest.mark.parametrize(("nearly", "status"), [(-0.98, Status.PASS), (0.5, Status.FAIL)])
def test_a_difference_of_nearly_equal_numbers_has_few_bits_whoever_computes_it(nearly: float, status: Status):
    """Of 0.36 and -0.35 float16 leaves six bits; a sum of two that do not cancel has all of its eleven."""
    g = GraphBuilder()
    graph = g.build([g.add(g.input("x", (1, 8, 16)), g.input("z", (1, 8, 16)), "y")])
    feeds = []
    for seed in (1, 2):
        x = np.abs(np.random.default_rng(seed).standard_normal((1, 8, 16))).astype(np.float32)
        feeds.append((x, (nearly * x).astype(np.float32)))
    references = [(x.astype(np.float64) + z,) for x, z in feeds]
    (floor,) = floors_for(graph, feeds, references, Precision.FP16, None)
    assert floor.few_bits is (status is Status.PASS)
    halves = [sum(array.astype(np.float16) for array in feed).astype(np.float32) for feed in feeds]
    coarse = [(half.view(np.uint32) & np.uint32(0xFFFF0000)).view(np.float32) for half in halves]
    for k, ((reference,), actual) in enumerate(zip(references, coarse, strict=True)):
        verdict = judge_numbers(reference, actual, floor.of_feed(k), Precision.FP16, DEFAULT)
        assert verdict.status is status, verdict.reason
