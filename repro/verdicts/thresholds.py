"""The judge's thresholds: one table, each entry with its reason and the day it was decided.

Results never carry thresholds, so a saved run can be judged again under another table
(`repro judge RUN --thresholds FILE.toml`, which `repro/verdicts/threshold_reader.py` reads). Nothing else in the
project compares an error with a number of its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from runner.run import Precision


@dataclass(frozen=True)
class Threshold:
    """One number of the rule: its value, why it is what it is, and since when."""

    value: float
    reason: str
    since: str


_MEASURED = "2026-11-20"
_DECIDED = "2026-11-22"
_SHARPENED = "2026-11-25"
_CANCELLED = "2026-11-26"

ENTRIES: Mapping[str, Threshold] = {
    "tensor_rmse_floors": Threshold(
        3.0, "missed none of 1,800 held-back faults, no alarm in 180 healthy runs (with the next two)", _MEASURED
    ),
    "group_rmse_floors_fp16": Threshold(
        5.0, "one wrong row or channel; healthy outputs reach 3.3 (6,660 of them; docs/judge.md)", _SHARPENED
    ),
    "group_rmse_floors_fp32": Threshold(
        6.0, "one wrong row or channel that the whole tensor's RMSE hides; also where a floor is one number", _MEASURED
    ),
    "element_floors_fp16": Threshold(12.0, "one wrong element; healthy outputs reach 8", _SHARPENED),
    "element_floors_fp32": Threshold(
        30.0, "one wrong element of a million; healthy outputs reach 11; also where a floor is one number", _MEASURED
    ),
    "coherent_errors_fp16": Threshold(
        10.0, "standard errors of a common gain or offset, of all or of one row or channel; healthy 6.9", _SHARPENED
    ),
    "coherent_errors_fp32": Threshold(
        30.0, "the same in fp32, where GPUs and XNNPACK sum in another order; healthy 14", _SHARPENED
    ),
    "coherent_share_fp16": Threshold(
        0.1, "of the floor: a smaller common gain or offset is noise; drivers' rounding modes differ by it", _DECIDED
    ),
    "coherent_share_fp32": Threshold(
        1.0, "of the floor: GPU exp and softmax are off by a part of an ulp in one direction (lavapipe)", _DECIDED
    ),
    "emulation_times": Threshold(
        3.0,
        "of what the emulation deviates from its own floor is legal; sums that cancel reach 2.8 in fp16",
        _CANCELLED,
    ),
    "emulation_times_whole": Threshold(
        6.0,
        "the same for an offset or gain of the whole tensor, of which an emulation shows one number per feed: the "
        "largest of six such draws is often half of what the seventh is; deep networks reach 3.3 in fp16",
        _CANCELLED,
    ),
    "kernel_times": Threshold(
        2.5, "of what integer kernels are off by among themselves, in whole steps, one element may be off", _CANCELLED
    ),
    "own_ulps_fp16": Threshold(
        0.5, "of a value: its floor is never below; rounding to nearest has 0.29, toward zero 0.58", _SHARPENED
    ),
    "own_ulps_fp32": Threshold(
        1.0, "of a value: its floor is never below; GPUs' divisions and fused sums are no better", _MEASURED
    ),
    "span_ulps": Threshold(16.0, "a reference flatter than this many ulps of its maximum hides any fault", _MEASURED),
    "floor_snr_db": Threshold(20.0, "a floor above a tenth of the signal lets wrong tensors pass", _MEASURED),
    "rule_element": Threshold(
        8.0, "without an emulation: ulps of |ref| + rms per sqrt(depth) that one element may be off", _MEASURED
    ),
    "rule_snr_db_fp16": Threshold(
        40.0, "without an emulation: variance SNR of the worst healthy fp16 graphs", _MEASURED
    ),
    "rule_snr_db_fp32": Threshold(
        80.0, "without an emulation: variance SNR of the worst healthy fp32 graphs", _MEASURED
    ),
    "rule_channel_pearson": Threshold(0.99, "without an emulation: the worst channel's correlation", _MEASURED),
    "fp16_ulp": Threshold(2.0**-10, "spacing of float16 at 1", _MEASURED),
    "fp32_ulp": Threshold(2.0**-23, "spacing of float32 at 1", _MEASURED),
    "fp32_rule_ulp": Threshold(
        2.0**-20,
        "without an emulation: GPU exp, log and rsqrt are a few ulps off in fp32 (Vulkan's own limits)",
        _DECIDED,
    ),
    "explained": Threshold(0.99, "share of a tensor that an explanation must cover to name the failure", _DECIDED),
}


@dataclass(frozen=True)
class Thresholds:
    """A table of thresholds by name. name: of the table, for records of judging again."""

    name: str = "default"
    entries: Mapping[str, Threshold] = field(default_factory=lambda: ENTRIES)

    def __getitem__(self, name: str) -> float:
        return self.entries[name].value

    def ulp(self, precision: Precision) -> float:
        """Spacing at 1 of the arithmetic of a precision."""
        return self["fp16_ulp"] if precision is Precision.FP16 else self["fp32_ulp"]

    def rule_ulp(self, precision: Precision) -> float:
        """What the rule without an emulation takes as one rounding."""
        return self["fp16_ulp"] if precision is Precision.FP16 else self["fp32_rule_ulp"]

    def rule_snr_db(self, precision: Precision) -> float:
        return self["rule_snr_db_fp16"] if precision is Precision.FP16 else self["rule_snr_db_fp32"]


DEFAULT = Thresholds()
