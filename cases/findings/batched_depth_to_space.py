"""DEPTH_TO_SPACE or SPACE_TO_DEPTH of a batch above 1."""

from __future__ import annotations

from cases.builder import GraphBuilder
from cases.findings.model import clean, control, finding_models, helps, minimal, no_help, still_wrong
from cases.findings.pieces import Piece, identity_transpose, plain
from cases.graph import Graph

TO_SPACE, TO_DEPTH = "DEPTH_TO_SPACE", "SPACE_TO_DEPTH"


def blocks(
    shape: tuple[int, int, int, int] = (2, 2, 2, 8),
    kind: str = TO_SPACE,
    block: int = 2,
    between: Piece = plain,
    stacked: bool = False,
    bystander: bool = True,
) -> Graph:
    """One DEPTH_TO_SPACE, or `kind`, of images; bystander: an output that has nothing to do with it.

    between: what the images go through first. stacked: they are reshaped to one image, below each other, and back.
    """
    g = GraphBuilder()
    x = g.input("x", shape)
    source = between(g, x)
    if stacked:
        batch, height, width, channels = shape
        source = g.reshape(source, (1, batch * height, width, channels), name="stacked")
    (y,) = g.op(kind, (source,), name="moved", block_size=block)
    if stacked:
        _, height, width, channels = g.shape(y)
        y = g.reshape(y, (shape[0], height // shape[0], width, channels), name="y")
    return g.build([y, g.unary("TANH", g.input("other", (1, 4, 4)), name="bystander")] if bystander else [y])


MODELS = finding_models(
    minimal("DEPTH_TO_SPACE of 2 images; every output is lost, a TANH beside it too", blocks)
    .in_outputs(0, 1)
    .refused_over_opencl(),
    control("of one image", blocks, shape=(1, 2, 2, 8)),
    still_wrong("space-to-depth", "not DEPTH_TO_SPACE alone: SPACE_TO_DEPTH", blocks, kind=TO_DEPTH)
    .in_outputs(0, 1)
    .refused_over_opencl(),
    still_wrong("three", "not two images alone: three", blocks, shape=(3, 2, 2, 8))
    .in_outputs(0, 1)
    .refused_over_opencl(),
    still_wrong("block-3", "not blocks of 2x2 alone: 3x3, of 9 channels", blocks, shape=(2, 2, 2, 9), block=3)
    .in_outputs(0, 1)
    .refused_over_opencl(),
    still_wrong("slices", "not the channels: 16, which are whole slices of 4", blocks, shape=(2, 2, 2, 16))
    .in_outputs(0, 1)
    .refused_over_opencl(),
    still_wrong("alone", "not the TANH beside it: without one", blocks, bystander=False).refused_over_opencl(),
    clean("space-to-depth-of-one", "SPACE_TO_DEPTH of one image", blocks, kind=TO_DEPTH, shape=(1, 2, 2, 8)),
    helps("stacked", "RESHAPE the images to one, below each other, and back", blocks, stacked=True),
    helps("space-to-depth-stacked", "the same for SPACE_TO_DEPTH", blocks, kind=TO_DEPTH, stacked=True),
    no_help("transposed", "an identity TRANSPOSE in front of it", blocks, between=identity_transpose)
    .in_outputs(0, 1)
    .refused_over_opencl(),
)
