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
FIRST_WITH_OPTIONS = "2.2"
"""The first LiteRT whose Python API has a choice of precision."""


def base64_lines(data: bytes) -> list[str]:
    text = base64.b64encode(data).decode()
    return [text[start : start + WIDTH] for start in range(0, len(text), WIDTH)]


def snippet(finding: Finding, tolerance: float, pinned: str) -> list[str]:
    """The lines; none where the model is too large to paste, or needs an adapter's name or a setting.

    tolerance: relative RMS error between GPU and CPU above which it says BUG. pinned: the LiteRT that the reader is
    told to install, or empty for the newest.
    """
    data = finding.model_bytes(finding.minimal)
    if len(data) > LARGEST_MODEL or finding.shows_only:
        return []
    graph = finding.graph(finding.minimal)
    watched = [graph.outputs[i] for i in finding.minimal.wrong or range(len(graph.outputs))]

    def shape(name: str) -> tuple[int, ...]:
        return tuple(int(d) for d in graph.tensors[name].shape)

    def dtype(name: str) -> str:
        return np.dtype(graph.tensors[name].dtype).name

    inputs = [
        f'    ins[sig["inputs"].index({python_literal(n)})].write(rng.standard_normal({shape(n)}).astype(np.float32))'
        for n in graph.inputs
    ]
    fills = [
        f'    outs[sig["outputs"].index({python_literal(n)})].write(np.full({shape(n)}, -1, np.{dtype(n)}))'
        for n in watched
    ]
    reads = [
        f'        {python_literal(n)}: outs[sig["outputs"].index({python_literal(n)})]'
        f".read({int(np.prod(shape(n)))}, np.{dtype(n)}).astype(float),"
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
