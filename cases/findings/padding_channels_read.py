"""What a DIV leaves in the padding channels, read by a reduction or convolution behind it."""

from __future__ import annotations

from cases.builder import GraphBuilder
from cases.findings.model import control, finding_models, helps, minimal, still_wrong
from cases.findings.pieces import per_channel, weights
from cases.graph import Graph

# Under an NVIDIA GPU's own OpenCL driver a convolution is right behind such a DIV; a sum is wrong there too.
BUT_OPENCL_OF_NVIDIA = (
    "gpu:lavapipe*",
    "gpu:swiftshader*",
    "gpu:pocl*",
    "gpu:oclgrind*",
    "gpu:rusticl*",
    "gpu:nvidia-*",
    "gpu:web*",
    "adb:*",
)


def divided_reduced(channels: int = 3, kind: str = "SUM", reciprocal: bool = False) -> Graph:
    """x divided by a per-channel constant (or times its reciprocal), then reduced or convolved over channels."""
    g = GraphBuilder()
    x = g.input("x", (1, 4, 4, channels))
    divisor = per_channel(channels)
    y = g.mul(x, g.const(1 / divisor), name="y") if reciprocal else g.div(x, g.const(divisor), name="y")
    if kind == "CONV_2D":
        return g.build([g.conv2d(y, weights(8, 1, 1, channels), per_channel(8, 9), name="reduced")])
    return g.build([g.reduce(kind, y, [3], name="reduced")])


MODELS = finding_models(
    minimal("3 channels divided by a per-channel constant, then SUM over channels", divided_reduced),
    control("the same with 4 channels: no padding", divided_reduced, channels=4),
    still_wrong("conv", "not SUM alone: CONV_2D", divided_reduced, kind="CONV_2D").on_targets(*BUT_OPENCL_OF_NVIDIA),
    still_wrong("mean", "not SUM alone: MEAN", divided_reduced, kind="MEAN"),
    still_wrong("five-channels", "not 3 alone: 5 channels", divided_reduced, channels=5),
    helps("reciprocal", "multiply by the reciprocal", divided_reduced, reciprocal=True),
)
