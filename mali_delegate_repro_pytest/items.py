"""Models and layouts of a project as pytest's items."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mali_delegate_repro_pytest.settings import SETTINGS
from mali_delegate_repro_pytest.tool import NoVerdict


class ModelFile(pytest.File):
    """A .tflite: one test per target and precision."""

    def collect(self) -> Iterator[pytest.Item]:
        for target, precision in self.config.stash[SETTINGS].cells():
            yield ModelItem.from_parent(self, name=f"{target}-{precision}", target=target, precision=precision)


class LayoutFile(pytest.File):
    """A layout: one test."""

    def collect(self) -> Iterator[pytest.Item]:
        yield LayoutItem.from_parent(self, name="gate")


class ReproItem(pytest.Item):
    """A test whose failure is said in the tool's own lines, without a traceback of this module."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.add_marker("repro")

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        if isinstance(excinfo.value, AssertionError | NoVerdict):
            return str(excinfo.value)
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, None, str]:
        return self.path, None, f"{self.path.name} {self.name}"


class ModelItem(ReproItem):
    """One model on one target in one precision."""

    def __init__(self, *, target: str, precision: str, **options: Any) -> None:
        super().__init__(**options)
        self.target, self.precision = target, precision

    def runtest(self) -> None:
        settings, path = self.config.stash[SETTINGS], self.path.resolve()
        question = {"target": self.target, "precision": self.precision, "case": settings.case_of(path)}
        settings.tool.ask(model=str(self.path), **question).hold()


class LayoutItem(ReproItem):
    """One layout, gated."""

    def runtest(self) -> None:
        settings = self.config.stash[SETTINGS]
        options = [word for target in settings.targets or () for word in ("--target", target)]
        options += ["--precision", settings.precision] if settings.precision else []
        code, said = settings.tool.gate(self.path, options)
        if code == 1:
            raise AssertionError(said)
        if code:
            raise NoVerdict(f"repro gate ended with exit code {code}: {said}")
