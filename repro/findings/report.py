"""A finding as the folder that goes to an upstream issue: text from templates, facts from evidence.

Key insight: a maintainer gives a report a minute. So the model is two ops, `repro.py` needs nothing of
this project, and every number in the text is computed from sealed evidence when the text is rendered:
there is nothing to update by hand and nothing to get wrong.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jinja2
import numpy as np

import runner
from cases.findings.model import Purpose
from cases.graph import Graph
from repro.drawings.mermaid import to_mermaid
from repro.findings import report_facts as facts
from repro.findings.finding import EVIDENCE, Finding, ModelFile
from repro.findings.reader import load
from repro.hazards.culprit import failure_picture
from repro.matrix.record import CellRecord
from runner import encoding
from runner.adb.manifest import BatchCase, BatchLimits, manifest_text
from runner.cache import write_atomically
from runner.encoding import one_line, python_literal, shown_name
from runner.opencl.android_runtime import is_android
from runner.run import Job, Precision
from runner.runtime_version import LM_PREFIX, spoken

TEMPLATES = Path(__file__).parent / "templates"
RUNNER_SOURCE = Path(runner.__file__).parent / "native" / "batch_runner.c"
INLINE_BYTES = 4096
WIDTH = 100
FP16_TOLERANCE = 0.05
"""Relative RMS error that healthy fp16 stays far below, and all bugs but the smallest far above."""

_environment = jinja2.Environment(
    loader=jinja2.FileSystemLoader(TEMPLATES),
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    keep_trailing_newline=True,
    autoescape=False,
)
_environment.filters |= {
    "repr": repr,
    "literal": encoding.python_literal,
    "docstring": encoding.python_docstring,
    "kotlin": encoding.kotlin_literal,
    "comment": encoding.code_comment,
    "shape": lambda dimensions: str([int(each) for each in dimensions]),
    "shell": lambda word: encoding.shell_command([word]),
    "text": encoding.markdown_text,
    "prose": encoding.markdown_prose,
    "code": encoding.code_span,
    "cell": encoding.markdown_cell,
    "fenced": encoding.fenced,
    "url": encoding.url,
    "spoken": spoken,
}
_environment.tests["over_opencl_runtime"] = is_android
_environment.globals["fp16_tolerance"] = FP16_TOLERANCE


def render_report(finding: Finding, beside: Path | None = None) -> str:
    """report.md: the issue's text, marked as rendered. beside: the folder of its siblings, where it is a draft."""
    return _environment.get_template("issue.md.j2").render(local=True, **_context(finding, beside))


def report_files(finding: Finding) -> dict[str, bytes]:
    """Relative path -> bytes of the folder to attach. Pure but for reading the finding. Raises BadInput."""
    minimal, control = finding.minimal, finding.control
    files: dict[str, bytes] = {
        "issue.md": _environment.get_template("issue.md.j2").render(local=False, **_context(finding)).encode(),
        "repro.py": render_script(finding).encode(),
        "model.tflite": finding.model_bytes(minimal),
        "control.tflite": finding.model_bytes(control),
        "model.tflite.base64": _base64(finding.model_bytes(minimal)).encode() + b"\n",
        "evidence.json": (finding.folder / EVIDENCE).read_bytes(),
        "CompiledModelRepro.kt": _kotlin(finding).encode(),
    }
    for model in finding.models:
        files[f"models/{model.name}.tflite"] = finding.model_bytes(model)
    for kind in ("inputs", "expected"):
        for label, model in (("model", minimal), ("control", control)):
            for index, array in enumerate(finding.arrays(model, kind)):
                files[f"{kind}/{label}-{index}.bin"] = _little_endian(array)
    files |= _phone(finding)
    return files


def write_report(finding: Finding, out: Path) -> list[str]:
    """Write the folder; returns the names written. A file of a former report that is written no more is left alone."""
    files = report_files(finding)
    for name, data in files.items():
        write_atomically(out / name, data)
    return list(files)


