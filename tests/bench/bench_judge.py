"""What judging the token tensor `[1,8400,256]` costs, against one `abs(a-b).max()` over it in float32."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np

from repro.verdicts.noise_floor import Floor
from repro.verdicts.numeric_rule import judge_numbers
from repro.verdicts.thresholds import DEFAULT
from runner.run import Precision

REPEATS = 25


def measure() -> dict[str, float]:
    """Prints both times; `judge_vs_one_pass` is the ratio of their medians, measured in turns."""
    rng = np.random.default_rng(0)
    reference = rng.standard_normal((1, 8400, 256))
    actual = (reference + 1e-4 * rng.standard_normal(reference.shape)).astype(np.float32)
    narrow = reference.astype(np.float32)
    floor = Floor(1e-4, "emulation", 256, curve=(6e-5, 2e-4, 0.0), channels=(1.0,) * 256)
    passes: list[float] = []
    judged: list[float] = []
    assert judge_numbers(reference, actual, floor, Precision.FP16, DEFAULT).status == "PASS"
    for _ in range(REPEATS):
        passes.append(_time(lambda: np.abs(actual - narrow).max()))
        judged.append(_time(lambda: judge_numbers(reference, actual, floor, Precision.FP16, DEFAULT)))
    ratio = float(np.median(judged) / np.median(passes))
    print(f"one pass of abs(a-b).max(), float32   {1e3 * np.median(passes):7.2f} ms")
    print(f"judging in full, float64              {1e3 * np.median(judged):7.2f} ms   {ratio:.2f} passes (at most 4)")
    return {"judge_vs_one_pass": ratio}


def _time(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started
