"""The beginning of a finding: a folder with models, and a finding.toml whose claims are still to be written."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from pathlib import Path

from cases.tflite.read import read_tflite
from repro.findings.finding import MANIFEST
from runner.cache import write_atomically
from runner.errors import BadInput

_SLUG = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")

MANIFEST_TEXT = """\
title = "TODO: what goes wrong, in one line"
status = "confirmed"  # confirmed; reported, not confirmed here; fixed
scope = "host"  # host, or device: shows on phones only
claim = "TODO: one sentence: which output holds what instead of what"
silent = "TODO: why nobody notices: residency, log, NaN"  # where the process ends, `instead` of this: what happens
# runtimes = "<2.2"  # where not every runtime, target or precision shows it; targets = [...], precisions = [...]
rule = "TODO: exactly when it happens"
seed = {seed}
not_claimed = ["TODO: what was not measured"]
siblings = []

[cause]
summary = "TODO: unknown, or what the source says"
known = "TODO: read, measured, guessed"

[[model]]
name = "minimal"
purpose = "minimal"
what = "TODO: the ops in words"
wrong = {wrong}

[[model]]
name = "control"
purpose = "control"
what = "TODO: how it differs from the minimal model"
wrong = []
"""


def new_finding(
    slug: str, model: bytes, control: bytes, wrong: Sequence[int], seed: int, folder: Path, taken: Collection[str] = ()
) -> Path:
    """Write <folder>/<slug>/ with both models and a finding.toml to fill in; returns that file's path.

    taken: slugs of findings elsewhere. Raises BadInput for a bad or taken slug, a file that is no model, or an output
    index it does not have.
    """
    if not _SLUG.fullmatch(slug):
        raise BadInput(f"'{slug}' is no slug; use lower-case words joined by dashes")
    home = folder / slug
    if home.exists() or slug in taken:
        raise BadInput(f"there is a finding '{slug}' already; edit its {MANIFEST}, or choose another slug")
    graph = read_tflite(model, "the minimal model")
    read_tflite(control, "the control")
    for index in wrong:
        if not 0 <= index < len(graph.outputs):
            raise BadInput(f"the minimal model has outputs 0 to {len(graph.outputs) - 1}, there is no {index}")
    if model == control:
        raise BadInput("model and control are the same file; the control is a twin that passes")
    write_atomically(home / "models" / "minimal.tflite", model)
    write_atomically(home / "models" / "control.tflite", control)
    text = MANIFEST_TEXT.format(seed=seed, wrong=list(wrong))
    write_atomically(home / MANIFEST, text.encode())
    return home / MANIFEST
