"""`repro init`, and what the commands then keep in the project: findings, expectations, cases, reductions, hunts."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import pytest

from repro.campaigns import expectations
from repro.campaigns.expectations import Standing, compare
from repro.findings import reader
from repro.records import folders
from repro.records.own_folders import Folders
from repro.verdicts.verdict import Status, Verdict
from tests.console_script import Repro
from tests.repro.own_cases.projects import IN_PYTHON, LOST, RIGHT


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, repro: Repro) -> Path:
    """A project that `repro init` began, as the current folder; what is built in counts as an installed package's."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(folders, "SHIPPED", folders.FINDINGS.parent)
    code, out, err = repro("init")
    assert (code, err) == (0, "")
    assert "repro.toml" in out
    (tmp_path / "bad.tflite").write_bytes(LOST)
    (tmp_path / "good.tflite").write_bytes(RIGHT)
    return tmp_path


def test_a_document_and_the_folders_that_it_names_are_written_once(project: Path, repro: Repro):
    text = (project / "repro.toml").read_text(encoding="utf-8")
    assert tomllib.loads(text)["folders"] == vars(Folders())
    there = {str(path.relative_to(project)) for path in project.rglob("*") if path.is_dir()}
    assert there == {"repro-catalogue", Folders.cases, Folders.findings, Folders.expectations, Folders.layouts}
    code, _, err = repro("init")
    assert code == 2
    assert "repro.toml is there already; edit it, or name another folder" in err
    assert (project / "repro.toml").read_text(encoding="utf-8") == text


def test_a_new_finding_lies_in_the_project_and_is_listed_with_the_built_in_ones(project: Path, repro: Repro):
    before = set(reader.slugs())
    code, out, err = repro("finding", "new", "my-bug", "--model", "bad.tflite", "--control", "good.tflite")
    assert code == 0
    assert out.startswith(str(project / Folders.findings / "my-bug" / "finding.toml"))
    assert err.splitlines() == [f"own catalogue: {project / 'repro.toml'}"]
    assert set(reader.slugs()) == {*before, "my-bug"}
    assert "my-bug" not in reader.slugs(folders.FINDINGS)


def test_a_slug_of_a_built_in_finding_is_taken(project: Path, repro: Repro):
    slug = reader.slugs()[0]
    code, _, err = repro("finding", "new", slug, "--model", "bad.tflite", "--control", "good.tflite")
    assert code == 2
    assert f"there is a finding '{slug}' already" in err
    (project / Folders.findings / slug).mkdir()
    (project / Folders.findings / slug / "finding.toml").write_text("", encoding="utf-8")
    code, _, err = repro("finding", "list")
    assert code == 2
    assert f"the finding '{slug}' (" in err
    assert "is built in already; rename its folder" in err


def result(case: str, verdict: str, signature: str) -> str:
    record = {"case": case, "target": "gpu:lavapipe", "runtime": "2.3.0", "precision": "fp32", "output": 0}
    return json.dumps({**record, "verdict": verdict, "signature": signature})


def test_expectations_are_updated_in_the_project_and_win_over_the_built_in_ones(project: Path, repro: Repro):
    case = next(c for (c, o, _), e in expectations.load("gpu:lavapipe").entries.items() if e.signature == "alias(x)")
    changed = result(case, "FAIL", "constant") + "\n" + result("mine/a", "FAIL", "wrong") + "\n"
    (project / "results.jsonl").write_text(changed, encoding="utf-8")
    code, out, err = repro("expect", "update", "results.jsonl", "--reason", "this phone's own")
    assert (code, len(out.splitlines())) == (0, 2), err
    written = (project / Folders.expectations / "gpu-lavapipe.toml").read_text(encoding="utf-8")
    assert "mine/a" in written
    known = expectations.load("gpu:lavapipe")
    for name, signature in ((case, "constant"), ("mine/a", "wrong")):
        verdict = Verdict(0, "y", Status.FAIL, signature)
        seen = compare(verdict, name, "fp32", "gpu:lavapipe", "2.3.0", known)
        assert seen.standing is Standing.KNOWN


def test_own_cases_run_and_are_held_to_own_expectations(project: Path, repro: Repro):
    cases = project / Folders.cases
    (cases / "bad.tflite").write_bytes(LOST)
    (cases / "bad.toml").write_text('reason = "why"\n', encoding="utf-8")
    (cases / "in_python.py").write_text(IN_PYTHON, encoding="utf-8")
    words = ("run", "--mine", "--target", "cpu", "--precision", "fp32")
    code, out, err = repro(*words)
    assert code == 0
    assert "2 cases, 3 outputs: 3 passed" in out
    assert err.splitlines()[0] == f"own catalogue: {project / 'repro.toml'}"
    text = '[[expect]]\ncase = "mine/bad"\noutput = 1\nprecision = "any"\nstatus = "FAIL"\nsignature = "wrong"\n'
    (project / Folders.expectations / "cpu.toml").write_text(f'{text}reason = "it was"\n', encoding="utf-8")
    code, out, _ = repro(*words)
    assert code == 1
    assert "fixed in" in out


def test_own_cases_are_listed_and_those_in_python_only_where_they_are_asked_for(project: Path, repro: Repro):
    cases = project / Folders.cases
    (cases / "bad.tflite").write_bytes(LOST)
    (cases / "bad.toml").write_text('reason = "why"\n', encoding="utf-8")
    (cases / "in_python.py").write_text(IN_PYTHON, encoding="utf-8")
    code, out, err = repro("list", "--family", "mine", "--json")
    (record,) = map(json.loads, out.splitlines())
    assert (code, record["case"], record["source"], record["ops"]) == (
        0,
        "mine/bad",
        "file bad.tflite",
        ["ADD", "MEAN"],
    )
    assert "1 Python file of cases not run" in err
    assert not (cases / "it-ran").exists()
    _, out, _ = repro("list", "--mine", "--json")
    assert [json.loads(line)["case"] for line in out.splitlines()] == ["mine/bad", "mine/doubled"]
    code, _, err = repro("list", "--no-python")
    assert code == 2
    assert "--no-python is about own cases in Python, which run with --mine only" in err


def test_a_layout_that_is_begun_lies_among_the_projects_own(project: Path, repro: Repro):
    code, out, err = repro("gate", "--init", "bad.tflite")
    assert code == 0, err
    split = project / Folders.layouts / "split.toml"
    assert f"wrote {split}" in out
    assert tomllib.loads(split.read_text(encoding="utf-8"))["graph"][0]["file"].endswith("bad.tflite")
    assert err.splitlines()[0] == f"own catalogue: {project / 'repro.toml'}"


@pytest.mark.gpu
@pytest.mark.slow
def test_reductions_and_hunts_are_kept_in_the_project(project: Path, repro: Repro):
    (project / "models").mkdir()
    (project / "models" / "bad.tflite").write_bytes(LOST)
    code, out, err = repro("reduce", "models/bad.tflite")
    assert code == 0, err
    assert str(project / Folders.reductions / "models" / "bad") in out
    assert (project / Folders.reductions / "models" / "bad" / "tried.sqlite").is_file()
    assert not (project / "models" / "bad.reduced").exists()
    _, _, err = repro("fuzz", "--graphs", "1", "--seed", "1", "--target", "cpu")
    assert str(project / Folders.fuzz) in err
    assert [path.name.endswith("-fp32-1") for path in (project / Folders.fuzz).iterdir()] == [True]
