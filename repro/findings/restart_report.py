"""A finding of two starts as the folder that goes to an upstream issue.

Key insight: LiteRT's Python API has no option for a cache, so the script calls the C API of the same package, and does
what an app does: it starts three times.
"""

from __future__ import annotations

import numpy as np

from cases.evaluation.evaluate import FLOAT64, evaluate
from cases.inputs import StandardFeeds
from cases.tflite.write import write_tflite
from repro.findings.report import environment, listing_of
from repro.findings.restart_finding import RestartFinding
from repro.findings.snippet import base64_lines
from repro.restarts.setups import RUNS
from repro.restarts.steps import ITSELF
from runner.errors import BadInput

_NO_STEPS = {"without": "no cache", "cold": "an empty folder, which it writes to (cold)"}
_FILES = {"graph": "model_mldrift_program_cache.bin", "programs": "model_mldrift_compiled_cache.bin"}
_DAMAGES = {
    "flip-weight": ("with the sign of one weight flipped", "flip_weight"),
    "cut-1-of-2": ("cut in half", "cut"),
}
_AS_IT_IS = "def damaged(data):\n    return data"
_CODE = {
    "": _AS_IT_IS,
    "cut": "def damaged(data):\n    return data[: len(data) // 2]",
    "flip_weight": """WEIGHTS = {row}  # two of the model's, as they lie in the file


def damaged(data):
    at = data.find(WEIGHTS)
    if at < 0:
        sys.exit("CANNOT RUN: the weights are not in the file as they are in the model")
    return data[: at + 3] + bytes([data[at + 3] ^ 0x80]) + data[at + 4 :]""",
}


def restart_files(finding: RestartFinding) -> dict[str, bytes]:
    """Relative path -> bytes of the folder to attach. Raises BadInput for a model that the script cannot show."""
    files = {
        "issue.md": render_issue(finding).encode(),
        "repro.py": render_script(finding).encode(),
        "model.tflite": finding.model,
    }
    other = _other(finding)
    if other is not None:
        files["other.tflite"] = other
    files |= {f"evidence/{path.name}": path.read_bytes() for path in sorted((finding.folder / "evidence").iterdir())}
    return files


def render_issue(finding: RestartFinding) -> str:
    """issue.md."""
    setup = finding.setup
    found = _NO_STEPS | {name: f"{step.words} ({name})" for name, step in finding.steps.items()}
    readings = [answer["readings"] for answer in finding.answers]
    return environment.get_template("restart.md.j2").render(
        **_words(finding),
        listing=listing_of(finding.graph),
        file=_FILES[setup.name],
        options=list(setup.options),
        rows=[(words, [of_target.get(name, "") for of_target in readings]) for name, words in found.items()],
    )


def render_script(finding: RestartFinding) -> str:
    """repro.py: nothing needed but ai-edge-litert and numpy. Raises BadInput for more than one input and output."""
    graph = finding.graph
    ends = [graph.tensors[name] for name in (*graph.inputs, *graph.outputs)]
    if len(ends) != 2 or any(tensor.dtype != "float32" for tensor in ends):
        raise BadInput(f"finding '{finding.slug}': its model has not one float32 input and one float32 output")
    (feed,) = StandardFeeds(0).make([graph.tensors[name] for name in graph.inputs])[:1]
    other = _other(finding)
    return environment.get_template("restart.py.j2").render(
        **_words(finding),
        options=dict(finding.setup.options),
        runs=RUNS,
        shape_in=tuple(ends[0].shape),
        shape_out=tuple(ends[1].shape),
        model=_base64(finding.model),
        other=_base64(other) if other is not None else "",
        input=_base64(feed[0].astype("<f4").tobytes()),
        expected=_base64(np.asarray(evaluate(graph, feed, FLOAT64)[graph.outputs[0]], "<f4").tobytes()),
        damage_code=_damage_code(finding),
    )


def _words(finding: RestartFinding) -> dict[str, object]:
    step = finding.step
    other = f"another model ({step.words.removeprefix('of ')})"
    return {
        "finding": finding.said,
        "answers": finding.answers,
        "pinned": next(answer["runtime"] for answer in finding.answers if answer["target"] == finding.said.targets[0]),
        "writer_words": "this model" if step.writer is ITSELF else other,
        "damage_words": _DAMAGES[step.name][0] if step.damage else "",
    }


def _other(finding: RestartFinding) -> bytes | None:
    """The model that writes the cache, where that is another one."""
    made = finding.step.writer.other
    graph = made(finding.graph) if made is not None else None
    return write_tflite(graph) if graph is not None else None


def _damage_code(finding: RestartFinding) -> str:
    kind = _DAMAGES[finding.said.step][1] if finding.step.damage else ""
    if kind != "flip_weight":
        return _CODE[kind]
    weights = next(t.data for t in finding.graph.tensors.values() if t.data is not None and t.data.dtype == np.float32)
    return _CODE[kind].replace("{row}", repr(weights.ravel()[:2].tobytes()))


def _base64(data: bytes) -> str:
    return "\n".join(base64_lines(data))
