"""Damaged models: whatever the bytes, a check ends in one clear error or in verdicts; no traceback, no hang.

The seed is fixed and part of every failure's message. The default run takes a sample; `-m slow` all 500.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from repro.trials.check import check
from repro.trials.load import load_subject
from runner.errors import ReproError
from runner.run import Precision
from runner.target import Target
from tests.runner.models import add_model, add_then_sum_model, fully_connected_then_add_model, two_outputs_model

SEED = 20260
DEADLINE_S = 5.0
SAMPLE = 30
ALL = 500


def damaged(count: int) -> Iterator[tuple[str, bytes]]:
    """`count` variants of valid models: bytes changed, a range zeroed, cut short, a part repeated or taken out."""
    rng = np.random.default_rng(SEED)
    models = (add_model(), add_then_sum_model(), fully_connected_then_add_model(), two_outputs_model())
    for number in range(count):
        model = bytearray(models[number % len(models)])
        size = len(model)
        kind = ("bytes", "zeros", "cut", "repeat", "remove")[number // len(models) % 5]
        at = int(rng.integers(0, size))
        span = int(rng.integers(1, 64))
        if kind == "bytes":
            for place in rng.integers(0, size, size=int(rng.integers(1, 6))):
                model[place] = int(rng.integers(0, 256))
        elif kind == "zeros":
            model[at : at + span] = bytes(len(model[at : at + span]))
        elif kind == "cut":
            del model[at:]
        elif kind == "repeat":
            model[at:at] = model[at : at + span]
        else:
            del model[at : at + span]
        yield f"seed {SEED} number {number} ({kind} at {at})", bytes(model)


def hold(count: int, cpu: Target, gpu: Target, folder: Path) -> dict[str, int]:
    """Check every variant; count how they ended."""
    ended: dict[str, int] = {}
    for title, model in damaged(count):
        path = folder / "damaged.tflite"
        path.write_bytes(model)
        try:
            how, said = check_one(path, cpu, gpu)
        except Exception as error:
            raise AssertionError(f"{title}: {type(error).__name__}: {error}") from error
        assert said.strip(), title
        assert "\n" not in said.strip(), title
        ended[how] = ended.get(how, 0) + 1
    return ended


def check_one(path: Path, cpu: Target, gpu: Target) -> tuple[str, str]:
    """How it ended, and the line that says so: an error's message, or the first verdict's status."""
    try:
        verdicts = check(load_subject(path), gpu, cpu, Precision.FP32, DEADLINE_S).verdicts
    except ReproError as error:
        return type(error).__name__, str(error)
    return str(verdicts[0].status), str(verdicts[0].status)


@pytest.mark.gpu
def test_a_sample_of_damaged_models_ends_in_words(cpu: Target, gpu: Target, tmp_path: Path):
    ended = hold(SAMPLE, cpu, gpu, tmp_path)
    assert sum(ended.values()) == SAMPLE
    assert ended.get("BadInput", 0) > 0


@pytest.mark.gpu
@pytest.mark.slow
def test_five_hundred_damaged_models_end_in_words(cpu: Target, gpu: Target, tmp_path: Path):
    ended = hold(ALL, cpu, gpu, tmp_path)
    print(ended)
    assert sum(ended.values()) == ALL
    assert ended.get("BadInput", 0) > 0
    assert ended.get("PASS", 0) + ended.get("FAIL", 0) > 0
