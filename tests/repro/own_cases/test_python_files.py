"""Own cases in Python: a file is run when it is asked for, and what it gets wrong is one line that names it."""

from __future__ import annotations

from pathlib import Path

import pytest

from repro.own_cases.python_files import python_cases, python_files
from runner.errors import BadInput
from tests.repro.own_cases.projects import IN_PYTHON, project


def test_the_files_of_a_folder_are_found_without_being_run(tmp_path: Path):
    folder = project(tmp_path, {"a.py": IN_PYTHON, "b.py": "boom", "_helper.py": "", "deep/c.py": ""})
    assert [path.name for path in python_files(folder)] == ["a.py", "b.py"]
    assert not (folder / "it-ran").exists()


def test_a_file_gives_the_cases_of_its_function_and_may_import_its_neighbours(tmp_path: Path):
    text = "from _helper import NAME\n" + IN_PYTHON.replace('"mine/doubled"', "NAME")
    folder = project(tmp_path, {"a.py": text, "_helper.py": "NAME = 'mine/from-beside'"})
    (case,) = python_cases(folder / "a.py")
    assert case.name == "mine/from-beside"
    assert case.graph is not None
    assert [op.kind for op in case.graph().ops] == ["ADD"]


@pytest.mark.parametrize("name", ["builder", "case"])
def test_a_users_own_package_of_our_name_hides_nothing_that_it_does_not_have(name: str, tmp_path: Path):
    (tmp_path / "cases").mkdir()
    (tmp_path / "cases" / "__init__.py").write_text("raise ImportError('the user\\'s own')", encoding="utf-8")
    folder = project(tmp_path, {f"{name}.py": IN_PYTHON})
    assert [case.name for case in python_cases(folder / f"{name}.py")] == ["mine/doubled"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("1 / 0", "ZeroDivisionError"),
        ("import nowhere_to_be_found", "No module named 'nowhere_to_be_found'"),
        ("x = 1", "no attribute 'cases'"),
        ("raise SystemExit(0)", "SystemExit"),
        ("def cases(:", "SyntaxError"),
        ("def cases():\n    return [1]", r"cases\(\) returns a int; make it a cases\.case\.Case"),
        ("def cases():\n    return 1", "TypeError"),
        (
            "from cases.case import Case\n\n\ndef cases():\n    return [Case('mine/x', 'mine', 'why')]",
            "mine/x has 0 of graph, module and file; give one of them",
        ),
    ],
)
def test_a_file_that_gives_no_cases_is_one_line(text: str, said: str, tmp_path: Path):
    folder = project(tmp_path, {"a.py": text})
    with pytest.raises(BadInput, match=said) as refused:
        python_cases(folder / "a.py")
    assert str(refused.value).startswith(str(folder / "a.py"))
    assert "\n" not in str(refused.value)
