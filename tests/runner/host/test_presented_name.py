"""`gpu:<adapter>@<name>`: the delegate sees the name, and every result says that it is only a name."""

from __future__ import annotations

from pathlib import Path

import pytest

from runner.errors import BadInput, TargetUnavailable
from runner.host import presented_name
from runner.presented import naming_note
from runner.run import Job, Outcome
from runner.targets import open_target, resolve
from tests.runner.models import add_model, feed


@pytest.mark.gpu
def test_the_delegate_sees_the_presented_name_and_the_result_says_it_is_not(gpu_name: str):
    with open_target(f"{gpu_name}@Mali-G610") as target:
        x, y = feed(1)
        run = target.run(Job(add_model(), ((x, y),), name="named"))
    assert run.outcome is Outcome.OK
    assert run.fingerprint.target == f"{gpu_name}@Mali-G610"
    assert "Selected adapter: Mali-G610" in run.log
    assert "named Mali-G610, not a Mali" in run.fingerprint.adapter
    assert "named Mali-G610, not a Mali" in run.fingerprint.driver
    assert "@Mali-G610" in target.identity


def test_full_names_keep_the_presented_name(gpu_name: str):
    assert resolve([f"{gpu_name}@Mali-G610", "gpu@Mali-G610"]) == [f"{gpu_name}@Mali-G610"]


@pytest.mark.parametrize("name", ["", "x" * 256, "two\nlines", "é"])
def test_a_name_that_no_driver_has_is_bad_input(name: str):
    with pytest.raises(BadInput, match="adapter name"):
        presented_name.naming_environment(name)


def test_the_note_is_grammatical():
    assert naming_note("Mali-G610") == "named Mali-G610, not a Mali"
    assert naming_note("Adreno (TM) 740") == "named Adreno (TM) 740, not an Adreno"


def test_without_a_working_compiler_it_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setenv("REPRO_CACHE", str(tmp_path))
    monkeypatch.setenv("CC", "/nonexistent/cc")
    with pytest.raises(TargetUnavailable, match="/nonexistent/cc"):
        presented_name.layer_folder()
    monkeypatch.delenv("CC")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(TargetUnavailable, match="needs a C compiler"):
        presented_name.layer_folder()