def _context(finding: Finding, beside: Path | None = None) -> dict[str, Any]:
    evidence = finding.evidence()
    records = finding.evidence_records()
    litert, over_opencl = facts.by_backend(records)
    on_gpu = [r for r in records if not r["target"].startswith("cpu")]
    graph = finding.graph(finding.minimal)
    sample = finding.sample()
    return {
        "finding": finding,
        "runtimes": facts.runtimes(litert),
        "nightly": facts.nightly(records),
        "over_opencl": _over_opencl(finding, over_opencl),
        "drivers": facts.drivers(evidence["environments"]),
        "phones": facts.phones(evidence["environments"]),
        "pinned": facts.pinned(finding, on_gpu),
        "ops": graph.ops,
        "model_size": len(finding.model_bytes(finding.minimal)),
        "listing": [one_line(line) for line in facts.listing(graph, finding.minimal.wrong)],
        "drawing": _drawing(finding, graph),
        "inline": _inline(finding),
        "sample": sample,
        "samples": [
            {**run, "target": facts.public_target(run["target"])} for run in (sample, sample.get("over_opencl")) if run
        ],
        "sentence": facts.cell_sentence(litert, finding.minimal.name) + ".",
        "matrix": facts.matrix_lines(litert, finding.minimal),
        "control_sentence": facts.measured(on_gpu, finding.control),
        "note": facts.fp16_note(records),
        "tried": facts.tried(
            finding, on_gpu, Purpose.MINIMAL, Purpose.CONTROL, Purpose.CLEAN, Purpose.STILL_WRONG, Purpose.FACE
        ),
        "ruled_out": facts.ruled_out(finding, on_gpu),
        "helps": facts.tried(finding, on_gpu, Purpose.HELPS),
        "no_help": facts.tried(finding, on_gpu, Purpose.NO_HELP),
        "siblings": {slug: load(slug, beside or finding.folder.parent).title for slug in finding.siblings},
        "numbers": _numbers,
        "holds": _holds,
    }


def _over_opencl(finding: Finding, records: Sequence[CellRecord]) -> dict[str, Any]:
    """What a report says of the cells over OpenCL; empty where there are none."""
    if not records:
        return {}
    return {
        "runtimes": facts.runtimes(records),
        "releases": [version.removeprefix(LM_PREFIX) for version in facts.runtimes(records)],
        "sentence": facts.cell_sentence(records, finding.minimal.name) + ".",
        "matrix": facts.matrix_lines(records, finding.minimal),
        "limit": facts.opencl_limit(records),
    }


def _drawing(finding: Finding, graph: Graph) -> list[str]:
    """The graph in mermaid, which GitHub draws: its roles, the wrong outputs red."""
    return to_mermaid(failure_picture(graph, [graph.outputs[index] for index in finding.minimal.wrong]))


def _numbers(values: Sequence[float | None] | None) -> str:
    if values is None:
        return "-"
    return ", ".join("not finite" if v is None else f"{v:.4g}" for v in values[:4]) + ", ..."


def _holds(output: Mapping[str, Any]) -> str:
    if output["actual"] is None:
        return "nothing: the run ended before it"
    if output["verdict"] == "PASS":
        return "what is expected"
    if output["unwritten"]:
        return f"nothing: {output['unwritten']} of {output['elements']} elements were never written"
    return output["holds"] or "values that equal nothing known"


# --- repro.py ----------------------------------------------------------------------------------------


def render_script(finding: Finding) -> str:
    """repro.py: model, control, inputs and expected outputs inside, nothing needed but ai-edge-litert and numpy."""
    parts = [_part(finding, finding.minimal, "MODEL"), _part(finding, finding.control, "CONTROL")]
    pinned = facts.pinned(finding, finding.evidence_records())
    return _environment.get_template("repro.py.j2").render(
        finding=finding, parts=parts, pinned=pinned, tolerance=tolerance(finding)
    )


def _part(finding: Finding, model: ModelFile, name: str) -> dict[str, Any]:
    graph = finding.graph(model)

    def described(names: Sequence[str]) -> list[tuple[str, tuple[int, ...], str]]:
        return [(n, tuple(int(d) for d in graph.tensors[n].shape), graph.tensors[n].dtype) for n in names]

    return {
        "name": name,
        "what": model.what,
        "inputs": described(graph.inputs),
        "outputs": described(graph.outputs),
        "model": _base64(finding.model_bytes(model)),
        "input_data": [_base64(_little_endian(a)) for a in finding.arrays(model, "inputs")],
        "expected": [_base64(_little_endian(a)) for a in finding.arrays(model, "expected")],
    }


def _base64(data: bytes) -> str:
    text = base64.b64encode(data).decode()
    return "\n".join(text[start : start + WIDTH] for start in range(0, len(text), WIDTH))


def _little_endian(array: np.ndarray) -> bytes:
    return np.ascontiguousarray(array, array.dtype.newbyteorder("<")).tobytes()


