"""The fixture `delegate`: a model, or a torch module, checked in a test of the user's own."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pytest

from mali_delegate_repro_pytest.settings import SETTINGS, Settings
from mali_delegate_repro_pytest.tool import Answer, NoVerdict


class Delegate:
    """What the fixture `delegate` is: asks whether models are right on a target of the delegate."""

    def __init__(self, settings: Settings, folder: Path) -> None:
        self._settings, self._folder = settings, folder
        self._asked = 0

    def check(
        self,
        model: Any,
        *inputs: Any,
        target: str | None = None,
        precision: str | None = None,
        seed: int = 0,
        case: str = "",
    ) -> Answer:
        """Run a model on a target and judge each of its outputs.

        model: path or bytes of a .tflite, or a torch module, which is converted with litert-torch and held against
        itself in float64. inputs: arrays in the model's order of inputs, all or none; a module needs its example
        inputs, and is fed with them. target, precision: else what the test run asks for, the first of each. seed: of
        inputs that are drawn. case: the name that an expectation has for it, else the file's name.
        """
        chosen_target, chosen_precision = next(self._settings.cells())
        self._asked += 1
        place = self._folder / f"asked-{self._asked}"
        place.mkdir()
        question = {"target": target or chosen_target, "precision": precision or chosen_precision, "seed": seed}
        if _is_torch_module(model):
            _write_module(model, inputs, place)
            question |= {"model": str(place / f"{type(model).__name__}.tflite"), "inputs": str(place / "inputs.npz")}
            question["references"] = str(place / "outputs.npz")
        elif isinstance(model, bytes):
            (place / "model.tflite").write_bytes(model)
            question["model"] = str(place / "model.tflite")
        elif isinstance(model, str | os.PathLike):
            question["model"] = str(Path(model).resolve())
        else:
            raise NoVerdict(
                f"a {type(model).__name__} is no model; give a path, the bytes of a .tflite, or a torch module"
            )
        if inputs and "inputs" not in question:
            _write_arrays(place / "inputs.npz", inputs)
            question["inputs"] = str(place / "inputs.npz")
        return self._settings.tool.ask(**question, case=case)

    def assert_right(self, model: Any, *inputs: Any, **options: Any) -> None:
        """Fail the test unless each output is right; what the project expects to be wrong is an expected failure.

        model, inputs, options: those of `check`.
        """
        __tracebackhide__ = True
        self.check(model, *inputs, **options).hold()


@pytest.fixture
def delegate(request: pytest.FixtureRequest, tmp_path: Path) -> Delegate:
    """Asks whether a model (path, bytes, torch module) is right on the GPU delegate: `delegate.assert_right(model)`."""
    return Delegate(request.config.stash[SETTINGS], tmp_path)


def _is_torch_module(model: Any) -> bool:
    """Without importing torch: whoever has a module has imported it."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(model, torch.nn.Module)


def _write_module(module: Any, inputs: Sequence[Any], place: Path) -> None:
    """The module as .tflite, its inputs, and what it makes of them in float64."""
    import copy

    import torch

    try:
        import litert_torch
    except ModuleNotFoundError as error:
        install = f"{sys.executable} -m pip install 'mali-delegate-repro[convert]'"
        raise NoVerdict(f"a torch module is converted first, with {error.name}; run: {install}") from error
    if not inputs:
        raise NoVerdict("a torch module is converted and judged with example inputs; give them behind it")
    module = copy.deepcopy(module).eval()
    litert_torch.convert(module, tuple(inputs)).export(str(place / f"{type(module).__name__}.tflite"))
    with torch.no_grad():
        exact = module.double()(*(one.double() if one.is_floating_point() else one for one in inputs))
    _write_arrays(place / "inputs.npz", [one.numpy(force=True) for one in inputs])
    outputs = exact if isinstance(exact, list | tuple) else [exact]
    other = [type(one).__name__ for one in outputs if not isinstance(one, torch.Tensor)]
    if other:
        raise NoVerdict(f"{type(module).__name__} gives a {other[0]}; what can be judged is a tensor, or several")
    _write_arrays(place / "outputs.npz", [one.numpy(force=True) for one in outputs])


def _write_arrays(path: Path, arrays: Iterable[Any]) -> None:
    import numpy as np

    np.savez(path, *arrays)
