"""`repro doctor`: what is here is named with its version, what is not with the command that brings it."""

from __future__ import annotations

import json
import socket
from pathlib import Path

import pytest
from click.testing import CliRunner

from repro.commands.doctor import command


@pytest.fixture
def no_adb_server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A port and a home of our own, so that the tests neither find nor start a server that others use."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        monkeypatch.setenv("ANDROID_ADB_SERVER_PORT", str(free.getsockname()[1]))
    monkeypatch.delenv("ANDROID_ADB_SERVER_ADDRESS", raising=False)
    monkeypatch.setenv("ANDROID_USER_HOME", str(tmp_path))


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
    assert "mesa-vulkan-drivers" in result.stdout
    assert "swiftshader.sh" in result.stdout
