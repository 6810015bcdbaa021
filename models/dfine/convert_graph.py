"""Convert one graph: torch -> .tflite with litert-torch, then fp16 weights with ai-edge-quantizer.

Runs in a process of its own (`python -m models.dfine.convert_graph`), because a conversion takes about 1 GB that the
interpreter does not give back, and because litert-torch and its converter print a great deal.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from models.dfine.architecture import QUERIES, WIDTH, tokens
from models.dfine.host_step import host_parameters
from models.dfine.reference import reference_model, rewritten
from models.dfine.weights import Weights, resolve

if TYPE_CHECKING:
    import torch


def example_inputs(graph: str, size: int) -> tuple[torch.Tensor, ...]:
    """Example inputs of a graph: only their shapes matter."""
    import torch

    if graph == "graph_b":
        return torch.zeros(1, tokens(size), WIDTH), torch.zeros(1, QUERIES, WIDTH), torch.zeros(1, QUERIES, 4)
    return (torch.zeros(1, 3, size, size),)


def convert_fp32(graph: str, size: int, weights: Weights, path: Path) -> None:
    """Write the float32 .tflite of one of `reference.GRAPHS`."""
    import litert_torch

    module = rewritten(graph, size, weights.spec, weights.detector.name)
    litert_torch.convert(module, example_inputs(graph, size)).export(str(path))


def cast_weights(source: Path, path: Path) -> None:
    """Write `source` with the weights of its FC, CONV and DWCONV in fp16; activations stay float32 in the file."""
    from ai_edge_quantizer import qtyping, quantizer
    from ai_edge_quantizer.algorithm_manager import AlgorithmName

    job = quantizer.Quantizer(str(source))
    fp16 = qtyping.OpQuantizationConfig(
        weight_tensor_config=qtyping.TensorQuantizationConfig(num_bits=16, dtype=qtyping.TensorDataType.FLOAT),
        compute_precision=qtyping.ComputePrecision.FLOAT,
        explicit_dequantize=True,
    )
    kinds = qtyping.TFLOperationName
    for kind in (kinds.FULLY_CONNECTED, kinds.CONV_2D, kinds.DEPTHWISE_CONV_2D):
        job.update_quantization_recipe(
            regex=".*", operation_name=kind, op_config=fp16, algorithm_key=AlgorithmName.FLOAT_CASTING
        )
    job.quantize().export_model(str(path), overwrite=True)


def main(arguments: str) -> None:
    """arguments: JSON with detector, graph, size, weights, fp32, fp16 and host (paths to write)."""
    job = json.loads(arguments)
    fp32, weights = Path(job["fp32"]), resolve(job["weights"], job["detector"])
    convert_fp32(job["graph"], job["size"], weights, fp32)
    cast_weights(fp32, Path(job["fp16"]))
    with Path(job["host"]).open("wb") as file:
        np.savez(file, **host_parameters(reference_model(weights.spec, weights.detector.name)).arrays())  # type: ignore[arg-type]


if __name__ == "__main__":
    main(sys.argv[1])
