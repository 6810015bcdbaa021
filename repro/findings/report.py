"""A finding as the folder that goes to an upstream issue: text from templates, facts from evidence.

Key insight: a maintainer gives a report a minute. So the model is two ops, `repro.py` needs nothing of
this project, and every number in the text is computed from sealed evidence when the text is rendered:
there is nothing to update by hand and nothing to get wrong.
"""

from __future__ import annotations

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
from repro.findings.root_causes import patches_of, root_cause_of, root_causes
from repro.findings.snippet import base64_lines, snippet
from repro.hazards.culprit import failure_picture
from repro.matrix.record import CellRecord
from runner import encoding
from runner.adb.manifest import BatchCase, BatchLimits, manifest_text
from runner.encoding import one_line, shown_name
from runner.opencl.android_runtime import is_android
from runner.run import Job, Precision
from runner.runtime_version import Numbering, bare, spoken

TEMPLATES = Path(__file__).parent / "templates"
RUNNER_SOURCE = Path(runner.__file__).parent / "native" / "batch_runner.c"
FP16_TOLERANCE = 0.05
"""Relative RMS error that healthy fp16 stays far below, and all bugs but the smallest far above."""

environment = jinja2.Environment(
    loader=jinja2.FileSystemLoader(TEMPLATES),
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    keep_trailing_newline=True,
    autoescape=False,
)
environment.filters |= {
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
environment.tests["over_opencl_runtime"] = is_android
environment.globals["fp16_tolerance"] = FP16_TOLERANCE


def render_report(finding: Finding, beside: Path | None = None) -> str:
    """report.md: the issue's text, marked as rendered. beside: the folder of its siblings, where it is a draft."""
    return environment.get_template("issue.md.j2").render(local=True, **_context(finding, beside))


def report_files(finding: Finding) -> dict[str, bytes]:
    """Relative path -> bytes of the folder to attach. Pure but for reading the finding. Raises BadInput."""
    minimal, control = finding.minimal, finding.control
    files: dict[str, bytes] = {
        "issue.md": environment.get_template("issue.md.j2").render(local=False, **_context(finding)).encode(),
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


def _context(finding: Finding, beside: Path | None = None) -> dict[str, Any]:
    records = finding.evidence_records()
    cells = facts.by_backend(records)
    litert = cells[Numbering.LITERT]
    on_gpu = [r for r in records if not r["target"].startswith("cpu")]
    graph = finding.graph(finding.minimal)
    sample = finding.sample()
    causes = root_causes(beside or finding.folder.parent)
    pinned = facts.pinned(finding, on_gpu)
    return {
        **place_and_graph(finding),
        "finding": finding,
        "over_opencl": _apart(finding, cells[Numbering.LITERT_LM]),
        "opencl_limit": facts.opencl_limit(records),
        "in_browser": _apart(finding, cells[Numbering.LITERT_JS]),
        "nightly": facts.nightly(records),
        "pinned": pinned,
        "ops": graph.ops,
        "model_size": len(finding.model_bytes(finding.minimal)),
        "inline": snippet(finding, tolerance(finding), pinned),
        "root_cause": root_cause_of(finding.slug, causes),
        "patches": patches_of(finding.slug, causes),
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
        "siblings": {slug: _sibling(slug, beside or finding.folder.parent).title for slug in finding.siblings},
        "numbers": _numbers,
        "holds": _holds,
    }


def _sibling(slug: str, beside: Path) -> Finding:
    """A finding in the same folder; of a project's own finding it may be a built-in one."""
    return load(slug, beside if (beside / slug).is_dir() else None)


def _apart(finding: Finding, records: Sequence[CellRecord]) -> dict[str, Any]:
    """What a report says of the cells of runtimes that are numbered apart from LiteRT's; empty where there are none."""
    if not records:
        return {}
    return {
        "runtimes": facts.runtimes(records),
        "releases": [bare(version) for version in facts.runtimes(records)],
        "sentence": facts.cell_sentence(records, finding.minimal.name) + ".",
        "matrix": facts.matrix_lines(records, finding.minimal),
    }


def place_and_graph(finding: Finding) -> dict[str, Any]:
    """What any issue says of where its finding was measured, and of the minimal model."""
    environments = finding.evidence()["environments"]
    graph = finding.graph(finding.minimal)
    return {
        "runtimes": facts.runtimes(facts.by_backend(finding.evidence_records())[Numbering.LITERT]),
        "drivers": facts.drivers(environments),
        "phones": facts.phones(environments),
        "host": finding.sample().get("host", ""),
        "listing": listing_of(graph, finding.minimal.wrong),
        "drawing": _drawing(finding, graph),
    }


def listing_of(graph: Graph, wrong: Sequence[int] = ()) -> list[str]:
    """The graph in a few lines, as an issue shows it."""
    return [one_line(line) for line in facts.listing(graph, wrong)]


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
    return environment.get_template("repro.py.j2").render(
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
    return "\n".join(base64_lines(data))


def _little_endian(array: np.ndarray) -> bytes:
    return np.ascontiguousarray(array, array.dtype.newbyteorder("<")).tobytes()


# --- phones ------------------------------------------------------------------------------------------


def _kotlin(finding: Finding) -> str:
    graph = finding.graph(finding.minimal)
    # Kotlin's buffers come in the order of the signature, whose names are sorted; the files in the graph's.
    ins, outs = sorted(graph.inputs), sorted(graph.outputs)
    return environment.get_template("CompiledModelRepro.kt.j2").render(
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
    files["phone/README.md"] = environment.get_template("phone.md.j2").render(cases=names, finding=finding).encode()
    minimal = finding.graph(finding.minimal)
    dtypes = [str(minimal.tensors[name].dtype) for name in minimal.outputs]
    compare = environment.get_template("compare.py.j2").render(tolerance=tolerance(finding), dtypes=dtypes)
    files["phone/compare.py"] = compare.encode()
    return files
