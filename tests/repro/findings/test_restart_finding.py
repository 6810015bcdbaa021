"""Findings of two starts: the claim is held against what was measured, and the script of the issue shows it alone."""

from __future__ import annotations

import ast
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from cases.tflite.read import read_tflite
from repro.findings import restart_finding
from repro.findings.restart_finding import HEALTHY_STEPS, MANIFEST, MODEL, load_restart, restart_slugs
from repro.findings.restart_report import restart_files
from repro.records.folders import FINDINGS
from repro.restarts.others import with_other_weights
from runner.errors import BadInput
from runner.host.vulkan import adapters, driver_environment

SLUGS = ("cached-graph-not-checked", "cached-graph-of-another-model", "cached-programs-not-checked")


def test_the_findings_of_two_starts_are_these():
    assert tuple(restart_slugs()) == SLUGS


@pytest.mark.parametrize("slug", SLUGS)
def test_what_is_claimed_is_what_was_measured_beside_healthy_starts(slug: str):
    finding = load_restart(slug)
    shown = {a["target"]: a["readings"][finding.said.step] for a in finding.answers}
    assert {target for target, said in shown.items() if said.startswith(finding.said.state)} == {*finding.said.targets}
    assert all(a["readings"][step].startswith("SAME") for a in finding.answers for step in HEALTHY_STEPS)


def copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / SLUGS[1]
    shutil.copytree(FINDINGS / SLUGS[1], folder)
    monkeypatch.setattr(restart_finding, "finding_folders", lambda: (tmp_path,))
    return folder


def another_model(folder: Path) -> None:
    shutil.copy(FINDINGS / "rank-1-softmax" / "models" / "control.tflite", folder / MODEL)


def measured(change: Callable[[dict], None]) -> Callable[[Path], None]:
    def changed(folder: Path) -> None:
        path = folder / "evidence" / "lavapipe.json"
        document = json.loads(path.read_text(encoding="utf-8"))
        change(document["answers"][0])
        path.write_text(json.dumps(document), encoding="utf-8")

    return changed


def claimed(old: str, new: str) -> Callable[[Path], None]:
    def changed(folder: Path) -> None:
        path = folder / MANIFEST
        path.write_text(path.read_text(encoding="utf-8").replace(old, new), encoding="utf-8")

    return changed


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (another_model, "another model or another cache was measured"),
        (measured(lambda answer: answer.update(cache="programs")), "another model or another cache was measured"),
        (measured(lambda answer: answer["readings"].update(warm="WRONG: y")), "'warm' is not as it should be"),
        (measured(lambda answer: answer["readings"].update({"other-weights": "SAME"})), "ended otherwise than claimed"),
        (measured(lambda answer: answer.update(target="gpu:swiftshader")), "nothing was measured on gpu:lavapipe"),
        (claimed('step = "other-weights"', 'step = "other-weather"'), "step 'other-weather' is none of warm,"),
        (claimed('"gpu:lavapipe", ', ""), "ended otherwise than claimed"),
        (claimed("silent = ", "silenced = "), "silenced"),
        (lambda folder: (folder / "evidence" / "pocl.json").write_bytes(b"{"), "pocl.json is damaged"),
    ],
)
def test_a_claim_that_does_not_fit_its_evidence_is_refused(change, words: str, tmp_path, monkeypatch):
    change(copied(tmp_path, monkeypatch))
    with pytest.raises(BadInput, match=words):
        load_restart(SLUGS[1])


@pytest.mark.parametrize("slug", SLUGS)
def test_a_report_has_the_text_the_script_and_what_was_measured(slug: str):
    finding = load_restart(slug)
    files = restart_files(finding)
    issue, script = files["issue.md"].decode(), files["repro.py"].decode()
    ast.parse(script)
    assert finding.said.claim.split(",")[0] in issue
    for answer in finding.answers:
        assert f"| {answer['target']} " in issue
    assert f"({finding.said.step}) | {finding.said.state}" in issue.replace("`", "")
    assert ("other.tflite" in files) is (finding.step.writer.other is not None)
    assert not [line for line in script.splitlines() if line.startswith(("import repro", "from repro", "from cases"))]
    assert "/root" not in issue + script
    assert "/tmp" not in issue + script


def test_the_other_model_is_the_same_graph_with_other_weights():
    finding = load_restart("cached-graph-of-another-model")
    other = read_tflite(restart_files(finding)["other.tflite"])
    wanted = with_other_weights(finding.graph)
    assert wanted is not None
    assert [op.kind for op in other.ops] == [op.kind for op in wanted.ops]
    assert all((other.tensors[n].data == t.data).all() for n, t in wanted.tensors.items() if t.data is not None)


@pytest.mark.gpu
@pytest.mark.slow
@pytest.mark.parametrize("slug", SLUGS)
def test_the_script_alone_shows_it_and_what_was_left_as_written_is_ok(slug: str, tmp_path: Path):
    script = tmp_path / "repro.py"
    script.write_bytes(restart_files(load_restart(slug))["repro.py"])
    environment = driver_environment(
        dict(os.environ), Path(next(a for a in adapters() if a.key == "lavapipe").manifest), 1
    )
    for options, wanted in (((), (1, "BUG")), (("--control",), (0, "OK"))):
        ended = subprocess.run(
            [sys.executable, str(script), *options],
            capture_output=True,
            encoding="utf-8",
            env=environment,
            cwd=tmp_path,
            timeout=600,
            check=False,
        )
        assert (ended.returncode, ended.stdout.splitlines()[-1]) == wanted, ended.stdout + ended.stderr
