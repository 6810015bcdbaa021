"""Which precisions a target is asked for: the meaning of `--precision` everywhere."""

from __future__ import annotations

from runner.run import Precision

CHOICES = ("fp32", "fp16", "both")


def precisions_for(target: str, asked: str) -> list[Precision]:
    """The cpu targets compute in fp32 only; every other target computes what is asked.

    target: full target name. asked: one of CHOICES. Raises ValueError for another word.
    """
    if target.partition(":")[0] == "cpu":
        return [Precision.FP32]
    return [Precision.FP32, Precision.FP16] if asked == "both" else [Precision(asked)]
