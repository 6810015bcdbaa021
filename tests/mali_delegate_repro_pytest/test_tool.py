"""The tool's process: begun once, asked many times, and begun again where it ended without an answer."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from mali_delegate_repro_pytest import tool as module
from mali_delegate_repro_pytest.tool import Tool

ANSWERS = """\
import json, os, sys
print("a library says something", file=sys.stderr)
for line in sys.stdin:
    question = json.loads(line)
    if question["model"] == "crash":
        print("out of luck", file=sys.stderr, flush=True)
        os.kill(os.getpid(), 9)
    if question["model"] == "half":
        print('{"outcome": "pas', end="", flush=True)
        sys.exit(7)
    print(json.dumps({"outcome": "passed", "lines": [str(os.getpid()), question["model"]], "reasons": []}), flush=True)
"""


@pytest.fixture
def tool(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Tool:
    """A tool that answers with its process id and the model."""
    monkeypatch.setattr(module._CHILD, "child_command", lambda *words: [sys.executable, "-c", ANSWERS])
    return Tool(tmp_path)


def test_one_process_answers_all(tool: Tool):
    first, second = tool.ask(model="a"), tool.ask(model="b")
    assert (first.passed, second.passed) == (True, True)
    assert first.lines[0] == second.lines[0]
    assert (first.lines[1], second.lines[1]) == ("a", "b")
    tool.close()
    assert tool._process is None


@pytest.mark.parametrize(("model", "how"), [("crash", "was ended by SIGKILL"), ("half", "ended with exit code 7")])
def test_a_process_that_ends_costs_one_answer_and_says_how_it_ended(model: str, how: str, tool: Tool):
    before = tool.ask(model="a")
    (line,) = (lost := tool.ask(model=model)).lines
    assert lost.outcome == "error"
    assert how in line
    assert "a library says something" in line
    after = tool.ask(model="b")
    assert after.passed
    assert after.lines[0] != before.lines[0]
    tool.close()


def test_a_question_and_its_answer_are_those_of_the_other_side():
    """The plugin may not import them, so both sides are held against each other here."""
    from repro.for_pytest import Answer, Question
    from repro.records.strict import fitted

    asked = {"model": "a.tflite", "target": "gpu", "precision": "fp32", "seed": 0, "inputs": "", "case": ""}
    assert fitted(Question, json.loads(json.dumps(asked))).model == "a.tflite"
    assert set(Answer.__dataclass_fields__) == set(module.Answer.__dataclass_fields__)


@pytest.mark.slow
def test_the_real_tool_answers_and_gates(tmp_path: Path):
    root = Path(__file__).resolve().parents[2]
    tool = Tool(tmp_path)
    model = root / "findings" / "add-output-feeds-reduction" / "models" / "minimal.tflite"
    answer = tool.ask(model=str(model), target="cpu")
    assert answer.passed
    assert answer.lines[0].startswith("cpu fp32")
    assert tool.ask(model=str(tmp_path / "none.tflite"), target="cpu").outcome == "error"
    tool.close()
    code, said = tool.gate(root / "docs" / "examples" / "two_graphs" / "none.toml", [])
    assert code == 2
    assert "no such file" in said
