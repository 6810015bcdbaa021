"""What is sent out must be readable when it comes back: whatever could not be is refused before it is sent."""

from __future__ import annotations

import dataclasses
import zipfile
from pathlib import Path

import pytest

from cases.catalogue import catalogue
from repro.verdicts.subject import case_subject
from runner.bundle import write
from runner.bundle.contents import read_contents
from runner.bundle.write import PlannedRun, write_bundle
from runner.errors import BadInput
from tests.runner.bundle.conftest import HERE, small_supplies, sums


def written(path: Path, runs: list[PlannedRun]) -> None:
    write_bundle(path, HERE, small_supplies(), runs)


def test_whatever_a_catalogue_names_can_be_read_back(tmp_path: Path) -> None:
    """The keys of inputs are as long as what they say of them."""
    (job,) = sums(1)
    names = [name * count for name in ("a", "ü/", '"\\\n', "\0") for count in (1, 30, 100)]
    runs = [PlannedRun(dataclasses.replace(job, name=name), name * 50) for name in names]
    written(tmp_path / "suite.zip", runs)
    with zipfile.ZipFile(tmp_path / "suite.zip") as archive:
        contents = read_contents(archive.read("suite/bundle.json"), "it")
    assert [(run.case, run.inputs) for run in contents.runs[1:]] == [(name, name * 50) for name in names]


@pytest.mark.slow
def test_the_whole_catalogue_can_be_read_back(tmp_path: Path) -> None:
    (job,) = sums(1)
    runs = [PlannedRun(dataclasses.replace(job, name=case.name), case_subject(case).plan.key) for case in catalogue()]
    written(tmp_path / "suite.zip", runs)
    assert len(runs) > 1000


def test_what_could_not_be_read_back_is_refused_before_it_is_sent(tmp_path: Path) -> None:
    (job,) = sums(1)
    with pytest.raises(BadInput, match=r"this bundle: bundle\.json is not what"):
        written(tmp_path / "suite.zip", [PlannedRun(dataclasses.replace(job, name="x" * 301), "drawn")])
    assert not list(tmp_path.iterdir())


def test_outputs_that_no_results_zip_holds_are_refused_before_they_are_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, at_most in (("MOST_OUTPUT", 32), ("MOST_OUTPUTS", 200)):
        with monkeypatch.context() as patch:
            patch.setattr(write, name, at_most)
            with pytest.raises(BadInput, match=r"these runs give 1 MB or more, sum \d alone 1 MB; .* fewer cases"):
                written(tmp_path / "suite.zip", [PlannedRun(job, "drawn") for job in sums(5)])
    assert not list(tmp_path.iterdir())
