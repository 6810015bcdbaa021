"""What a report may say, computed from a finding's evidence: every measured sentence has its source here. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from cases.findings.model import Purpose
from cases.graph import Graph
from repro.findings.evidence import COMPUTES_FP16_IN_FP32, wrong_outputs
from repro.findings.finding import Finding, ModelFile
from repro.findings.where import EVERYWHERE
from repro.matrix.record import CellRecord, EnvironmentRecord, Row
from repro.matrix.rows import rows_of
from repro.records.lines import counted
from runner.encoding import code_span, markdown_prose, markdown_text
from runner.presented import naming_note
from runner.runtime_version import is_nightly, is_release, version_order


def listing(graph: Graph, wrong: Sequence[int]) -> list[str]:
    """The graph in a few lines: inputs, one line per op, which tensors are outputs, which of them are wrong."""
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


def runtimes(records: Sequence[CellRecord]) -> list[str]:
    return sorted({r["runtime"] for r in records}, key=version_order)


def nightly(records: Sequence[CellRecord]) -> str:
    return ", ".join(v for v in runtimes(records) if is_nightly(v))


def drivers(environments: Sequence[EnvironmentRecord]) -> list[dict[str, str]]:
    """One line per target: driver and adapter as the delegate logged them."""
    found: dict[str, dict[str, str]] = {}
    measured = Counter(e["target"] for e in environments)
    for e in environments:
        if e["adapter"]:
            text = f"{markdown_text(e['driver'])}, adapter '{markdown_text(e['adapter'])}'"
            if "@" in e["target"] and measured[e["target"]] == 1:
                text += f" (LiteRT {markdown_text(e['runtime'])} only)"
            found.setdefault(e["target"], {"target": markdown_text(e["target"]), "text": text})
    return list(found.values())


def phones(environments: Sequence[EnvironmentRecord]) -> list[str]:
    """Phones by model, never by serial number."""
    return sorted({e["device"].get("model", "a phone") for e in environments if e["target"].startswith("adb")})


def public_target(target: str) -> str:
    """A target's name without what identifies a machine: `adb:SERIAL` is `adb`."""
    return "adb" if target.startswith("adb:") else target


def matrix_lines(records: Sequence[CellRecord], model: ModelFile) -> list[dict[str, Any]]:
    """One line per target and precision: a mark for each runtime, oldest first; empty where it was not measured."""
    order = runtimes(records)
    lines: dict[tuple[str, str], dict[str, str]] = {}
    for r in records:
        if r["case"] == model.name:
            lines.setdefault((r["target"], r["precision"]), {})[r["runtime"]] = mark(r)
    return [
        {"target": shown_target(t), "precision": p, "marks": [marks.get(v, "") for v in order]}
        for (t, p), marks in sorted(lines.items(), key=lambda line: (line[0][0].startswith("cpu"), line[0][0]))
    ]


def shown_target(target: str) -> str:
    """A target as a reader must take it: `gpu:lavapipe named Mali-G610, not a Mali`."""
    base, at, name = public_target(target).partition("@")
    return f"{base} {naming_note(name)}" if at else base


def mark(record: CellRecord) -> str:
    """`ok`, or what is wrong: `stale`, `unwritten`, `REFUSED`."""
    bad = [o["signature"] or o["verdict"] for o in record["outputs"] if o["verdict"] != "PASS"]
    return ", ".join(dict.fromkeys(bad)) or "ok"


def measured(records: Sequence[CellRecord], model: ModelFile) -> str:
    """`wrong in 20 of 20 cells (stale)`, `right in all 20 cells`, `wrong in 6 of 22 cells, all of LiteRT 2.1.3`."""
    mine = [r for r in records if r["case"] == model.name]
    bad = [r for r in mine if wrong_outputs(r)]
    if not bad:
        return f"right in all {counted(len(mine), 'cell')}"
    kinds = ", ".join(sorted({mark(r) for r in bad}))
    verb = "ends the process" if model.outcome else "wrong"
    versions = {r["runtime"] for r in bad}
    whole = "" if model.where == EVERYWHERE else f", all of LiteRT {', '.join(runtimes(bad))}"
    if len(bad) != sum(r["runtime"] in versions for r in mine):
        whole = ""
    return f"{verb} in {len(bad)} of {len(mine)} cells ({kinds}){whole}"


