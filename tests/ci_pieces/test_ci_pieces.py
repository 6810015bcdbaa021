"""What others put into their CI: each piece is of its reader's schema, and its scripts do what it says."""

from __future__ import annotations

import importlib.resources
import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from repro.cli import COMMANDS
from repro.records.folders import FINDINGS
from runner.source_version import ROOT
from tests.ci_pieces.composite_action import Ran, simulate
from tests.container import steps
from tests.repro.display.schemas import require_junit, require_sarif

SCHEMA_OF = {
    "action.yml": ("github-actions", "runs"),
    "ci/github-workflow.yml": ("github-workflows", "jobs"),
    "ci/gitlab.yml": ("gitlab-ci", "variables"),
    "CITATION.cff": ("citation-file-format", "authors"),
}
"""Piece -> (name of its schema, a key of it that may not be a number)."""
MODELS = FINDINGS / "add-output-feeds-reduction" / "models"


def read(name: str) -> Any:
    return yaml.safe_load((ROOT / name).read_text(encoding="utf-8"))


@pytest.fixture(autouse=True)
def _with_our_command(monkeypatch: pytest.MonkeyPatch):
    """The scripts start `repro` from PATH, and it is this checkout that is tried, whatever is installed."""
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))


def test_what_else_names_a_version_names_the_one_of_this_release():
    version = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    named = {"CITATION.cff": r"^version: (\S+)", "CHANGELOG.md": r"^## ([\d.]+)"}
    named |= dict.fromkeys(("ci/github-workflow.yml", "docs/ci.md"), r"(?:delegate-repro@v|rev: v)(\S+)")
    for name, pattern in named.items():
        found = re.findall(pattern, (ROOT / name).read_text(encoding="utf-8"), re.MULTILINE)
        assert found, name
        assert set(found[:1] if name == "CHANGELOG.md" else found) == {version}, name


@pytest.mark.parametrize("name", SCHEMA_OF)
def test_a_piece_is_of_its_readers_schema(name: str):
    key, spoilt = SCHEMA_OF[name]
    schemas = importlib.resources.files("check_jsonschema") / "builtin_schemas" / "vendor"
    schema = json.loads((schemas / f"{key}.json").read_text(encoding="utf-8"))
    validator = jsonschema.validators.validator_for(schema)(schema)
    # YAML 1.1 reads the key `on` as true.
    piece = {"on" if key is True else key: value for key, value in read(name).items()}
    piece = json.loads(json.dumps(piece, default=str))
    validator.validate(piece)
    with pytest.raises(jsonschema.ValidationError):
        validator.validate({**piece, spoilt: 3})


def test_the_example_workflow_gives_the_action_what_it_takes():
    inputs = read("action.yml")["inputs"]
    jobs = read("ci/github-workflow.yml")["jobs"]
    ours = [step["with"] for job in jobs.values() for step in job["steps"] if "mali-delegate-repro" in step["uses"]]
    assert {one["command"] for one in ours} == {"check", "gate"}
    for one in ours:
        assert set(one) <= set(inputs)
        assert one["paths"].strip()
    names = [one.get("artifact", inputs["artifact"]["default"]) for one in ours]
    assert len(set(names)) == len(names), "two artifacts of one workflow may not have one name"


def test_the_reports_may_lie_in_any_folder_for_their_artifact_has_a_name_of_its_own():
    """GitHub refuses an artifact with a slash in its name."""
    (upload,) = [
        step["with"] for step in read("action.yml")["runs"]["steps"] if "upload-artifact" in step.get("uses", "")
    ]
    assert upload["path"] == "${{ inputs.reports }}"
    assert upload["name"] == "${{ inputs.artifact }}"
    assert "/" not in read("action.yml")["inputs"]["artifact"]["default"]


def run_step(where: Path, **given: str) -> Ran:
    (ran,) = simulate(read("action.yml"), ROOT, given, where, ["Run"])
    return ran


def test_a_job_that_checks_leaves_its_reports(tmp_path: Path):
    (tmp_path / "my models").mkdir()
    for name in ("minimal", "control"):
        (tmp_path / "my models" / f"{name}.tflite").write_bytes((MODELS / f"{name}.tflite").read_bytes())
    ran = run_step(tmp_path, command="check", paths="\n  my models \n\n", target="cpu", options="--seed\n7\n")
    assert ran.code == 0, ran.output
    assert "4 outputs of 2 models: right" in ran.output
    assert "seed 7" in ran.output
    require_junit(tmp_path / "repro-reports" / "check.xml")
    require_sarif(json.loads((tmp_path / "repro-reports" / "check.sarif").read_text(encoding="utf-8")))
    assert (tmp_path / "repro-reports" / "check.html").is_file()


