"""`repro prepare`: what is there already is not converted again, and a missing converter is one line."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from cases import catalogue
from cases.with_torch import convert
from cases.with_torch.shipped import shipped_path
from repro.commands import without_torch
from repro.commands.prepare import command
from runner.cache import write_atomically
from runner.errors import BadInput
from runner.installation import converter_install

MODULE = next(case.name for case in catalogue.catalogue() if case.module is not None)
GRAPH = "public-reports/litert-8599-add-output-consumed"


@pytest.fixture(autouse=True)
def _own_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("REPRO_CACHE", str(tmp_path))


@pytest.mark.convert
def test_references_and_floors_of_a_graph_are_made_and_kept(tmp_path: Path):
    for _ in range(2):
        result = CliRunner().invoke(command, [GRAPH])
        assert result.exit_code == 0, result.output
        assert result.output.strip() == (
            "0 torch cases, 0 of them converted now; references and noise floors of 1 cases are there"
        )
    assert len(list((tmp_path / "references").glob("*.npz"))) == 1
    assert len(list((tmp_path / "floors").iterdir())) == 2, "one for each precision"


@pytest.fixture
def _without_torch(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Neither torch nor conversions that `make dist` may have left in this checkout."""
    monkeypatch.setattr(convert, "shipped_path", lambda case, parts: shipped_path(case, parts, tmp_path / "shipped"))
    monkeypatch.setattr(without_torch, "has_converter", lambda: False)
    monkeypatch.setattr(without_torch, "has_torch", lambda: False)
    monkeypatch.setattr(convert, "has_converter", lambda: False)


@pytest.mark.usefixtures("_without_torch")
def test_where_no_case_can_be_converted_one_line_says_how_it_could():
    with pytest.raises(BadInput, match=f"1 of 1 cases need litert-torch.*{MODULE}; install it: ") as raised:
        without_torch.runnable(catalogue.select([MODULE]))
    assert converter_install() in str(raised.value)


@pytest.mark.usefixtures("_without_torch")
def test_what_needs_no_conversion_runs_and_the_rest_is_counted_and_listed(capsys: pytest.CaptureFixture[str]):
    kept = without_torch.runnable(catalogue.select([MODULE, GRAPH]))
    assert [case.name for case in kept] == [GRAPH]
    left_out, judged = capsys.readouterr().err.splitlines()
    assert left_out.startswith(f"left out: 1 of 2 cases need litert-torch, which is not installed: {MODULE}; ")
    assert "float64 evaluation of each file's own ops" in judged


@pytest.mark.usefixtures("_without_torch")
def test_a_conversion_that_came_along_needs_no_converter(tmp_path: Path):
    (case,) = catalogue.select([MODULE])
    shipped = shipped_path(case, convert.made_from(case), tmp_path / "shipped")
    assert not convert.is_converted(case)
    write_atomically(shipped, b"model")
    assert convert.is_converted(case)
    assert convert.model_bytes(case) == b"model"
    other = replace(case, seed=case.seed + 1)
    assert not convert.is_converted(other), "it was made from something else"
