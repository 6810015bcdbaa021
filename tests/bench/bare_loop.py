"""The bare loop that isolation is measured against: CompiledModel in one process, nothing isolated, nothing judged.

Run as a script: `bare_loop.py FOLDER`. FOLDER holds NAME.tflite and NAME.npz (arrays `k_i`: input i of
feed k) and jobs.json, a list of [name, precision]. Prints the seconds the loop took, start-up excluded.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from ai_edge_litert.compiled_model import CompiledModel
from ai_edge_litert.environment import Environment, EnvironmentOptions
from ai_edge_litert.gpu_options import GpuOptions
from ai_edge_litert.hardware_accelerator import HardwareAccelerator
from ai_edge_litert.options import Options


def run(environment: Any, model: bytes, feeds: list[list[np.ndarray]], precision: str) -> list[list[np.ndarray]]:
    """Compile one model and run every feed through it."""
    options = Options(
        hardware_accelerators=HardwareAccelerator.GPU,
        gpu_options=GpuOptions(enforce_f32=precision == "fp32"),
    )
    compiled = CompiledModel.from_buffer(model, environment=environment, options=options)
    inputs, outputs = compiled.create_input_buffers(0), compiled.create_output_buffers(0)
    sizes = [compiled.get_output_buffer_requirements(i, 0)["buffer_size"] // 4 for i in range(len(outputs))]
    results = []
    for feed in feeds:
        for buffer, array in zip(inputs, feed, strict=True):
            buffer.write(array)
        compiled.run_by_index(0, inputs, outputs)
        results.append([buffer.read(size, np.float32) for buffer, size in zip(outputs, sizes, strict=True)])
    return results


def main(folder: Path) -> None:
    jobs = json.loads((folder / "jobs.json").read_text(encoding="utf-8"))
    loaded = {}
    for name in dict.fromkeys(name for name, _ in jobs):
        with np.load(folder / f"{name}.npz") as arrays:
            count = max(int(key.split("_")[0]) for key in arrays.files) + 1
            feeds = [[arrays[f"{k}_{i}"] for i in range(len(arrays.files) // count)] for k in range(count)]
        loaded[name] = ((folder / f"{name}.tflite").read_bytes(), feeds)
    import ai_edge_litert

    place = str(Path(ai_edge_litert.__file__).parent)
    environment = Environment.create(options=EnvironmentOptions(runtime_path=place))
    started = time.perf_counter()
    for name, precision in jobs:
        run(environment, *loaded[name], precision)
    print(json.dumps({"seconds": time.perf_counter() - started}))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
