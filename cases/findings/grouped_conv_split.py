"""CONV_2D in groups of at most 4 channels that are no multiple of 4: every output of the model is zero."""

from __future__ import annotations

import numpy as np

from cases.builder import GraphBuilder
from cases.findings.model import clean, control, finding_models, helps, minimal, no_help, still_wrong
from cases.findings.pieces import Piece, identity_transpose, per_channel, plain, weights
from cases.graph import Graph


def grouped_conv(
    group_in: int = 3,
    group_out: int = 4,
    groups: int = 2,
    kernel: int = 3,
    dense: bool = False,
    by_hand: bool = False,
    between: Piece = plain,
    bystander: bool = True,
) -> Graph:
    """One CONV_2D of a 3x3 map in groups of `group_in` channels, each of which makes `group_out`; beside it a TANH.

    dense: one group, whose weights are zero between the groups. by_hand: SPLIT, one CONV_2D per group, CONCATENATION.
    between: what x goes through first. bystander: whether there is the TANH, of another input.
    """
    g = GraphBuilder()
    x = between(g, g.input("x", (1, 3, 3, groups * group_in)))
    others = [g.unary("TANH", g.input("z", (1, 3, 3, 5)), name="bystander")] if bystander else []
    filters = weights(groups * group_out, kernel, kernel, group_in)
    bias = per_channel(groups * group_out)
    rows = [slice(i * group_out, (i + 1) * group_out) for i in range(groups)]
    if by_hand:
        parts = g.split(x, groups, 3, tuple(f"part_{i}" for i in range(groups)))
        convolved = [g.conv2d(part, filters[row], bias[row]) for part, row in zip(parts, rows, strict=True)]
        return g.build([g.concat(convolved, 3, name="y"), *others])
    if dense:
        block_diagonal = np.zeros((groups * group_out, kernel, kernel, groups * group_in), np.float32)
        for i, row in enumerate(rows):
            block_diagonal[row, :, :, i * group_in : (i + 1) * group_in] = filters[row]
        filters = block_diagonal
    return g.build([g.conv2d(x, filters, bias, name="y"), *others])


MODELS = finding_models(
    minimal("3x3 CONV_2D in two groups of 3 channels to 4; every output is lost, a TANH beside it too", grouped_conv)
    .in_outputs(0, 1)
    .refused_over_opencl(),
    control("groups of 4 channels to 4", grouped_conv, group_in=4),
    still_wrong("made", "not what a group takes alone: 4 to 2", grouped_conv, group_in=4, group_out=2)
    .in_outputs(0, 1)
    .refused_over_opencl(),
    still_wrong("one-taken", "not 3 alone: 1 to 2", grouped_conv, group_in=1, group_out=2)
    .in_outputs(0, 1)
    .refused_over_opencl(),
    still_wrong("three-groups", "not two groups alone: three", grouped_conv, groups=3)
    .in_outputs(0, 1)
    .refused_over_opencl(),
    still_wrong("kernel-1", "not 3x3 alone: 1x1", grouped_conv, kernel=1).in_outputs(0, 1).refused_over_opencl(),
    still_wrong("alone", "not the TANH beside it: without one", grouped_conv, bystander=False).refused_over_opencl(),
    clean("one-group", "one group of 3 channels to 4", grouped_conv, groups=1),
    clean(
        "depthwise", "groups of 1 channel to 1, which are a depthwise", grouped_conv, group_in=1, group_out=1, groups=4
    ),
    helps("dense", "one group, with block-diagonal weights", grouped_conv, dense=True),
    helps("by-hand", "SPLIT, a CONV_2D a group, CONCATENATION", grouped_conv, by_hand=True),
    no_help(
        "transposed",
        "an identity TRANSPOSE in front of it",
        grouped_conv,
        between=identity_transpose,
    )
    .in_outputs(0, 1)
    .refused_over_opencl(),
)
