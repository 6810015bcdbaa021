"""CONV_2D in groups of at most 4 channels that are no multiple of 4, under a PowerVR's name in fp16: the process ends.

The graph of grouped-conv-split, which is wrong and lives under any other name.
"""

from __future__ import annotations

from cases.findings.grouped_conv_split import grouped_conv
from cases.findings.model import clean, control, finding_models, helps, minimal, no_help, still_wrong
from cases.findings.pieces import identity_transpose

MODELS = finding_models(
    minimal("3x3 CONV_2D in two groups of 3 channels to 4", grouped_conv, bystander=False)
    .wrong_elsewhere(0)
    .refused_over_opencl(),
    control("groups of 4 channels to 4", grouped_conv, group_in=4, bystander=False),
    still_wrong("made", "not what a group takes alone: 4 to 2", grouped_conv, group_in=4, group_out=2, bystander=False)
    .wrong_elsewhere(0)
    .refused_over_opencl(),
    still_wrong("three-groups", "not two groups alone: three", grouped_conv, groups=3, bystander=False)
    .wrong_elsewhere(0)
    .refused_over_opencl(),
    still_wrong("kernel-1", "not 3x3 alone: 1x1", grouped_conv, kernel=1, bystander=False)
    .wrong_elsewhere(0)
    .refused_over_opencl(),
    clean("one-group", "one group of 3 channels to 4", grouped_conv, groups=1, bystander=False),
    helps("dense", "one group, with block-diagonal weights", grouped_conv, dense=True, bystander=False),
    helps("by-hand", "SPLIT, a CONV_2D a group, CONCATENATION", grouped_conv, by_hand=True, bystander=False),
    no_help(
        "transposed",
        "an identity TRANSPOSE in front of it",
        grouped_conv,
        between=identity_transpose,
        bystander=False,
    )
    .wrong_elsewhere(0)
    .refused_over_opencl(),
    targets=("gpu:*@PowerVR Rogue GE8320",),
    precisions=("fp16",),
    aborts=True,
)