def _inline(finding: Finding) -> list[str]:
    """A dozen lines to paste into a Python prompt; empty where they would be too long, or need an adapter's name."""
    data = finding.model_bytes(finding.minimal)
    if len(data) > INLINE_BYTES or finding.needs_name:
        return []
    graph = finding.graph(finding.minimal)
    watched = finding.minimal.wrong or tuple(range(len(graph.outputs)))
    lines = [
        "import base64, numpy as np",
        "from ai_edge_litert.compiled_model import CompiledModel",
        "from ai_edge_litert.hardware_accelerator import HardwareAccelerator",
        'open("model.tflite", "wb").write(base64.b64decode("""',
        *_base64(data).splitlines(),
        '"""))',
        'for name, where in (("CPU", HardwareAccelerator.CPU), ("GPU", HardwareAccelerator.GPU)):',
        '    model = CompiledModel.from_file("model.tflite", where)',
        "    sig = model.get_signature_by_index(0)",
        "    ins, outs = model.create_input_buffers(0), model.create_output_buffers(0)",
        "    rng = np.random.default_rng(0)",
    ]
    for n in graph.inputs:
        shape = tuple(int(d) for d in graph.tensors[n].shape)
        lines.append(
            f'    ins[sig["inputs"].index({python_literal(n)})].write(rng.standard_normal({shape}).astype(np.float32))'
        )
    for index in watched:
        n = graph.outputs[index]
        shape = tuple(int(d) for d in graph.tensors[n].shape)
        lines.append(f'    outs[sig["outputs"].index({python_literal(n)})].write(np.full({shape}, -1, np.float32))')
    lines.append("    model.run_by_index(0, ins, outs)")
    for index in watched:
        n, literal = graph.outputs[index], python_literal(graph.outputs[index])
        size = int(np.prod(graph.tensors[n].shape))
        lines.append(f'    print(name, {literal}, outs[sig["outputs"].index({literal})].read({size}, np.float32)[:6])')
    return lines


# --- phones ------------------------------------------------------------------------------------------


def _kotlin(finding: Finding) -> str:
    graph = finding.graph(finding.minimal)
    # Kotlin's buffers come in the order of the signature, whose names are sorted; the files in the graph's.
    ins, outs = sorted(graph.inputs), sorted(graph.outputs)
    return _environment.get_template("CompiledModelRepro.kt.j2").render(
        finding=finding,
        pinned=facts.pinned(finding, finding.evidence_records()),
        wrong_names=", ".join(shown_name(graph.outputs[i]) for i in finding.minimal.wrong),
        signature=" -> ".join(", ".join(map(shown_name, names)) for names in (ins, outs)),
        input_files=[f"inputs/model-{graph.inputs.index(n)}.bin" for n in ins],
        expected_files=[f"expected/model-{graph.outputs.index(n)}.bin" for n in outs],
    )


def tolerance(finding: Finding) -> float:
    """The relative RMS error that the report's scripts call wrong: between healthy runs and the bug, fp16 included.

    A bug that is claimed for fp32 only may be smaller than what fp16 costs: then far above healthy fp32 (5e-6).
    """
    return 1e-4 if finding.minimal.where.precisions == ("fp32",) else FP16_TOLERANCE


def _phone(finding: Finding) -> dict[str, bytes]:
    """The C runner with a batch ready to run: model and control, fp32 and fp16."""
    cases: list[BatchCase] = []
    names: list[str] = []
    for label, model in (("model", finding.minimal), ("control", finding.control)):
        feeds = (finding.arrays(model, "inputs"),)
        for precision in Precision:
            names.append(f"{len(cases)} {label} {precision}")
            job = Job(finding.model_bytes(model), feeds, precision, f"{label}-{precision}")
            cases.append(BatchCase(len(cases), job))
    objects: dict[str, bytes] = {}
    for case in cases:
        objects |= case.objects()
    files = {f"phone/objects/{sha}": data for sha, data in objects.items()}
    assert all(hashlib.sha256(data).hexdigest() == sha for sha, data in objects.items())
    files["phone/batch/manifest"] = manifest_text(cases, BatchLimits(total_s=300.0)).encode()
    files["phone/batch_runner.c"] = RUNNER_SOURCE.read_bytes()
    files["phone/README.md"] = _environment.get_template("phone.md.j2").render(cases=names, finding=finding).encode()
    files["phone/compare.py"] = _environment.get_template("compare.py.j2").render(tolerance=tolerance(finding)).encode()
    return files
