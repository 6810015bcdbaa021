"""What a report may say, computed from a finding's evidence: every measured sentence has its source here. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from cases.findings.model import Purpose
from cases.graph import Graph
from repro.findings.evidence import wrong_outputs
from repro.findings.finding import Finding, ModelFile
from repro.findings.where import EVERYWHERE
from repro.matrix.record import CellRecord, EnvironmentRecord, Row
from repro.matrix.rows import rows_of
from repro.records.lines import counted
from repro.verdicts.verdict import Status
from runner.encoding import code_span, markdown_prose, markdown_text
from runner.host.gpu import GpuName
from runner.opencl.drivers import computes_on_cpu
from runner.presented import naming_note
from runner.runtime_version import Numbering, bare, is_nightly, is_release, numbering, spoken, version_order

COMPUTES_FP16_IN_FP32 = ("gpu:swiftshader",)


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


def by_backend(records: Iterable[CellRecord]) -> dict[Numbering, list[CellRecord]]:
    """The records of LiteRT's runtimes, of LiteRT-LM's, which run over OpenCL, and of LiteRT.js's, in a browser."""
    found: dict[Numbering, list[CellRecord]] = {one: [] for one in Numbering}
    for record in records:
        found[numbering(record["runtime"])].append(record)
    return found


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
                text += f" ({markdown_text(spoken(e['runtime']))} only)"
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
    """`wrong in 20 of 20 cells (stale); over OpenCL refused in all 9 cells`, `right in all 20 cells`.

    What another finding's bug does to it elsewhere is counted apart.
    """
    apart = by_backend(r for r in records if r["case"] == model.name)
    litert = apart.pop(Numbering.LITERT)
    elsewhere = [r for r in litert if model.elsewhere and not model.where.covers(r)]
    litert = [r for r in litert if r not in elsewhere]
    said = [_measured(litert, model)] if litert else []
    said += [f"elsewhere {_measured(elsewhere, model)}, by another bug"] if elsewhere else []
    said += [f"{backend.where} {_measured(cells, model)}" for backend, cells in apart.items() if cells]
    return "; ".join(said)


def _measured(mine: Sequence[CellRecord], model: ModelFile) -> str:
    """`wrong in 20 of 20 cells (stale)`, `right in all 20 cells`, `wrong in 6 of 22 cells, all of LiteRT 2.1.3`."""
    bad = [r for r in mine if wrong_outputs(r)]
    if not bad:
        return f"right in all {counted(len(mine), 'cell')}"
    kinds = ", ".join(sorted({mark(r) for r in bad} - {Status.REFUSED}))
    ends = {str(o["verdict"]) for r in bad for o in r["outputs"] if o["output"] == -1}
    verb = {"CRASH": "ends the process", "REFUSED": "refused"}.get(", ".join(ends), "wrong")
    versions = {r["runtime"] for r in bad}
    whole = "" if model.where == EVERYWHERE else f", all of {_releases(bad)}"
    if len(bad) != sum(r["runtime"] in versions for r in mine):
        whole = ""
    return f"{verb} in {len(bad)} of {len(mine)} cells{f' ({kinds})' if kinds else ''}{whole}"


def _releases(records: Sequence[CellRecord]) -> str:
    """`LiteRT 2.1.3, 2.1.6`, `LiteRT-LM 0.14.0, 0.18.1`: the runtimes of records of one numbering."""
    first, *others = runtimes(records)
    return ", ".join([spoken(first), *(bare(version) for version in others)])


def tried(finding: Finding, records: Sequence[CellRecord], *purposes: Purpose) -> list[dict[str, str]]:
    return [{"name": m.name, "what": m.what, "measured": measured(records, m)} for m in finding.of(*purposes)]


def ruled_out(finding: Finding, records: Sequence[CellRecord]) -> list[str]:
    """Causes that the cells themselves exclude: precision, driver, runtime, converter."""
    everywhere, cells = records, by_backend(records)
    records = cells[Numbering.LITERT]
    shown = [r for r in records if r["case"] == finding.minimal.name and _shows(finding, r)]
    sentences = []
    if {r["precision"] for r in shown} == {"fp32", "fp16"}:
        sentences.append("Not the precision: it shows in fp32 and in fp16.")
    on = sorted({r["target"] for r in shown if r["target"].startswith("gpu:") and "@" not in r["target"]})
    if len(on) > 1:
        sentences.append(f"Not the driver: {_listed(on)} are independent implementations and agree.")
    over_opencl, in_browser = (
        [r for r in cells[backend] if r["case"] == finding.minimal.name]
        for backend in (Numbering.LITERT_LM, Numbering.LITERT_JS)
    )
    sentences += _backend(finding, shown, over_opencl) + _build(shown, in_browser)
    presented = [r for r in records if r["case"] == finding.minimal.name and "@" in r["target"]]
    if presented and shown:
        malis = all(r["target"].partition("@")[2].startswith("Mali") for r in presented)
        whose, paths = ("a Mali's", "Mali paths") if malis else ("another", "paths for it")
        whom = "a Mali" if malis else "such a GPU"
        under_names = _under_names(presented, shown)
        sentences.append(
            f"The delegate chooses kernels by the adapter's name; presented with {whose}{under_names}. "
            f"This is the host's driver on the delegate's {paths}, over WebGPU: no statement about {whom}."
        )
    if shown:
        sentences.append(
            "Not the converter: the minimal file is written from the flatbuffer schema, and the CPU runs it right."
        )
    faces = finding.of(Purpose.FACE)
    for face in faces:
        seen = markdown_text(measured(everywhere, face))
        sentences.append(f"Seen from a model: {markdown_prose(face.what)}: {seen}.")
    return sentences


