"""The bug in some thirty lines to paste into a Python prompt: the model inside, BUG or OK at the end.

Key insight: who reads an issue pastes first and downloads later. So the text says which precision it asks for (the
default differs between releases), compares with the CPU and says what that means, and LiteRT's log goes to a file.
"""

from __future__ import annotations

import base64

import numpy as np

from repro.findings.finding import Finding
from runner.encoding import python_literal
from runner.runtime_version import version_order

LARGEST_MODEL = 4096
"""Bytes of a model that is still pasted."""
WIDTH = 100
API_TYPES = ("float32", "int32", "int8", "uint8", "bool")
"""Types that LiteRT's Python API reads and writes (`ai_edge_litert.tensor_buffer`)."""
FIRST_WITH_OPTIONS = "2.2"
"""The first LiteRT whose Python API has a choice of precision."""


def base64_lines(data: bytes) -> list[str]:
    text = base64.b64encode(data).decode()
    return [text[start : start + WIDTH] for start in range(0, len(text), WIDTH)]


def snippet(finding: Finding, tolerance: float, pinned: str) -> list[str]:
    """The lines; none where the model is too large to paste, needs an adapter's name or a setting, or fails on the cpu.

    tolerance: relative RMS error between GPU and CPU above which it says BUG. pinned: the LiteRT that the reader is
    told to install, or empty for the newest.
    """
    data = finding.model_bytes(finding.minimal)
    if len(data) > LARGEST_MODEL or finding.shows_only or not runs_on_cpu(finding):
        return []
    graph = finding.graph(finding.minimal)
    watched = [graph.outputs[i] for i in finding.minimal.wrong or range(len(graph.outputs))]

    def shape(name: str) -> tuple[int, ...]:
        return tuple(int(d) for d in graph.tensors[name].shape)

    def dtype(name: str) -> str:
        return np.dtype(graph.tensors[name].dtype).name

    def written(name: str, value: str) -> str:
        """LiteRT's Python API takes the types that it knows, and any other's bytes."""
        return value if dtype(name) in API_TYPES else f"{value}.view(np.uint8)"

    def fed(name: str, kept: np.ndarray) -> str:
        if dtype(name) == "float32":
            return f"rng.standard_normal({shape(name)}).astype(np.float32)"
        # Indices, truths and lengths have to make sense, so they are those of the finding.
        return written(name, f"np.array({kept.reshape(-1).tolist()}, np.{dtype(name)}).reshape{shape(name)}")

    def read(name: str) -> str:
        count = int(np.prod(shape(name)))
        if dtype(name) in API_TYPES:
            return f"read({count}, np.{dtype(name)})"
        return f"read({count * np.dtype(dtype(name)).itemsize}, np.uint8).view(np.{dtype(name)})"

    inputs = [
        f'    ins[sig["inputs"].index({python_literal(n)})].write({fed(n, kept)})'
        for n, kept in zip(graph.inputs, finding.arrays(finding.minimal, "inputs"), strict=True)
    ]
    fills = [
        f'    outs[sig["outputs"].index({python_literal(n)})]'
        f".write({written(n, f'np.full({shape(n)}, {_filling(dtype(n))}, np.{dtype(n)})')})"
        for n in watched
    ]
    reads = [
        f'        {python_literal(n)}: outs[sig["outputs"].index({python_literal(n)})].{read(n)}.astype(float),'
        for n in watched
    ]
    return [
        "import base64, os, numpy as np",
        "from ai_edge_litert.compiled_model import CompiledModel",
        "from ai_edge_litert.hardware_accelerator import HardwareAccelerator",
        *_imports(pinned),
        'open("model.tflite", "wb").write(base64.b64decode("""',
        *base64_lines(data),
        '"""))',
        "def run(where):",
        *_compiled(finding, pinned),
        "    sig = model.get_signature_by_index(0)",
        "    ins, outs = model.create_input_buffers(0), model.create_output_buffers(0)",
        "    rng = np.random.default_rng(0)",
        *inputs,
        *fills,
        "    model.run_by_index(0, ins, outs)",
        "    return {",
        *reads,
        "    }",
        "",
        'screen, log = os.dup(2), os.open("litert.log", os.O_CREAT | os.O_TRUNC | os.O_WRONLY)',
        "os.dup2(log, 2)  # what LiteRT logs",
        "try:",
        "    right = run(HardwareAccelerator.CPU)",
        *(['    print("BUG, unless OK follows", flush=True)'] if finding.aborts else []),
        "    got = run(HardwareAccelerator.GPU)",
        "finally:",
        "    os.dup2(screen, 2)",
        "",
        "bug = False",
        "for name in right:",
        "    error = np.sqrt(np.mean((got[name] - right[name]) ** 2) / (np.mean(right[name] ** 2) or 1))",
        f"    bug = bug or not error <= {tolerance:g}",
        '    print(name, "CPU", right[name][:4], "GPU", got[name][:4], "relative RMS error %.2g" % error)',
        "",
        'print("BUG" if bug else "OK")',
    ]


def runs_on_cpu(finding: Finding) -> bool:
    """Whether the cpu ran the model and wrote its outputs wherever that was measured: else it is no witness."""
    on_cpu = [r for r in finding.evidence_records() if r["target"] == "cpu" and r["case"] == finding.minimal.name]
    outputs = [output for record in on_cpu for output in record["outputs"]]
    return all(output["output"] >= 0 and output["signature"] != "unwritten" for output in outputs)


def _filling(dtype: str) -> int:
    """What an output holds before the run."""
    return 255 if dtype == "uint8" else -1


def _imports(pinned: str) -> list[str]:
    return [] if _without_options(pinned) else ["from ai_edge_litert.options import GpuOptions, Options  # since 2.2"]


def _compiled(finding: Finding, pinned: str) -> list[str]:
    if _without_options(pinned):
        return [f'    model = CompiledModel.from_file("model.tflite", where)  # {pinned} has no choice: fp16 on a GPU']
    exact = finding.precision == "fp32"
    return [
        f"    gpu = GpuOptions(enforce_f32={exact})  # {finding.precision}",
        '    model = CompiledModel.from_file("model.tflite", options=Options(where, gpu_options=gpu))',
    ]


def _without_options(pinned: str) -> bool:
    return bool(pinned) and version_order(pinned) < version_order(FIRST_WITH_OPTIONS)
