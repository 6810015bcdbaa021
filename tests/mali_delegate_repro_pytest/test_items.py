"""Models and layouts of a project are tests: which files, how many, and what an answer of the tool makes of them."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import pytest

import mali_delegate_repro_pytest as plugin
from mali_delegate_repro_pytest.tool import Answer, Tool

WITHOUT = ("-p", "no:randomly", "-p", "no:cacheprovider", "-p", plugin.__name__)
FILES = ("models/a.tflite", "models/b.tflite", "layouts/split.toml", "layouts/notes.txt")
SETTINGS = """\
[pytest]
testpaths = tests
addopts = --strict-markers
repro_models = models/*.tflite
repro_layouts = layouts/*.toml
"""


class Asked:
    """Stands in for the tool: keeps what it is asked, and answers what it was told to."""

    def __init__(self) -> None:
        self.questions: list[dict[str, Any]] = []
        self.gated: list[tuple[str, list[str]]] = []
        self.answer = Answer("passed", ("output 0 PASS",))
        self.code = 0


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Asked:
    asked = Asked()

    def ask(tool: Tool, **question: Any) -> Answer:
        asked.questions.append(question)
        return asked.answer

    def gate(tool: Tool, layout: Path, options: list[str]) -> tuple[int, str]:
        asked.gated.append((layout.name, options))
        return asked.code, "chain REFUSED"

    monkeypatch.setattr(Tool, "ask", ask)
    monkeypatch.setattr(Tool, "gate", gate)
    return asked


@pytest.fixture
def project(pytester: pytest.Pytester) -> pytest.Pytester:
    """A project whose models lie in a package that must not be imported, outside of testpaths."""
    pytester.makeini(SETTINGS)
    for name in FILES:
        place = pytester.path / name
        place.parent.mkdir(exist_ok=True)
        place.touch()
        (place.parent / "__init__.py").write_text("raise RuntimeError('imported')", encoding="utf-8")
    (pytester.path / "tests").mkdir()
    (pytester.path / "tests" / "test_mine.py").write_text("def test_of_mine(): pass\n", encoding="utf-8")
    return pytester


def ids(run: pytest.RunResult) -> set[str]:
    return {line for line in run.outlines if "::" in line}


MINE = "tests/test_mine.py::test_of_mine"
A, B, GATE = "models/a.tflite::gpu-fp32", "models/b.tflite::gpu-fp32", "layouts/split.toml::gate"


@pytest.mark.parametrize(
    ("words", "collected"),
    [
        ((), {MINE, A, B, GATE}),
        (("tests",), {MINE}),
        (("models/a.tflite",), {A}),
        (("models",), {A, B}),
        (("-m", "repro"), {A, B, GATE}),
        (("-m", "not repro"), {MINE}),
        (("-k", "b.tflite"), {B}),
    ],
)
def test_files_that_the_settings_name_are_tests_wherever_they_lie(words, collected, project: pytest.Pytester):
    assert ids(project.runpytest_inprocess(*WITHOUT, "--collect-only", "-q", *words)) == collected


def test_a_model_is_a_test_for_each_target_and_precision(project: pytest.Pytester):
    words = ("models/a.tflite", "--repro-target", "cpu", "--repro-target", "gpu", "--repro-precision", "both")
    assert ids(project.runpytest_inprocess(*WITHOUT, "--collect-only", "-q", *words)) == {
        f"models/a.tflite::{target}-{precision}" for target in ("cpu", "gpu") for precision in ("fp32", "fp16")
    }


def test_options_win_over_settings(project: pytest.Pytester):
    project.makeini(f"{SETTINGS}repro_targets = gpu:lavapipe\nrepro_precision = fp16\n")
    for words, cell in (
        ((), "gpu:lavapipe-fp16"),
        (("--repro-target", "cpu", "--repro-precision", "fp32"), "cpu-fp32"),
    ):
        run = project.runpytest_inprocess(*WITHOUT, "--collect-only", "-q", "models/a.tflite", *words)
        assert ids(run) == {f"models/a.tflite::{cell}"}


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (Answer("passed", ("output 0 PASS",)), "passed"),
        (Answer("known", ("output 0 FAIL alias(x)",), ("upstream's 8599",)), "xfailed"),
        (Answer("failed", ("output 0 FAIL alias(x)",), ("new failure",)), "failed"),
        (Answer("error", ("there is no such target",)), "failed"),
    ],
    ids=lambda value: getattr(value, "outcome", ""),
)
def test_an_answer_is_an_outcome_and_its_lines_are_shown(answer, outcome, project: pytest.Pytester, asked: Asked):
    asked.answer = answer
    run = project.runpytest_inprocess(*WITHOUT, "-rA", "models")
    run.assert_outcomes(**{outcome: 2})
    assert [Path(question["model"]).name for question in asked.questions] == ["a.tflite", "b.tflite"]
    if outcome == "failed":
        assert all(line in run.outlines for line in (*answer.reasons, *answer.lines))
        assert "tool.py" not in run.stdout.str()
    if outcome == "xfailed":
        run.stdout.fnmatch_lines(["XFAIL models/a.tflite::gpu-fp32 - upstream's 8599"])


def test_models_of_one_name_are_expected_to_be_wrong_one_by_one(project: pytest.Pytester, asked: Asked):
    (project.path / "other").mkdir()
    (project.path / "other" / "a.tflite").touch()
    project.makeini(f"{SETTINGS}  other/*.tflite\n".replace("repro_layouts = layouts/*.toml\n", ""))
    project.runpytest_inprocess(*WITHOUT, "-m", "repro").assert_outcomes(passed=3, deselected=1)
    assert {question["case"] for question in asked.questions} == {"models/a.tflite", "b.tflite", "other/a.tflite"}


@pytest.mark.parametrize(("code", "outcome"), [(0, "passed"), (1, "failed"), (2, "failed"), (3, "failed")])
def test_a_layout_passes_with_the_gate_alone(code, outcome, project: pytest.Pytester, asked: Asked):
    asked.code = code
    run = project.runpytest_inprocess(*WITHOUT, "layouts")
    run.assert_outcomes(**{outcome: 1})
    assert asked.gated == [("split.toml", [])]
    if code:
        assert "chain REFUSED" in run.stdout.str()


def test_a_layout_runs_where_it_says_itself_unless_the_run_says_where(project: pytest.Pytester, asked: Asked):
    words = ("layouts", "--repro-target", "cpu", "--repro-target", "gpu", "--repro-precision", "both")
    project.runpytest_inprocess(*WITHOUT, *words).assert_outcomes(passed=1)
    assert asked.gated == [("split.toml", ["--target", "cpu", "--target", "gpu", "--precision", "both"])]


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ("repro_models = bild/*.tflite", "repro_models: 'bild/*.tflite' matches no file"),
        ("repro_layouts = x.toml", "repro_layouts: 'x.toml' matches no file"),
        ("repro_models = models", "but a folder; name its files: 'models/*.tflite'"),
        ("repro_layouts = lay*s/", "but a folder; name its files: 'lay*s/*.toml'"),
        ("repro_models = x.tflite y.tflite", "; one pattern a line"),
        ("repro_precision = fp8", "repro_precision: 'fp8' is none of fp32, fp16, both"),
    ],
)
def test_a_setting_that_leads_to_no_test_is_an_error_and_never_green(more, said, project: pytest.Pytester):
    project.makeini(f"[pytest]\ntestpaths = tests\n{more}\n")
    run = project.runpytest_inprocess(*WITHOUT)
    assert run.ret == pytest.ExitCode.USAGE_ERROR
    assert said in run.stderr.str()
    assert project.runpytest_inprocess(*WITHOUT, "--help").ret == 0


@pytest.mark.parametrize(
    "pattern", ["{}/models/*.tflite", "./models/*.tflite", "**/*.tflite", "tests/../models/?.tflite"]
)
def test_a_pattern_may_be_absolute_or_go_round_about(pattern, project: pytest.Pytester):
    project.makeini(f"[pytest]\ntestpaths = tests\nrepro_models = {pattern.format(project.path)}\n")
    assert ids(project.runpytest_inprocess(*WITHOUT, "--collect-only", "-q")) == {MINE, A, B}


