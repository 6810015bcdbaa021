"""`repro check`: known bugs of a case may be expected, runs may be kept, and JSON says what the screen says."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree

import pytest
from click.testing import CliRunner

from cases import catalogue
from cases.builder import GraphBuilder
from cases.findings.add_output_feeds_reduction import add_reduce
from cases.tflite.write import write_tflite
from repro import api
from repro.cli import main
from repro.commands.check import command
from repro.records.folders import FINDINGS
from repro.verdicts.fitness import FailedControl, Fitness
from repro.verdicts.judge import judge
from repro.verdicts.saved_run import load_judgeable
from runner import targets
from runner.encoding import shell_command
from runner.errors import DeviceFailed, ReproError
from runner.opencl.android_runtime import made_versions
from runner.opencl.drivers import opencl_driver
from runner.source_version import ROOT
from runner.target import Target
from tests.repro.display.schemas import require_junit, require_sarif
from tests.repro.trials.test_partial import shared

CASE = "public-reports/litert-8599-add-output-consumed"


def model(folder: Path, data: bytes) -> str:
    path = folder / "mine.tflite"
    path.write_bytes(data)
    return str(path)


def test_a_run_that_was_kept_is_judged_the_same_again(tmp_path: Path):
    path = model(tmp_path, write_tflite(add_reduce()))
    result = CliRunner().invoke(command, [path, "--target", "cpu", "--json", "--save", str(tmp_path / "saved")])
    assert result.exit_code == 0, result.output
    records = [json.loads(line) for line in result.stdout.splitlines()]
    assert [(r["output"], r["verdict"], r["expected"]) for r in records] == [(0, "PASS", None), (1, "PASS", None)]
    assert {r["reference"] for r in records} == {"float64 evaluation of the file's own ops"}
    assert "mine.tflite: 2 ops, inputs gaussian, seed 0" in result.stderr
    (folder,) = (tmp_path / "saved").iterdir()
    assert folder.name == "mine--fp32--cpu"
    assert [v.said for v in judge(*load_judgeable(folder))] == ["PASS", "PASS"]


@pytest.mark.parametrize("order", [["adb:GONE", "cpu"], ["cpu", "adb:GONE"]])
def test_a_phone_that_is_lost_is_said_and_the_other_targets_are_checked(
    order: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = targets.open_target

    def lost(name: str, **given: object) -> Target:
        if name == "adb:GONE":
            raise DeviceFailed("device GONE was lost")
        return opened(name, **given)  # type: ignore[arg-type]

    monkeypatch.setattr(targets, "resolve", lambda names, device: list(names))
    monkeypatch.setattr(targets, "open_target", lost)
    models = [model(tmp_path, write_tflite(add_reduce())), str(tmp_path / "other.tflite")]
    Path(models[1]).write_bytes(Path(models[0]).read_bytes())
    words = [word for name in order for word in ("--target", name)]
    done = CliRunner().invoke(command, [*models, *words, "--json", "--junit", str(tmp_path / "report.xml")])
    assert done.exit_code == 3, done.output
    assert [json.loads(line)["target"] for line in done.stdout.splitlines()] == ["cpu"] * 4
    assert done.stderr.count("adb:GONE is not checked: device GONE was lost") == 1
    assert "device GONE was lost" in (tmp_path / "report.xml").read_text(encoding="utf-8")
    alone = CliRunner().invoke(command, [models[0], "--target", "adb:GONE"])
    assert isinstance(alone.exception, DeviceFailed)


@pytest.mark.gpu
def test_a_known_bug_of_a_case_is_expected_where_it_is_asked_for(tmp_path: Path):
    (case,) = catalogue.select([CASE])
    assert case.graph is not None
    path = model(tmp_path, write_tflite(case.graph()))
    words = [path, "--target", "gpu", "--precision", "fp32", "--json"]
    bare = CliRunner().invoke(command, words)
    page = tmp_path / "page.html"
    known = CliRunner().invoke(command, [*words, "--expect", CASE, "--taps", "--html", str(page)])
    assert (bare.exit_code, known.exit_code) == (1, 0), known.output
    wrong = [r for r in map(json.loads, known.stdout.splitlines()) if r["verdict"] == "FAIL"]
    assert wrong
    assert all(r["expected"] == f"FAIL {r['signature']}" for r in wrong)
    shown = page.read_text(encoding="utf-8")
    assert "Every output is right" not in shown
    assert "as expected" in shown
    assert f"repro check {path} --target gpu:lavapipe --precision fp32" in shown
    assert "taps: it still fails" in shown or "taps: no tensor lies" in shown or "taps: VOID" in shown


def test_kernels_are_dumped_over_opencl_alone_and_into_a_new_folder(tmp_path: Path):
    words = [model(tmp_path, write_tflite(add_reduce())), "--dump-kernels", str(tmp_path / "kernels")]
    (tmp_path / "kernels" / "gpu:pocl").mkdir(parents=True)
    cpu = CliRunner().invoke(command, [*words, "--target", "cpu"], standalone_mode=False)
    again = CliRunner().invoke(command, [*words, "--target", "gpu:pocl"], standalone_mode=False)
    checker = CliRunner().invoke(command, [*words, "--target", "gpu:oclgrind"], standalone_mode=False)
    assert "cpu does not run over OpenCL" in str(cpu.exception)
    assert "give --target gpu:pocl" in str(checker.exception)
    assert "is there already" in str(again.exception)


@pytest.mark.slow
def test_the_source_of_each_kernel_is_dumped(tmp_path: Path):
    if opencl_driver("pocl") is None or not made_versions():
        pytest.skip("PoCL or LiteRT-LM's library is not here; `make opencl` brings them")
    words = [model(tmp_path, write_tflite(add_reduce())), "--target", "gpu:pocl", "--dump-kernels", str(tmp_path)]
    result = CliRunner().invoke(command, words)
    assert result.exit_code == 1, result.output
    sources = [file.read_text(encoding="utf-8") for file in (tmp_path / "gpu:pocl").glob("*.cl")]
    assert sources
    assert len(list((tmp_path / "gpu:pocl").iterdir())) == 2 * len(sources), "the build options lie beside each"
    assert all("__kernel" in source for source in sources)
    assert f"the source of {len(sources)} programs is in" in result.output


@pytest.mark.gpu
def test_the_last_line_counts_and_says_what_to_do_next():
    folder = FINDINGS / "add-output-feeds-reduction" / "models"
    wrong = CliRunner().invoke(command, [str(folder / "minimal.tflite"), "--precision", "fp32"])
    assert wrong.stdout.splitlines()[-1].startswith("1 of 2 outputs not as it should be; next: repro fix ")
    right = CliRunner().invoke(command, [str(folder / "control.tflite"), "--precision", "fp32"])
    assert right.stdout.splitlines()[-1] == "2 outputs: right"


def test_of_an_output_without_power_the_next_thing_is_other_inputs(tmp_path: Path):
    g = GraphBuilder()
    path = model(tmp_path, write_tflite(g.build([g.mul(g.input("x", (1, 4)), g.const(0.0), "y")])))
    result = CliRunner().invoke(command, [path, "--target", "cpu"])
    assert result.stdout.splitlines()[-1] == (
        "1 of 1 output not as it should be; next: give inputs that mean something: --inputs X.npz, or --input NAME=KIND"
    )


@pytest.mark.slow
@pytest.mark.gpu
def test_of_a_value_beyond_float16_the_next_thing_is_where_and_then_what_mends_it():
    path = ROOT / "tests" / "reports" / "models" / "samples_168_layernorm_large.tflite"
    checked = CliRunner().invoke(command, [str(path), "--precision", "fp16"])
    assert checked.stdout.splitlines()[-1].endswith(f"next: repro range {shell_command([str(path)])}")
    ranged = CliRunner().invoke(main, ["range", str(path)])
    assert ranged.stdout.splitlines()[-1].startswith(f"next: repro fix {shell_command([str(path)])} -o fixed.tflite; ")


@pytest.mark.slow
@pytest.mark.gpu
def test_with_the_cpu_beside_the_gpu_no_command_is_named_that_could_not_run():
    path = FINDINGS / "add-output-feeds-reduction" / "models" / "minimal.tflite"
    result = CliRunner().invoke(command, [str(path), "--precision", "fp32", "--partial", "--json"])
    assert result.exit_code == 1
    assert "1 of 2 outputs not as it should be; next: the reason above says what to change" in result.output
    assert "repro reduce" not in result.output


@pytest.mark.parametrize("unfit", [True, False])
def test_what_a_target_that_fails_its_controls_says_is_shown_and_exits_3(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, unfit: bool
):
    failed = (FailedControl("findings/x-control", "FAIL stale"),) if unfit else ()
    monkeypatch.setattr(api, "fitness", lambda target, precision: Fitness(target.name, "1", precision, 38, failed))
    path = model(tmp_path, write_tflite(add_reduce()))
    words = [path, "--target", "gpu:lavapipe", "--precision", "fp32"]
    result = CliRunner().invoke(command, [*words, "--json"])
    assert result.exit_code == (3 if unfit else 1), result.output
    assert ("gpu:lavapipe is UNFIT in fp32: 1 of 38 controls fails" in result.stderr) is unfit
    records = [json.loads(line) for line in result.stdout.splitlines()]
    assert [r["verdict"] for r in records] == ["FAIL", "PASS"]
    said = {"controls": 38, "failed": {"findings/x-control": "FAIL stale"}} if unfit else None
    assert [r["unfit"] for r in records] == [said, said]


@pytest.mark.gpu
def test_a_target_is_not_asked_for_its_controls_where_everything_is_right(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(api, "fitness", lambda target, precision: pytest.fail("asked"))
    path = model(tmp_path, write_tflite(add_reduce(first="SUB")))
    assert CliRunner().invoke(command, [path, "--target", "gpu:lavapipe", "--precision", "fp32"]).exit_code == 0


def several(folder: Path) -> Path:
    """A folder of two models with one op of difference, deep and shallow, and a file that is none."""
    folder.joinpath("deep").mkdir(parents=True)
    folder.joinpath("deep", "a.tflite").write_bytes(write_tflite(add_reduce(first="SUB")))
    folder.joinpath("b.tflite").write_bytes(write_tflite(add_reduce()))
    folder.joinpath("note.txt").write_text("no model", encoding="utf-8")
    return folder


def test_a_folder_stands_for_its_models_and_reports_are_of_their_schemas(tmp_path: Path, monkeypatch):
    several(tmp_path / "models")
    monkeypatch.chdir(tmp_path)
    reports = ["--junit", "out/c.xml", "--sarif", "out/c.sarif", "--html", "out/c.html"]
    result = CliRunner().invoke(command, ["models", "models/b.tflite", "--target", "cpu", "--json", *reports])
    assert result.exit_code == 0, result.output
    records = [json.loads(line) for line in result.stdout.splitlines()]
    assert [r["model"] for r in records] == ["models/b.tflite"] * 2 + ["models/deep/a.tflite"] * 2
    assert "models/deep/a.tflite: 2 ops" in result.stderr
    assert result.stderr.splitlines()[-1] == "4 outputs of 2 models: right"
    require_junit(Path("out/c.xml"))
    cases = ElementTree.parse("out/c.xml").getroot().iter("testcase")
    assert [c.get("name") for c in cases][::2] == ["models/b.tflite output 0 y", "models/deep/a.tflite output 0 y"]
    log = json.loads(Path("out/c.sarif").read_text(encoding="utf-8"))
    require_sarif(log)
    assert log["runs"][0]["results"] == []
    assert [one["location"]["uri"] for one in log["runs"][0]["artifacts"]] == [
        "models/b.tflite",
        "models/deep/a.tflite",
    ]
    assert "2 models judged" in Path("out/c.html").read_text(encoding="utf-8")


def test_one_of_several_that_cannot_be_checked_keeps_no_other_from_it(tmp_path: Path, monkeypatch):
    several(tmp_path).joinpath("c.tflite").write_bytes(b"not a model")
    monkeypatch.chdir(tmp_path)
    reports = ["--junit", "c.xml", "--sarif", "c.sarif", "--html", "c.html"]
    result = CliRunner().invoke(command, [".", "--target", "cpu", *reports])
    assert result.exit_code == 2
    assert result.stdout.splitlines()[-1] == "4 outputs of 2 models: right; 1 file could not be checked"
    require_junit(Path("c.xml"))
    (error,) = ElementTree.parse("c.xml").getroot().iter("error")
    assert "c.tflite: not a .tflite file" in str(error.get("message"))
    log = json.loads(Path("c.sarif").read_text(encoding="utf-8"))
    require_sarif(log)
    (found,) = log["runs"][0]["results"]
    assert found["ruleId"] == "unreadable"
    assert found["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == "c.tflite"
    assert "c.tflite: not a .tflite file" in Path("c.html").read_text(encoding="utf-8")


@pytest.mark.gpu
def test_what_is_wrong_among_several_is_in_every_report(tmp_path: Path, monkeypatch):
    several(tmp_path)
    monkeypatch.chdir(tmp_path)
    reports = ["--junit", "c.xml", "--sarif", "c.sarif", "--html", "c.html"]
    result = CliRunner().invoke(command, [".", "--precision", "fp32", *reports])
    assert result.exit_code == 1, result.output
    assert result.stdout.splitlines()[-1].startswith("1 of 4 outputs of 2 models not as it should be; next: repro fix")
    log = json.loads(Path("c.sarif").read_text(encoding="utf-8"))
    require_sarif(log)
    results = log["runs"][0]["results"]
    assert [one["ruleId"] for one in results] == ["wrong-output"]
    rules = log["runs"][0]["tool"]["driver"]["rules"]
    assert {rules[one["ruleIndex"]]["id"] for one in results} == {"wrong-output"}
    assert "output 'y' is FAIL" in results[0]["message"]["text"]
    failures = list(ElementTree.parse("c.xml").getroot().iter("failure"))
    assert len(failures) == 1
    page = Path("c.html").read_text(encoding="utf-8")
    assert "repro check b.tflite" in page
    assert "next: repro fix b.tflite -o fixed.tflite" in page


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "no model was given"),
        (["empty"], "no .tflite below this folder"),
        (["models", "--save", "kept"], "--save is about one model, and 2 are named"),
        (["models", "--expect", CASE], "--expect is about one model"),
        (["models", "--sarif", "models/b.tflite"], "which is read"),
        (["models", "--sarif", "one", "--junit", "one"], "both write 'one'"),
        (["models", "--sarif", "-", "--json"], "both write to stdout"),
    ],
)
def test_what_names_no_models_or_means_one_is_refused(tmp_path: Path, monkeypatch, words: list[str], said: str):
    several(tmp_path / "models")
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(command, [*words, "--target", "cpu"], standalone_mode=False)
    assert isinstance(result.exception, ReproError)
    assert said in str(result.exception)


def test_a_log_may_go_to_stdout_and_the_rest_goes_to_stderr(tmp_path: Path):
    path = model(tmp_path, write_tflite(add_reduce()))
    result = CliRunner().invoke(command, [path, "--target", "cpu", "--sarif", "-"])
    require_sarif(json.loads(result.stdout))
    assert "2 outputs: right" in result.stderr


@pytest.mark.gpu
def test_what_crosses_between_gpu_and_cpu_is_in_every_report(tmp_path: Path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("mine.tflite").write_bytes(write_tflite(shared(wrong=True)))
    words = ["mine.tflite", "--partial", "--precision", "fp32", "--json"]
    result = CliRunner().invoke(command, [*words, "--junit", "c.xml", "--sarif", "c.sarif", "--html", "c.html"])
    assert result.exit_code == 1, result.output
    records = [json.loads(line) for line in result.stdout.splitlines()]
    crossing = [r["tensor"] for r in records if r["output"] is None]
    assert crossing
    require_junit(Path("c.xml"))
    names = [str(case.get("name")) for case in ElementTree.parse("c.xml").getroot().iter("testcase")]
    assert [name for name in names if " -> " in name] == [f"mine.tflite GPU -> cpu {tensor}" for tensor in crossing]
    log = json.loads(Path("c.sarif").read_text(encoding="utf-8"))
    require_sarif(log)
    assert "output 'y' is FAIL" in log["runs"][0]["results"][0]["message"]["text"]
    shown = Path("c.html").read_text(encoding="utf-8")
    assert "not resident" in shown
    assert "--partial" in shown
