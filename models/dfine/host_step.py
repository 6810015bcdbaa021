"""What runs on the host between the graphs: the top 300 tokens and, for the shipped split, the per-token tail.

The tail (`enc_output`, `enc_bbox_head`) acts on each token alone, so it commutes with the selection: running it on
300 tokens in float32 is exact, not an approximation. numpy only, as an app would do it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from models.dfine.anchors import OUT_OF_RANGE, anchors, valid
from models.dfine.architecture import QUERIES


@dataclass(frozen=True, eq=False)
class HostParameters:
    """The tail's weights, float32. Linear weights are [out, in]."""

    output_weight: np.ndarray
    output_bias: np.ndarray
    norm_weight: np.ndarray
    norm_bias: np.ndarray
    norm_eps: float
    box_weights: tuple[np.ndarray, ...]
    box_biases: tuple[np.ndarray, ...]

    def arrays(self) -> dict[str, np.ndarray]:
        """By name, for `numpy.savez`; `from_arrays` is the inverse."""
        named = {
            "output_weight": self.output_weight,
            "output_bias": self.output_bias,
            "norm_weight": self.norm_weight,
            "norm_bias": self.norm_bias,
            "norm_eps": np.array(self.norm_eps),
        }
        for i, (weight, bias) in enumerate(zip(self.box_weights, self.box_biases, strict=True)):
            named[f"box_weight_{i}"], named[f"box_bias_{i}"] = weight, bias
        return named

    @staticmethod
    def from_arrays(named: dict[str, np.ndarray]) -> HostParameters:
        layers = sum(name.startswith("box_weight_") for name in named)
        return HostParameters(
            named["output_weight"],
            named["output_bias"],
            named["norm_weight"],
            named["norm_bias"],
            float(named["norm_eps"]),
            tuple(named[f"box_weight_{i}"] for i in range(layers)),
            tuple(named[f"box_bias_{i}"] for i in range(layers)),
        )


def host_parameters(model: Any) -> HostParameters:
    """The tail's weights out of the reference model."""

    def array(tensor: object) -> np.ndarray:
        return tensor.detach().numpy().copy()  # type: ignore[attr-defined]

    linear, norm = model.model.enc_output
    layers = model.model.enc_bbox_head.layers
    return HostParameters(
        array(linear.weight),
        array(linear.bias),
        array(norm.weight),
        array(norm.bias),
        norm.eps,
        tuple(array(layer.weight) for layer in layers),
        tuple(array(layer.bias) for layer in layers),
    )


def top_tokens(enc_class: np.ndarray) -> np.ndarray:
    """Indices [300] of the tokens with the highest best-class score, best first; ties by index. [1, N, 80] in.

    Non-finite scores sort last: a broken graph must not steer the selection by NaN.
    """
    best = np.nan_to_num(enc_class[0].max(axis=-1), nan=-np.inf)
    return np.argsort(-best, kind="stable")[:QUERIES]


def tail(parameters: HostParameters, tokens: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Selected memory [300, 256], already masked -> target [300, 256] and box offsets [300, 4], in tokens' dtype."""
    x = tokens @ parameters.output_weight.T + parameters.output_bias
    x = x - x.mean(axis=-1, keepdims=True)
    x = x / np.sqrt((x * x).mean(axis=-1, keepdims=True) + x.dtype.type(parameters.norm_eps))
    target = x * parameters.norm_weight + parameters.norm_bias
    y = target
    for i, (weight, bias) in enumerate(zip(parameters.box_weights, parameters.box_biases, strict=True)):
        y = y @ weight.T + bias
        if i < len(parameters.box_weights) - 1:
            y = np.maximum(y, 0)
    return target, y


def shipped_step(
    parameters: HostParameters, size: int, enc_class: np.ndarray, memory_raw_x2: np.ndarray
) -> dict[str, np.ndarray]:
    """Outputs of the shipped Graph A -> inputs of Graph B (`memory_raw`, `target`, `ref`) and the `tokens` chosen."""
    chosen = top_tokens(enc_class)
    memory = memory_raw_x2 * memory_raw_x2.dtype.type(0.5)
    target, offsets = tail(parameters, (memory * valid(size).astype(memory.dtype))[0, chosen])
    ref = np.minimum(offsets + anchors(size)[0, chosen], OUT_OF_RANGE)
    return {"memory_raw": memory, "target": target[None], "ref": ref[None].astype(memory.dtype), "tokens": chosen}


def naive_step(enc_class: np.ndarray, enc_coord: np.ndarray, output_memory: np.ndarray) -> dict[str, np.ndarray]:
    """Outputs of the naive Graph A -> `target` and `ref` for Graph B, and `tokens`; memory_raw passes by as it is."""
    chosen = top_tokens(enc_class)
    return {
        "target": output_memory[:, chosen],
        "ref": np.minimum(enc_coord[:, chosen], enc_coord.dtype.type(OUT_OF_RANGE)),
        "tokens": chosen,
    }
