"""Check 4: the whole chain against the reference. What decides is what the user sees at its end, not a correlation."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from repro.layouts.detections import match_by_box, match_by_token
from repro.layouts.layout import LIMITS, Layout, Limit
from repro.layouts.models import Values
from repro.layouts.named_functions import call
from repro.layouts.result import GateAnswer, GateCheck

HIGHER_IS_BETTER = frozenset(key for key, (bound, _) in LIMITS.items() if bound == "min")


def chain_checks(
    layout: Layout, references: Sequence[Values], found: Sequence[Values], limits: Mapping[str, Limit]
) -> list[GateCheck]:
    """Compare the chain's results for each input set, worst case over the sets.

    references, found: per input set, tensors by name. One check per limit, in the order the layout gives them.
    """
    if layout.detections is not None:
        numbers, words = _detection_numbers(layout, references, found)
        tensor = layout.detections.boxes
    else:
        numbers, words = _output_numbers(layout, references, found)
        tensor = ", ".join(layout.final_outputs)
    return [_check(key, limits[key], numbers[key], words, tensor) for key in limits if key in LIMITS and key in numbers]


def _check(key: str, limit: Limit, value: float, words: Mapping[str, str], tensor: str) -> GateCheck:
    bound, what = LIMITS[key]
    # Written so that NaN is out of bounds.
    inside = value >= limit.value if bound == "min" else value <= limit.value
    sign = ("at least" if bound == "min" else "at most") + f" {limit.value:g}"
    detail = f"; {words[key]}" if words.get(key) else ""
    reason = f"{key} {value:.4g}, asked for {sign}: the {what}{detail}"
    if not inside:
        reason += f" ({limit.reason})"
    answer = GateAnswer.PASS if inside else GateAnswer.REFUSED
    return GateCheck("chain", "chain", tensor, answer, reason, {key: value})


def _detection_numbers(
    layout: Layout, references: Sequence[Values], found: Sequence[Values]
) -> tuple[dict[str, float], dict[str, str]]:
    names = layout.detections
    assert names is not None
    overlaps: list[float] = []
    token_ious: list[float] = []
    ious: list[float] = []
    same: list[bool] = []
    lost = extra = expected = got = 0
    for reference, values in zip(references, found, strict=True):
        wanted = _decode(layout, reference)
        seen = _decode(layout, values)
        match = match_by_box(wanted, seen)
        expected, got = expected + len(wanted), got + len(seen)
        lost, extra = lost + len(match.lost), extra + len(match.extra)
        ious += [iou for _, _, iou in match.pairs]
        same += [wanted[i].label == seen[j].label for i, j, _ in match.pairs]
        if names.tokens and names.tokens in reference:
            tokens = match_by_token(
                reference[names.boxes], reference[names.tokens], values[names.boxes], values[names.tokens]
            )
            overlaps.append(tokens.overlap)
            token_ious += tokens.iou.tolist()
    numbers = {
        # No pair at all is no agreement: 0, not an empty mean.
        "detection_iou": min(ious, default=0.0),
        "class_agreement": sum(same) / len(same) if same else 0.0,
        "lost": float(lost),
        "extra": float(extra),
    }
    if overlaps:
        numbers["token_overlap"] = min(overlaps)
        numbers["token_iou"] = min(token_ious, default=0.0)
    paired = f"{len(ious)} of {expected} detections matched by box"
    words = {
        "detection_iou": f"{paired}, median {np.median(ious) if ious else 0:.4f}",
        "class_agreement": f"{sum(same)} of {len(same)} matched",
        "lost": f"the reference has {expected}, the target {got}",
        "extra": f"the reference has {expected}, the target {got}",
        "token_iou": f"{len(token_ious)} tokens in both, median {np.median(token_ious) if token_ious else 0:.4f}",
    }
    if expected == 0:
        numbers["detection_iou"] = math.nan
        words["detection_iou"] = "the reference detects nothing in these inputs: nothing is shown"
    return numbers, words


def _decode(layout: Layout, values: Mapping[str, Any]) -> Sequence[Any]:
    names = layout.detections
    assert names is not None
    tokens = values.get(names.tokens) if names.tokens else None
    return tuple(call(layout.path, names.decode, values[names.boxes], values[names.logits], tokens))


def _output_numbers(
    layout: Layout, references: Sequence[Values], found: Sequence[Values]
) -> tuple[dict[str, float], dict[str, str]]:
    worst, words = math.inf, ""
    for reference, values in zip(references, found, strict=True):
        for name in layout.final_outputs:
            snr = snr_db(np.asarray(reference[name], np.float64), np.asarray(values[name], np.float64))
            if not snr >= worst:
                worst, words = snr, f"worst is '{name}'"
    return {"chain_snr_db": worst}, {"chain_snr_db": words}


def snr_db(reference: np.ndarray, found: np.ndarray) -> float:
    """Variance of the reference over mean squared error, in dB; NaN where it means nothing. Equal gives 300.

    The variance, not the power: a large constant must not pay for a wrong signal.
    """
    if reference.shape != found.shape:
        return math.nan
    with np.errstate(invalid="ignore", over="ignore"):
        error = float(np.mean((reference - found) ** 2))
    variance = float(np.var(reference))
    if not math.isfinite(error) or variance == 0:
        return math.nan
    return min(300.0, 10 * math.log10(variance / error)) if error else 300.0
