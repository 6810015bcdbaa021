"""The browser as a driver: what it is asked once, what its log says, and the one line where it is not here."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from runner.errors import BadInput, TargetUnavailable
from runner.run import Precision
from runner.targets import known_runtimes, numbering_of, open_target, precisions_for, resolve
from runner.web import browser
from runner.web.browser import CHROMIUM, WebBrowser, web_browser
from runner.web.session import adapter_name

SAYS = {"version": "156.0.1", "adapter": "google swiftshader", "features": ["subgroups"]}


@pytest.fixture
def chromium(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A program in the place of Chromium, of which every answer is SAYS."""
    monkeypatch.setenv("REPRO_CACHE", str(tmp_path / "cache"))
    program = tmp_path / "chromium"
    program.write_text("#!/bin/sh\n", encoding="utf-8")
    program.chmod(0o755)
    monkeypatch.setenv(CHROMIUM, str(program))
    monkeypatch.setattr(browser, "missing", lambda: "")
    monkeypatch.setattr(browser, "_ask_in_child", lambda program: dict(SAYS))
    return program


def test_a_browser_is_asked_again_when_its_program_changes(chromium: Path, monkeypatch: pytest.MonkeyPatch):
    asked: list[str] = []

    def ask(program: str) -> dict[str, Any]:
        asked.append(program)
        return {**SAYS, "version": str(len(asked))}

    monkeypatch.setattr(browser, "_ask_in_child", ask)
    assert [web_browser().driver for _ in range(2)] == ["Chromium 1", "Chromium 1"]
    chromium.write_text("#!/bin/sh\n# another\n", encoding="utf-8")
    assert web_browser().driver == "Chromium 2"
    assert asked == [str(chromium)] * 2


@pytest.mark.parametrize(
    ("features", "precisions"),
    [(["subgroups"], [Precision.FP32]), (["shader-f16", "subgroups"], [Precision.FP32, Precision.FP16])],
    ids=["software", "with fp16"],
)
def test_fp16_is_computed_where_the_gpu_has_it(
    chromium: Path, monkeypatch: pytest.MonkeyPatch, features: list[str], precisions: list[Precision]
):
    monkeypatch.setattr(browser, "_ask_in_child", lambda program: {**SAYS, "features": features})
    assert precisions_for("gpu:web", "both") == precisions
    if Precision.FP16 not in precisions:
        with pytest.raises(BadInput, match=r"gpu:web has no fp16: Chromium .* computes fp32 only"):
            precisions_for("gpu:web", "fp16")


def test_a_worker_is_told_the_program_and_keeps_what_it_writes_in_its_own_folder(chromium: Path, tmp_path: Path):
    assert web_browser().environment({"A": "b"}, threads=3) == {"A": "b", CHROMIUM: str(chromium)}
    own = browser.own_folders({"HOME": "elsewhere", "A": "b"}, tmp_path)
    assert own.pop("A") == "b"
    assert set(own.values()) == {str(tmp_path)}
    assert {"TMPDIR", "HOME"} <= set(own)


BROWSER = WebBrowser("/usr/bin/chromium", "google swiftshader", "Chromium 156.0.1", (Precision.FP32,), "stamp")
LEFT = """INFO: [compiled_model.cc:812] Flatbuffer model initialized.
ERROR: Following operations are not supported by GPU delegate:
ONE_HOT: Unsupported non-singleton dim at 1
CAST: no
No operations will run on the GPU, and all 2 operations will run on the CPU.
INFO: Created TensorFlow Lite XNNPACK delegate for CPU.
"""


@pytest.mark.parametrize(
    ("log", "fully", "why"),
    [
        ("", True, ""),
        (LEFT, True, ""),
        ("", False, "LiteRT.js leaves a part of it to WebAssembly"),
        (
            LEFT,
            False,
            "LiteRT.js leaves a part of it to WebAssembly: ONE_HOT: Unsupported non-singleton dim at 1; CAST: no",
        ),
    ],
    ids=["resident", "resident whatever is logged", "in part", "in part, with the ops"],
)
def test_what_is_left_to_webassembly_is_not_resident(log: str, fully: bool, why: str):
    assert BROWSER.not_resident(log, fully) == why


def test_the_adapter_is_the_pages_own_word():
    assert BROWSER.logged_adapter("INFO: x\nadapter: google swiftshader\nadapter: other\n") == "google swiftshader"
    assert BROWSER.logged_adapter("") == ""
    told = {"vendor": "Mali-G610", "architecture": "", "device": "Mali-G610", "description": "r0p0"}
    assert adapter_name(told) == "Mali-G610 r0p0"
    assert adapter_name(None) == "none"


def test_a_browser_without_a_gpu_is_no_target(chromium: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.undo()
    monkeypatch.setenv(CHROMIUM, str(chromium))
    monkeypatch.setattr(browser, "missing", lambda: "")
    answer = '{"version": "1", "adapter": "none", "features": []}'
    done = dataclasses.make_dataclass("Done", ["returncode", "stdout", "stderr"])
    monkeypatch.setattr(browser.children, "run", lambda *given, **more: done(0, answer, ""))
    monkeypatch.setattr(browser, "read_json_entry", lambda path: None)
    with pytest.raises(TargetUnavailable, match="gives its pages no GPU"):
        web_browser()
    monkeypatch.setattr(browser.children, "run", lambda *given, **more: done(1, "", "x\nError: no display\n"))
    with pytest.raises(TargetUnavailable, match=r"does not start here: Error: no display; run: make -C .* web"):
        web_browser()


def test_what_is_missing_is_named_with_the_command_that_brings_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv(CHROMIUM, raising=False)
    monkeypatch.setattr(browser.importlib.util, "find_spec", lambda name: None)
    both = "gpu:web is not here: no Chromium and no playwright in this Python; run: make -C .* web"
    with pytest.raises(TargetUnavailable, match=both):
        web_browser()


def test_a_target_in_a_browser_runs_on_other_runtimes_than_one_over_vulkan():
    assert resolve(["gpu:web"]) == ["gpu:web"]
    assert known_runtimes("gpu:web")[-1] == "web-2.5.3"
    assert numbering_of("gpu:web@Mali-G610") is not numbering_of("gpu:lavapipe")
    with pytest.raises(BadInput, match=r"gpu:web does not run on lm-0.18.1; for it the runtimes are web-"):
        open_target("gpu:web", runtime="lm-0.18.1")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("gpu:web+buffers", r"LiteRT.js takes no settings of the delegate; write gpu:web$"),
        ("gpu:web@" + "x" * 300, "cannot be an adapter name"),
    ],
)
def test_what_a_browser_cannot_be_asked_for_is_refused(chromium: Path, name: str, words: str):
    from runner.host.gpu import GpuName, host_gpu

    with pytest.raises(BadInput, match=words):
        host_gpu(GpuName.parse(name))


def test_without_a_browser_here_fp32_is_asked_of_one_elsewhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setenv(CHROMIUM, str(tmp_path / "none"))
    assert precisions_for("gpu:web", "both") == [Precision.FP32]
    with pytest.raises(TargetUnavailable, match=rf"{CHROMIUM}=.*none is no program"):
        open_target("gpu:web")