def test_a_job_that_lints_fails_for_a_hazard(tmp_path: Path):
    ran = run_step(tmp_path, command="lint", paths=f"{MODELS}/minimal.tflite", reports="out")
    assert ran.code == 1, ran.output
    log = json.loads((tmp_path / "out" / "lint.sarif").read_text(encoding="utf-8"))
    assert [one["ruleId"] for one in log["runs"][0]["results"]] == ["add-reduce"]


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A fake `repro` that writes its words into this file, and exits with the last one if it is a number."""
    heard, program = tmp_path / "heard", tmp_path / "bin" / "repro"
    program.parent.mkdir()
    lines = ["#!/bin/bash", f"printf '%s\\0' \"$@\" >>'{heard}'", '[[ "${!#}" =~ ^[0-9]+$ ]] || exit 0', 'exit "${!#}"']
    program.write_text("\n".join(lines), encoding="utf-8")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")
    return heard


@pytest.mark.parametrize("hostile", ["$(touch owned)", "`touch owned`", "; touch owned", "-", "--help", "*", "a b"])
@pytest.mark.parametrize("command", ["check", "lint", "gate"])
def test_what_a_job_is_given_is_never_read_by_a_shell(tmp_path: Path, fake: Path, command: str, hostile: str):
    ran = run_step(
        tmp_path, command=command, paths=hostile, options=hostile, target=hostile, reports="r " + hostile[-1]
    )
    assert ran.code == 0, ran.output
    words = fake.read_text(encoding="utf-8").split("\0")[:-1]
    assert words[0] == command
    assert words[-2:] == ["--", hostile]
    assert words.count(hostile) == (2 if command == "lint" else 3)
    assert not (tmp_path / "owned").exists()


@pytest.mark.parametrize(("command", "paths"), [("check", " \n"), ("format", "m.tflite")])
def test_a_job_without_models_or_command_says_so(tmp_path: Path, command: str, paths: str):
    ran = run_step(tmp_path, command=command, paths=paths)
    assert ran.code == 2
    assert ran.output.startswith("repro: no ")


@pytest.mark.parametrize("codes", [(0, 0), (0, 3), (3, 2), (3, 1), (2, 1)])
def test_of_several_layouts_the_worst_decides(tmp_path: Path, fake: Path, codes: tuple[int, int]):
    """Each layout is named by the code that the fake gate exits with."""
    ran = run_step(tmp_path, command="gate", paths="\n".join(map(str, codes)), precision="both")
    assert ran.code == min((code for code in codes if code), default=0)
    heard = fake.read_text(encoding="utf-8")
    assert heard.count("gate\0--precision\0both\0") == 2
    assert "gate-1.xml" in heard
    assert "gate-2.xml" in heard


def test_the_hook_is_one_command_of_ours():
    (hook,) = read(".pre-commit-hooks.yaml")
    program, command, *options = hook["entry"].split()
    assert program == "repro"
    assert command in COMMANDS
    helped = subprocess.run(
        [sys.executable, "-m", "repro", command, "--help"], capture_output=True, encoding="utf-8", check=True
    )
    assert all(option in helped.stdout for option in options)
    assert re.search(hook["files"], "models/a b.tflite")
    assert not re.search(hook["files"], "models/a.tflite.md5")


def test_the_dockerfile_only_copies_and_runs_what_is_here():
    found = list(steps((ROOT / "Dockerfile").read_text(encoding="utf-8")))
    copied = [rest for instruction, rest in found if instruction == "COPY"]
    assert copied == [". /opt/mali-delegate-repro"]
    scripts = [rest.split()[-1].removeprefix("/opt/mali-delegate-repro/") for i, rest in found if i == "RUN"]
    assert scripts == ["ci/container.sh"]
    assert all((ROOT / script).is_file() for script in scripts)
    assert ("ENTRYPOINT", '["repro"]') in found


def test_gitlabs_job_runs_the_script_where_the_image_has_it():
    job = read("ci/gitlab.yml")[".repro"]
    (line,) = job["script"]
    place = dict(steps((ROOT / "Dockerfile").read_text(encoding="utf-8")))["COPY"].split()[1]
    assert line == f"bash {place}/ci/run.sh"
    known = set(re.findall(r"REPRO_[A-Z]+", (ROOT / "ci" / "run.sh").read_text(encoding="utf-8")))
    assert known <= set(job["variables"]) | {"REPRO_CACHE"}


@pytest.mark.parametrize("script", sorted(path.name for path in (ROOT / "ci").glob("*.sh")))
def test_a_script_is_one_that_bash_reads(script: str):
    done = subprocess.run(["bash", "-n", str(ROOT / "ci" / script)], capture_output=True, encoding="utf-8", check=False)
    assert (done.returncode, done.stderr) == (0, "")
