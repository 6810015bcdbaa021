"""What a report may say, computed from a finding's evidence: every measured sentence has its source here. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from packaging.version import Version

from cases.finding_models import Purpose
from cases.graph import Graph
from repro import matrix_rows
from repro.finding import Finding, Model
from repro.finding_evidence import COMPUTES_FP16_IN_FP32, wrong_outputs


def listing(graph: Graph, wrong: Sequence[int]) -> list[str]:
    """The graph in a few lines: inputs, one line an op, which tensors are outputs, which of them are wrong."""
    lines = [f"{name}: input {_shape(graph, name)}" for name in graph.inputs]
    for op in graph.ops:
        operands = [_operand(graph, name) for name in op.inputs if name]
        made = ", ".join(op.outputs)
        marks = []
        for name in op.outputs:
            for index, output in enumerate(graph.outputs):
                if output == name:
                    marks.append(f"output {index}" + (", WRONG" if index in wrong else ""))
        shapes = ", ".join(_shape(graph, name) for name in op.outputs)
        activation = op.attrs.get("fused_activation_function", "NONE")
        fused = f" + {activation}" if activation != "NONE" else ""
        note = f"   <- {'; '.join(marks)}" if marks else ""
        lines.append(f"{made} = {op.kind}{fused}({', '.join(operands)})   {shapes}{note}")
    return lines


def _shape(graph: Graph, name: str) -> str:
    return "[" + ",".join(str(d) for d in graph.tensors[name].shape) + "]"


def _operand(graph: Graph, name: str) -> str:
    tensor = graph.tensors[name]
    if tensor.data is None:
        return name
    if tensor.data.size == 1:
        return f"{tensor.data.item():g}"
    if tensor.dtype.startswith("int") and tensor.data.size <= 8:
        return str(tensor.data.tolist()).replace(" ", "")
    return f"constant{_shape(graph, name)}"


def runtimes(records: Sequence[Mapping[str, Any]]) -> list[str]:
    return sorted({r["runtime"] for r in records}, key=matrix_rows.version_order)


def nightly(records: Sequence[Mapping[str, Any]]) -> str:
    return ", ".join(v for v in runtimes(records) if Version(v).is_devrelease)


def drivers(environments: Sequence[Mapping[str, Any]]) -> list[dict[str, str]]:
    """One line a target: driver and adapter as the delegate logged them."""
    found: dict[str, dict[str, str]] = {}
    for e in environments:
        if e["adapter"]:
            text = f"{e['driver']}, adapter '{e['adapter']}'"
            found.setdefault(e["target"], {"target": e["target"], "text": text})
    return list(found.values())


def phones(environments: Sequence[Mapping[str, Any]]) -> list[str]:
    """Phones by model, never by serial number."""
    return sorted({e["device"].get("model", "a phone") for e in environments if e["target"].startswith("adb")})


def public_target(target: str) -> str:
    """A target's name without what identifies a machine: `adb:SERIAL` is `adb`."""
    return "adb" if target.startswith("adb:") else target


def matrix_lines(records: Sequence[Mapping[str, Any]], model: Model) -> list[dict[str, Any]]:
    """One line a target and precision: a mark for each runtime, oldest first."""
    order = runtimes(records)
    lines: dict[tuple[str, str], dict[str, str]] = {}
    for r in records:
        if r["case"] == model.name:
            lines.setdefault((r["target"], r["precision"]), {})[r["runtime"]] = mark(r)
    return [
        {"target": public_target(t), "precision": p, "marks": [marks.get(v, "-") for v in order]}
        for (t, p), marks in lines.items()
    ]


def mark(record: Mapping[str, Any]) -> str:
    """`ok`, or what is wrong: `stale`, `unwritten`, `REFUSED`."""
    bad = [o["signature"] or o["verdict"] for o in record["outputs"] if o["verdict"] != "PASS"]
    return ", ".join(dict.fromkeys(bad)) or "ok"


def measured(records: Sequence[Mapping[str, Any]], model: Model) -> str:
    """`wrong in 20 of 20 cells (stale)`, `right in all 20 cells`."""
    mine = [r for r in records if r["case"] == model.name]
    bad = [r for r in mine if wrong_outputs(r)]
    if not bad:
        return f"right in all {len(mine)} cells"
    kinds = ", ".join(sorted({mark(r) for r in bad}))
    return f"wrong in {len(bad)} of {len(mine)} cells ({kinds})"


def tried(finding: Finding, records: Sequence[Mapping[str, Any]], *purposes: Purpose) -> list[dict[str, str]]:
    return [{"name": m.name, "what": m.what, "measured": measured(records, m)} for m in finding.of(*purposes)]


def ruled_out(finding: Finding, records: Sequence[Mapping[str, Any]]) -> list[str]:
    """Causes that the cells themselves exclude: precision, driver, runtime, converter."""
    shown = [r for r in records if r["case"] == finding.minimal.name and wrong_outputs(r)]
    said = []
    if {r["precision"] for r in shown} == {"fp32", "fp16"}:
        said.append("Not the precision: it shows in fp32 and in fp16.")
    on = sorted({public_target(r["target"]) for r in shown if r["target"].startswith("gpu:")})
    if len(on) > 1:
        said.append(f"Not the driver: {' and '.join(on)} are independent implementations and agree.")
    if shown:
        said.append(
            "Not the converter: the minimal file is written from the flatbuffer schema, and the CPU runs it right."
        )
    faces = finding.of(Purpose.FACE)
    said += [f"Seen from a model: {m.what}: {measured(records, m)}." for m in faces]
    return said


def fp16_note(records: Sequence[Mapping[str, Any]]) -> str:
    """SwiftShader was measured to compute fp16 in fp32, so its fp16 cells add nothing about precision."""
    if any(r["target"] in COMPUTES_FP16_IN_FP32 and r["precision"] == "fp16" for r in records):
        return "SwiftShader computes fp16 in fp32, so its fp16 row says nothing about precision."
    return ""


def cell_sentence(records: Sequence[Mapping[str, Any]], name: str) -> str:
    """The answer of the matrix about one model, in one line, over the GPU cells and all outputs."""
    return "; ".join(
        dict.fromkeys(
            (f"Output `{row['name']}` " if row["name"] else "The model ") + row["sentence"]
            for row in matrix_rows.rows([r for r in records if not r["target"].startswith("cpu")])
            if row["case"] == name
        )
    )
