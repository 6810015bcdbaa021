"""`repro compare`: exit 1 if something got worse, 2 in one line for what cannot be compared, four ways to say it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from repro.commands.compare import command
from runner.errors import BadInput
from tests.repro.changes.test_sources import WHOLE, lines_file
from tests.repro.display.schemas import require_junit


def run(*words: object) -> Result:
    return CliRunner().invoke(command, [str(word) for word in words])


@pytest.fixture
def before(tmp_path: Path) -> Path:
    return lines_file(tmp_path / "before", WHOLE[:2])


@pytest.fixture
def after(tmp_path: Path, before: Path) -> Path:
    """The same run, in which an output that passed is wrong now."""
    path = tmp_path / "after"
    first, *others = before.read_text(encoding="utf-8").splitlines()
    wrong = json.dumps({**json.loads(first), "verdict": "FAIL", "signature": "unwritten", "name": "<y>\x1b[31m]]>"})
    path.write_text("\n".join([wrong, *others]), encoding="utf-8")
    return path


def test_what_got_worse_exits_1_and_the_way_back_0(before: Path, after: Path):
    there, back = run(before, after), run(after, before)
    assert (there.exit_code, back.exit_code) == (1, 0), there.output + back.output
    assert "PASS -> FAIL unwritten" in there.output
    assert there.output.splitlines()[-1] == "3 outputs compared: 1 worse; 1 new, 2 same"
    assert back.output.splitlines()[-1] == "3 outputs compared: nothing is worse; 1 gone, 2 same"


def test_json_is_one_object_a_line_and_the_summary_last(before: Path, after: Path):
    result = run(before, after, "--json")
    *changes, summary = map(json.loads, result.stdout.splitlines())
    assert [(c["change"], c["worse"], c["a"]["verdict"], c["b"]["signature"]) for c in changes] == [
        ("new", True, "PASS", "unwritten")
    ]
    assert (summary["change"], summary["worse"], summary["compared"]) == ("summary", 1, 3)


def test_junit_is_of_the_schema_also_with_a_hostile_name(before: Path, after: Path, tmp_path: Path):
    path = tmp_path / "new folder" / "changes.xml"
    run(before, after, "--junit", path)
    require_junit(path)
    assert path.read_text(encoding="utf-8").count("<failure") == 1


@pytest.mark.parametrize("words", [("nowhere",), ("--a", "gpu:z")])
def test_bad_input_is_one_line(before: Path, words: tuple[str, ...]):
    result = run(before, *([before] if words[0].startswith("--") else []), *words)
    assert isinstance(result.exception, BadInput)
    assert "\n" not in str(result.exception)


def test_a_file_that_cannot_be_written_is_one_line(before: Path):
    result = run(before, before, "--junit", "/dev/null/x.xml")
    assert isinstance(result.exception, BadInput)
    assert "/dev/null/x.xml" in str(result.exception)


def test_what_is_read_is_not_written(before: Path):
    result = run(before, before, "--html", before)
    assert isinstance(result.exception, BadInput)
    assert "which is read" in str(result.exception)


def test_the_page_lists_what_changed(before: Path, after: Path, tmp_path: Path):
    run(before, after, "--html", tmp_path / "page.html")
    text = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "Worse in B: 1 output" in text
    assert "&lt;y&gt;\\x1b[31m]]&gt;" in text