def _shows(finding: Finding, record: CellRecord) -> bool:
    """Whether a cell of the minimal model shows this bug: it fails, and not by another finding's."""
    ours = not finding.minimal.elsewhere or finding.minimal.where.covers(record)
    return bool(wrong_outputs(record)) and ours


def _backend(finding: Finding, shown: Sequence[CellRecord], over_opencl: Sequence[CellRecord]) -> list[str]:
    """What the same model does over OpenCL, where it was measured there; shown: the cells over WebGPU that show it."""
    bad = [r for r in over_opencl if wrong_outputs(r)]
    if over_opencl and shown and not bad:
        if any(finding.minimal.where.covers(r) for r in over_opencl):
            return ["Over WebGPU only: over OpenCL (LITERT_CL) the same model is right."]
        return [
            "Over OpenCL (LITERT_CL) the model is right in every cell; none of them is in the range that is claimed."
        ]
    if bad and any(finding.minimal.races(r) for r in bad):
        right = {r["target"] for r in over_opencl} - {r["target"] for r in bad}
        return [
            "A race over OpenCL: nothing orders the two accesses there (LITERT_CL). The same model is wrong on "
            f"{_listed(sorted({r['target'] for r in bad}))}, right on {_listed(sorted(right))}."
        ]
    reasons = dict.fromkeys(o["reason"] for r in bad for o in r["outputs"] if o["verdict"] == Status.REFUSED)
    if reasons:
        said = "; ".join(code_span(reason, 400) for reason in reasons)
        return [f"Aloud over OpenCL: the same model is refused there (LITERT_CL): {said}."]
    if shown and bad:
        return ["Not the backend: over OpenCL (LITERT_CL) the same model fails too."]
    return []


def _build(shown: Sequence[CellRecord], in_browser: Sequence[CellRecord]) -> list[str]:
    """What the same model does in a browser, where it was measured there; shown: the other cells that show it."""
    if not shown or not in_browser:
        return []
    said = {str(o["verdict"]) for r in in_browser for o in r["outputs"]} - {Status.PASS}
    model = "in a browser (LiteRT.js, the delegate compiled for web pages) the same model"
    if said <= {Status.REFUSED, Status.NOT_RESIDENT} and said:
        return [f"Not seen in a browser: {model} is not taken whole."]
    return [f"Not this build: {model} fails too."] if said else [f"Not in every build: {model} is right."]


def opencl_limit(records: Sequence[CellRecord]) -> str:
    """What the cells over OpenCL do not prove; empty where there are none."""
    bare = sorted({r["target"].partition("@")[0] for r in by_backend(records)[Numbering.LITERT_LM]})
    if not bare:
        return ""
    what = "software, and not" if all(computes_on_cpu(GpuName.parse(t).key) for t in bare) else "none of them"
    return (
        "Anything about a phone's OpenCL driver: what is said of OpenCL was measured over LITERT_CL, the phone's own "
        f"delegate, on the host, on {_listed(bare)}: {what} a Mali's driver."
    )


def _names(records: Iterable[CellRecord]) -> str:
    return ", ".join(markdown_text(name) for name in sorted({shown_target(r["target"]) for r in records}))


def _under_names(presented: Sequence[CellRecord], shown: Sequence[CellRecord]) -> str:
    """What became of a bug under presented names; `shown`: all cells that show it, under any name."""
    there = [r for r in presented if r in shown]
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
    """The newest measured release of LiteRT to install to see the bug; empty where the newest measured one shows it."""
    releases = [v for v in runtimes(by_backend(records)[Numbering.LITERT]) if is_release(v)]
    showing = finding.showing(releases)
    return "" if not showing or showing[-1] == releases[-1] else showing[-1]


def _about(row: Row) -> str:
    if row["name"]:
        return f"Output {code_span(row['name'])} "
    if row["output"] is None:
        return "The model "
    return "A refusal " if {c["said"] for c in row["cells"]} <= {"REFUSED", "PASS"} else "The end of the process "


def cell_sentence(records: Sequence[CellRecord], name: str) -> str:
    """The answer of the matrix about one model, in one line, over the GPU cells of one numbering and all outputs."""
    return "; ".join(
        dict.fromkeys(
            _about(row) + markdown_text(row["sentence"])
            for row in rows_of([r for r in records if not r["target"].startswith("cpu")])
            if row["case"] == name
        )
    )


def _listed(names: Iterable[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    *most, last = map(markdown_text, names)
    return f"{', '.join(most)} and {last}" if most else last
