"""CONV_2D in groups of more than 4 channels that are no multiple of 4: compiling it ends the process.

The graph of grouped-conv-split with more channels, and without the TANH beside it: no output would come.
"""

from __future__ import annotations

from cases.findings.grouped_conv_split import grouped_conv
from cases.findings.model import clean, control, finding_models, helps, minimal, no_help, still_wrong
from cases.findings.pieces import identity_transpose

MODELS = finding_models(
    minimal("3x3 CONV_2D in two groups of 5 channels to 4", grouped_conv, group_in=5, bystander=False)
    .refused_over_opencl()
    .that_in_browser("FAIL"),
    control("groups of 8 channels to 4", grouped_conv, group_in=8, bystander=False),
    still_wrong(
        "made", "not what a group takes alone: 8 to 2", grouped_conv, group_in=8, group_out=2, bystander=False
    ).that_in_browser("FAIL"),
    still_wrong("three-groups", "not two groups alone: three", grouped_conv, group_in=5, groups=3, bystander=False)
    .refused_over_opencl()
    .that_in_browser("FAIL"),
    still_wrong("kernel-1", "not 3x3 alone: 1x1", grouped_conv, group_in=5, kernel=1, bystander=False)
    .refused_over_opencl()
    .that_in_browser("FAIL"),
    clean("one-group", "one group of 5 channels to 4", grouped_conv, group_in=5, groups=1, bystander=False),
    helps("dense", "one group, with block-diagonal weights", grouped_conv, group_in=5, dense=True, bystander=False),
    helps(
        "by-hand", "SPLIT, a CONV_2D a group, CONCATENATION", grouped_conv, group_in=5, by_hand=True, bystander=False
    ),
    no_help(
        "transposed",
        "an identity TRANSPOSE in front of it",
        grouped_conv,
        group_in=5,
        between=identity_transpose,
        bystander=False,
    )
    .refused_over_opencl()
    .that_in_browser("FAIL"),
    aborts=True,
)
