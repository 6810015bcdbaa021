"""Findings are found by the names of their modules, and keep their places in the catalogue."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import cases.findings
from cases.findings import registry

ON_DISK = {path.parent.name for path in (Path(__file__).parents[3] / "findings").glob("*/finding.toml")}

NEW = """\
from cases.findings.add_before_max import add_max
from cases.findings.model import control, finding_models, minimal

MODELS = finding_models(minimal("negative sums", add_max), control("positive sums", add_max, negative=False))
"""


def test_every_finding_has_its_module_and_every_module_its_finding():
    assert set(registry.FINDING_MODELS) == ON_DISK


def test_the_findings_that_keep_their_places_are_there_in_that_order():
    assert tuple(registry.FINDING_MODELS)[: len(registry.FIRST)] == registry.FIRST


@pytest.fixture
def another(tmp_path, monkeypatch) -> Iterator[str]:
    """A finding whose module has just been added to the package."""
    (tmp_path / "a_new_one.py").write_text(NEW, encoding="utf-8")
    monkeypatch.setattr(cases.findings, "__path__", [*cases.findings.__path__, str(tmp_path)])
    yield "a-new-one"
    sys.modules.pop("cases.findings.a_new_one", None)


def test_a_module_that_is_added_is_a_finding_behind_all_that_have_a_place(another):
    assert [slug for slug in registry.slugs() if slug not in registry.FINDING_MODELS] == [another]
    assert registry.slugs().index(another) >= len(registry.FIRST)
    assert [model.name for model in registry.models_of(another)] == ["minimal", "control"]


def test_a_module_that_says_no_models_is_not_overlooked(another, tmp_path):
    (tmp_path / "a_new_one.py").write_text('"""Not written yet."""\n', encoding="utf-8")
    with pytest.raises(AttributeError, match="MODELS"):
        registry.models_of(another)
