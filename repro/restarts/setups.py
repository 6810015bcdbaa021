"""How an app asks LiteRT to keep what it compiled, and how a run says that it read what was kept.

Key insight: there are three caches behind two options. What an app gets by naming a folder and a key is the whole
compiled graph, its weights included; programs alone, and weights in a file of their own, take one option more.

The options: litert/c/options/litert_gpu_options.h. Who reads and writes: ml_drift_delegate/delegate/delegate_kernel.cc
(the graph), delegate/cache/ (programs), delegate/serialization_weight_cache/ (weights); all of google-ai-edge/LiteRT
at commit f67457790c9c2ab67347d6fe53270e8d3df20868.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

MODEL_KEY = "model"
"""The `model_cache_key` of every writer and reader: an app that names its models by a name of its own."""

RUNS = 8
"""Runs of one process: over WebGPU the file of programs is written after the fifth (kInvokeCountToDestroyWebGpu-
PipelineCache in delegate_webgpu.cc)."""

_READ = ("Initialized InferenceContext from serialized data", "Loaded cache file", "Loaded compiled cache from")
"""What the delegate logs where it takes something from a cache: a graph; programs over WebGPU; over OpenCL."""


@dataclass(frozen=True)
class Setup:
    """One way to ask. options: beside the folder and the key, as keys of LiteRT's `gpu_options`."""

    name: str
    keeps: str
    options: Mapping[str, bool] = field(default_factory=dict)

    def gpu_options(self, folder: Path | None) -> dict[str, str | int | bool]:
        """With what is kept in a folder; without one the same options and nothing kept."""
        if folder is None:
            return dict(self.options)
        return {"serialization_dir": str(folder), "model_cache_key": MODEL_KEY, **self.options}


GRAPH = Setup("graph", "the compiled graph: programs, weights, and the plan of a run")
PROGRAMS = Setup("programs", "compiled programs alone", {"cache_only_compiled_programs": True})
WEIGHTS = Setup(
    "weights",
    "the compiled graph, and weights in a file of their own",
    {"enable_constant_tensors_sharing": True, "serialize_external_tensors": True},
)
BESIDE = Setup("beside", "nothing; another model lives in the process, and runs between the runs of this one")
SETUPS = {setup.name: setup for setup in (GRAPH, PROGRAMS, WEIGHTS, BESIDE)}


def says_read(log: str) -> bool:
    """Whether a run's log says that something was taken from a cache."""
    return any(words in log for words in _READ)