def tried(finding: Finding, records: Sequence[CellRecord], *purposes: Purpose) -> list[dict[str, str]]:
    return [{"name": m.name, "what": m.what, "measured": measured(records, m)} for m in finding.of(*purposes)]


def ruled_out(finding: Finding, records: Sequence[CellRecord]) -> list[str]:
    """Causes that the cells themselves exclude: precision, driver, runtime, converter."""
    shown = [r for r in records if r["case"] == finding.minimal.name and wrong_outputs(r)]
    sentences = []
    if {r["precision"] for r in shown} == {"fp32", "fp16"}:
        sentences.append("Not the precision: it shows in fp32 and in fp16.")
    on = sorted({r["target"] for r in shown if r["target"].startswith("gpu:") and "@" not in r["target"]})
    if len(on) > 1:
        sentences.append(
            f"Not the driver: {' and '.join(map(markdown_text, on))} are independent implementations and agree."
        )
    presented = [r for r in records if r["case"] == finding.minimal.name and "@" in r["target"]]
    if presented and shown:
        under_names = _under_names(presented, shown)
        sentences.append(
            f"The delegate chooses kernels by the adapter's name; presented with a Mali's{under_names}. "
            f"This is the host's driver on the delegate's Mali paths, over WebGPU: no statement about a Mali."
        )
    if shown:
        sentences.append(
            "Not the converter: the minimal file is written from the flatbuffer schema, and the CPU runs it right."
        )
    faces = finding.of(Purpose.FACE)
    for face in faces:
        seen = markdown_text(measured(records, face))
        sentences.append(f"Seen from a model: {markdown_prose(face.what)}: {seen}.")
    return sentences


def _names(records: Iterable[CellRecord]) -> str:
    return ", ".join(markdown_text(name) for name in sorted({shown_target(r["target"]) for r in records}))


def _under_names(presented: Sequence[CellRecord], shown: Sequence[CellRecord]) -> str:
    """What became of a bug under presented names; `shown`: all cells that show it, under any name."""
    there = [r for r in presented if wrong_outputs(r)]
    if not there:
        return f" ({_names(presented)}), it does not show there"
    if len(there) < len(shown):
        cells = "" if len(there) == len(presented) else f" in {len(there)} of {len(presented)} cells"
        return f" ({_names(presented)}), it shows there too{cells}"
    sick = {r["target"] for r in there}
    healthy = [r for r in presented if r["target"] not in sick]
    passes = f"; it does not under {_names(healthy)}" if healthy else ""
    precisions = " and ".join(map(markdown_text, sorted({r["precision"] for r in there})))
    return f", it shows under {_names(there)}, in {precisions}, and nowhere else{passes}"


def fp16_note(records: Sequence[CellRecord]) -> str:
    """SwiftShader was measured to compute fp16 in fp32, so its fp16 cells add nothing about precision."""
    if any(r["target"] in COMPUTES_FP16_IN_FP32 and r["precision"] == "fp16" for r in records):
        return "SwiftShader computes fp16 in fp32, so its fp16 row says nothing about precision."
    return ""


def pinned(finding: Finding, records: Sequence[CellRecord]) -> str:
    """The newest measured release to install to see the bug; empty where the newest measured one shows it."""
    releases = [v for v in runtimes(records) if is_release(v)]
    showing = finding.showing(releases)
    return "" if not showing or showing[-1] == releases[-1] else showing[-1]


def _about(row: Row) -> str:
    if row["name"]:
        return f"Output {code_span(row['name'])} "
    return "The model " if row["output"] is None else "The end of the process "


def cell_sentence(records: Sequence[CellRecord], name: str) -> str:
    """The answer of the matrix about one model, in one line, over the GPU cells and all outputs."""
    return "; ".join(
        dict.fromkeys(
            _about(row) + markdown_text(row["sentence"])
            for row in rows_of([r for r in records if not r["target"].startswith("cpu")])
            if row["case"] == name
        )
    )
