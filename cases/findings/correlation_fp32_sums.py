"""With the delegate's precision 3, fp16 with fp32 sums: slices times a tensor, reduced over channels, side by side.

The healthy graph of correlation-concat, whose kernel does not compile there.
"""

from __future__ import annotations

from cases.findings.correlation_concat import correlation
from cases.findings.model import clean, control, finding_models, helps, minimal, no_help, still_wrong
from cases.findings.pieces import identity_reshape, identity_transpose, times_one

MODELS = finding_models(
    minimal("two slices of one map, times another, MEAN over channels, side by side", correlation, change=""),
    control("an identity TRANSPOSE in front of the CONCATENATION", correlation, change="", between=identity_transpose),
    still_wrong("sums", "not MEAN alone: SUM in each branch", correlation, change="", kind="SUM"),
    clean(
        "not-the-pattern",
        "a factor for each slice, where the second MUL has its operands in the other order",
        correlation,
        change="other-factor",
        exchanged=True,
    ),
    helps("part-through-mul", "a MUL by 1 behind one MEAN", correlation, change="", between=times_one),
    no_help(
        "identity-reshape", "an identity RESHAPE behind one MEAN", correlation, change="", between=identity_reshape
    ),
    runtimes=">=2.2",
    targets=("gpu:*+precision=3*",),
    precisions=("fp16",),
)