def test_what_failed_last_is_run_again_without_the_rest(project: pytest.Pytester, asked: Asked):
    words = ("-p", "no:randomly", "-p", plugin.__name__)
    asked.answer = Answer("failed", ("output 0 FAIL",), ())
    project.runpytest_inprocess(*words).assert_outcomes(failed=2, passed=2)
    project.runpytest_inprocess(*words, "--lf").assert_outcomes(failed=2)
    (project.path / "tests" / "test_mine.py").write_text("def test_of_mine(): assert 0\n", encoding="utf-8")
    asked.answer = Answer("passed", ())
    project.runpytest_inprocess(*words).assert_outcomes(passed=3, failed=1)
    project.runpytest_inprocess(*words, "--lf").assert_outcomes(failed=1)


@pytest.mark.parametrize(
    ("words", "left"),
    [
        (("--ignore", "models"), {"MINE", "GATE"}),
        (("--ignore", "models/a.tflite"), {"MINE", "GATE", "B"}),
        (("--ignore-glob", "*.tflite"), {"MINE", "GATE"}),
    ],
)
def test_what_the_command_line_ignores_is_no_test(words, left, project: pytest.Pytester):
    named = {"MINE": MINE, "A": A, "B": B, "GATE": GATE}
    assert ids(project.runpytest_inprocess(*WITHOUT, "--collect-only", "-q", *words)) == {named[one] for one in left}


def test_a_model_in_a_folder_that_pytest_does_not_enter_is_an_error(project: pytest.Pytester):
    (project.path / "build").mkdir()
    (project.path / "build" / "c.tflite").touch()
    project.makeini("[pytest]\nrepro_models = build/*.tflite\n")
    (project.path / "conftest.py").write_text("collect_ignore = ['models', 'layouts']", encoding="utf-8")
    run = project.runpytest_inprocess(*WITHOUT)
    said = "build/c.tflite was not collected: pytest does not enter its folder; name it in testpaths"
    assert said in run.stderr.str()
    project.makeini("[pytest]\nrepro_models = build/*.tflite\ntestpaths = tests build\n")
    assert "build/c.tflite::gpu-fp32" in ids(project.runpytest_inprocess(*WITHOUT, "--collect-only", "-q"))


def test_without_settings_the_plugin_adds_nothing(project: pytest.Pytester):
    project.makeini("[pytest]\ntestpaths = tests\n")
    assert ids(project.runpytest_inprocess(*WITHOUT, "--collect-only", "-q")) == {MINE}


def test_the_plugin_imports_nothing_of_the_project_that_it_belongs_to():
    files = sorted(Path(str(plugin.__file__)).parent.glob("*.py"))
    assert len(files) > 3
    for path in files:
        nodes = list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
        names = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
        names |= {str(node.module) for node in nodes if isinstance(node, ast.ImportFrom)}
        assert {name.partition(".")[0] for name in names} & {"repro", "cases", "models", "runner", "tests"} == set()
