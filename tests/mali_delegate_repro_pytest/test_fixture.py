"""The fixture `delegate`: what it asks of the tool for a path, for bytes, for arrays and for a torch module."""

from __future__ import annotations

import re
import sys
import types
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mali_delegate_repro_pytest.fixture import Delegate
from mali_delegate_repro_pytest.settings import Settings
from mali_delegate_repro_pytest.tool import Answer, NoVerdict, Tool


class Asked(Tool):
    """Keeps the questions, and answers what it was told to."""

    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        self.questions: list[dict[str, Any]] = []

    def ask(self, **question: Any) -> Answer:
        self.questions.append(question)
        return self.answer


def delegate_that_says(outcome: str, folder: Path) -> tuple[Delegate, Asked]:
    tool = Asked(Answer(outcome, ("output 0",), ("because",)))
    return Delegate(Settings(tool, frozenset(), frozenset(), (), ("cpu", "gpu"), "fp16"), folder), tool


def test_a_path_is_asked_for_where_the_run_says(tmp_path: Path):
    delegate, tool = delegate_that_says("passed", tmp_path)
    delegate.assert_right("model.tflite", seed=3)
    (question,) = tool.questions
    assert question["model"] == str(Path("model.tflite").resolve())
    assert (question["target"], question["precision"], question["seed"]) == ("cpu", "fp16", 3)


def test_bytes_and_arrays_are_files_of_their_own_for_each_question(tmp_path: Path):
    delegate, tool = delegate_that_says("passed", tmp_path)
    for model, array in ((b"one", np.ones(2)), (b"two", np.zeros(2))):
        assert delegate.check(model, array, target="gpu", precision="fp32", case="mine/x").passed
    for question, model, value in zip(tool.questions, (b"one", b"two"), (1, 0), strict=True):
        assert Path(question["model"]).read_bytes() == model
        with np.load(question["inputs"]) as arrays:
            assert arrays["arr_0"].tolist() == [value, value]
        assert (question["target"], question["precision"], question["case"]) == ("gpu", "fp32", "mine/x")


def test_what_is_wrong_fails_with_the_tools_lines_and_what_is_known_is_expected(tmp_path: Path):
    for outcome, error in (("failed", AssertionError), ("error", NoVerdict), ("known", pytest.xfail.Exception)):
        delegate, _ = delegate_that_says(outcome, tmp_path / outcome)
        (tmp_path / outcome).mkdir()
        with pytest.raises(error, match="because"):
            delegate.assert_right("model.tflite")


def test_what_is_no_model_is_said_in_one_line(tmp_path: Path):
    delegate, tool = delegate_that_says("passed", tmp_path)
    for model, kind in ((3, "int"), (None, "NoneType"), ([], "list")):
        with pytest.raises(NoVerdict, match=f"^a {kind} is no model; give a path"):
            delegate.check(model)
    assert tool.questions == []


def test_a_torch_module_without_its_converter_names_the_command_that_brings_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    class Module: ...

    torch = types.SimpleNamespace(nn=types.SimpleNamespace(Module=Module))
    monkeypatch.setitem(sys.modules, "torch", torch)
    monkeypatch.setitem(sys.modules, "litert_torch", None)
    delegate, _ = delegate_that_says("passed", tmp_path)
    with pytest.raises(
        NoVerdict, match=re.escape(f"run: {sys.executable} -m pip install 'mali-delegate-repro[convert]'")
    ):
        delegate.check(Module())


@pytest.mark.slow
@pytest.mark.convert
def test_a_torch_module_is_converted_fed_with_its_example_and_held_against_itself_in_float64(tmp_path: Path):
    import torch

    delegate, tool = delegate_that_says("passed", tmp_path)
    module = torch.nn.Linear(3, 2)
    example = torch.randn(1, 3)
    delegate.assert_right(module, example)
    (question,) = tool.questions
    assert Path(question["model"]).read_bytes()[4:8] == b"TFL3"
    with np.load(question["references"]) as right:
        exact = example.double() @ module.weight.double().T + module.bias.double()
        np.testing.assert_allclose(right["arr_0"], exact.detach().numpy(), rtol=1e-12)
    assert module.weight.dtype == torch.float32
    with pytest.raises(NoVerdict, match="give them behind it"):
        delegate.assert_right(module)

    class Named(torch.nn.Linear):
        def forward(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
            return {"y": super().forward(x)}

    with pytest.raises(NoVerdict, match="Named gives a dict; what can be judged is a tensor"):
        delegate.assert_right(Named(3, 2), example)
