"""`repro doctor`: what is here is named with its version, what is not with the command that brings it."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from repro.commands import doctor
from repro.commands.doctor import command
from runner.checkup import Requirement, RequirementState
from runner.errors import TargetUnavailable
from runner.targets import TargetInfo


@pytest.fixture
def no_adb_server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A port and a home of our own, so that the tests neither find nor start a server that others use."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        monkeypatch.setenv("ANDROID_ADB_SERVER_PORT", str(free.getsockname()[1]))
    monkeypatch.delenv("ANDROID_ADB_SERVER_ADDRESS", raising=False)
    monkeypatch.setenv("ANDROID_USER_HOME", str(tmp_path))


@pytest.mark.slow
@pytest.mark.gpu
def test_the_page_and_its_json_say_the_same(no_adb_server: None):
    page = CliRunner().invoke(command, [])
    assert page.exit_code == 0
    answer = CliRunner().invoke(command, ["--json"])
    assert answer.exit_code == 0
    told = json.loads(answer.stdout)
    assert told["gpu"]
    assert f"plain 'gpu' is {told['gpu'][0]}" in page.stdout
    subjects = {check["subject"] for check in told["checks"]}
    assert {
        "python",
        "runtime",
        "accelerator",
        "vulkan loader",
        "adb",
        "torch",
        "litert-torch",
        *told["gpu"],
    } <= subjects
    for check in told["checks"]:
        assert check["subject"] in page.stdout
        assert bool(check["remedy"]) == (check["state"] != "ok")


def test_without_a_driver_it_exits_3_and_says_how_to_get_one(no_adb_server: None, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("VK_DRIVER_FILES", "/nonexistent/icd.json")
    result = CliRunner().invoke(command, [])
    assert result.exit_code == 3
    assert "no GPU target works here" in result.stdout
    assert "unset VK_DRIVER_FILES" in result.stdout
    assert "mesa.sh" in result.stdout
    assert "swiftshader.sh" in result.stdout


@pytest.mark.parametrize(
    ("there", "plain"),
    [
        (["gpu:web", "gpu:lavapipe"], "gpu:lavapipe"),
        (["gpu:pocl", "gpu:oclgrind", "gpu:nvidia-h200"], "gpu:nvidia-h200"),
        (["gpu:pocl", "gpu:web"], ""),
        ([], ""),
    ],
)
def test_plain_gpu_is_never_what_has_to_be_asked_for_by_name(
    monkeypatch: pytest.MonkeyPatch, there: list[str], plain: str
):
    monkeypatch.setattr(doctor, "requirements", lambda: ([], [TargetInfo(name, True) for name in there]))
    result = CliRunner().invoke(command, [])
    assert result.exit_code == (0 if plain else 3)
    assert (f"plain 'gpu' is {plain}\n" in result.stdout) is bool(plain)
    assert ("no GPU target works here" in result.stdout) is not bool(plain)


@pytest.mark.slow
def test_what_is_there_is_not_installed_again(no_adb_server: None):
    """On a machine with both software drivers the scripts have nothing to do, and stdout stays JSON's."""
    infos = {one["name"]: one for one in json.loads(CliRunner().invoke(command, ["--json"]).stdout)["targets"]}
    if not all(infos.get(name, {}).get("usable") for name in ("gpu:lavapipe", "gpu:swiftshader")):
        pytest.skip("needs both software Vulkan drivers; `make setup` brings them")
    words = [sys.executable, "-m", "repro", "doctor", "--install", "--json"]
    done = subprocess.run(words, capture_output=True, check=True)
    assert json.loads(done.stdout)["gpu"]
    assert b"will install" not in done.stderr


def test_a_driver_that_cannot_be_installed_is_one_line(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("repro.commands.doctor.mesa_script", lambda: ["false"])
    with pytest.raises(TargetUnavailable, match="install it by hand"):
        command.main(["--install"], standalone_mode=False)


def test_one_command_that_brings_several_things_is_said_once(capsys: pytest.CaptureFixture[str]):
    lacks = [Requirement(name, RequirementState.MISSING, "not installed", "pip install it") for name in ("a", "b")]
    doctor.show([*lacks, Requirement("c", RequirementState.BROKEN, "old", "mend it")], [], [])
    mends = capsys.readouterr().out.partition("to mend:\n")[2].splitlines()[:3]
    assert mends == ["  a, b: pip install it", "  c: mend it", ""]
