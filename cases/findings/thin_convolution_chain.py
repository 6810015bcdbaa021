"""Under the names of most vendors: an output between two small convolutions. See mali_thin_pointwise for a Mali's."""

from __future__ import annotations

from cases.findings.mali_thin_pointwise import thin_pointwise
from cases.findings.model import clean, control, finding_models, helps, minimal, no_help, still_wrong
from cases.findings.pieces import times_one

MODELS = finding_models(
    minimal("1x1 CONV_2D, an output, feeds a 1x1 CONV_2D of 8 channels", thin_pointwise, out=8),
    control("64 channels between instead of 4", thin_pointwise, out=8, middle=64),
    still_wrong("eight-between", "not 4 channels between alone: 8", thin_pointwise, out=8, middle=8),
    still_wrong(
        "kernel-3", "not 1x1 alone: a 3x3 CONV_2D of 3 channels first", thin_pointwise, out=8, middle=3, kernel=3
    ),
    still_wrong(
        "between",
        "not a convolution's own output alone: a NEG between the two is the output",
        thin_pointwise,
        out=8,
        between=("NEG",),
        exposed=("NEG",),
    ),
    still_wrong(
        "three", "not two alone: of three, both inner ones", thin_pointwise, out=8, third=True, last_channels=8
    ).in_outputs(0, 1),
    still_wrong("relu", "not a bare convolution alone: with RELU", thin_pointwise, out=8, activation="RELU"),
    still_wrong("map", "not a small map: 64x64", thin_pointwise, out=8, height=64, width=64),
    still_wrong("tokens", "not CONV_2D alone: FULLY_CONNECTED of [1,16,4]", thin_pointwise, out=8, tokens=True),
    clean("not-exposed", "without y among the outputs", thin_pointwise, out=8, exposed=()),
    clean("forty-behind", "40 channels behind", thin_pointwise, out=40),
    helps("emit-mul", "emit y through a MUL by 1", thin_pointwise, out=8, emit=times_one),
    helps("second-reader", "give y a second consumer", thin_pointwise, out=8, second_reader=True),
    no_help(
        "identity-reshape",
        "an identity RESHAPE between y and the second CONV_2D",
        thin_pointwise,
        out=8,
        between=("RESHAPE",),
    ),
    # One name for each branch that has the fusion in both precisions; an Adreno's has it over OpenCL only.
    targets=(
        "gpu:*@NVIDIA H100",
        "gpu:*@Apple M2",
        "gpu:*@Intel Iris Xe",
        "gpu:pocl*@Adreno (TM) 740",
        "gpu:nvidia-*",
        "gpu:opencl-nvidia",
    ),
)
