"""What the shell offers at Tab: cases, findings and targets, and commands."""

from __future__ import annotations

import pytest
from click.shell_completion import BashComplete

from cases import catalogue
from repro.cli import COMMANDS, main
from repro.findings.reader import slugs
from repro.findings.restart_finding import restart_slugs


def offered(*words: str) -> list[str]:
    """What is offered for the last word."""
    complete = BashComplete(main, {}, "repro", "_REPRO_COMPLETE")
    return [item.value for item in complete.get_completions(list(words[:-1]), words[-1])]


def test_commands_findings_and_targets_are_offered():
    assert offered("") == list(COMMANDS)
    assert offered("finding", "show", "pad-") == [slug for slug in slugs() if slug.startswith("pad-")]
    assert offered("report", "add-b") == ["add-before-max"]
    assert offered("report", "cached-") == offered("finding", "show", "cached-") == restart_slugs()
    assert offered("check", "model.tflite", "--target", "gpu:s") == ["gpu:swiftshader"]
    assert offered("check", "model.tflite", "--target", "gpu:lavapipe@mali-v")[1] == "gpu:lavapipe@mali-valhall-2"


@pytest.mark.parametrize("command", ["run", "list", "matrix", "prepare"])
def test_of_cases_the_families_are_offered_and_then_their_members(command):
    assert offered(command, "fa") == ["fanout/"]
    names = [case.name for case in catalogue.catalogue() if case.name.startswith("fanout/fc")]
    assert offered(command, "fanout/fc") == names
    assert len(names) > 1
