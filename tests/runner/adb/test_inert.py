"""No name, path, option or property is ever a command: whatever it holds, it arrives as it was or is refused."""

from __future__ import annotations

import os
import subprocess
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runner.adb.build import host_runner
from runner.adb.loopback.device import LoopbackDevice
from runner.adb.loopback.services import Sandbox
from runner.adb.manifest import BatchCase, BatchLimits, escape, manifest_text
from runner.adb.properties import parse_getprop
from runner.adb.results import CaseLine, parse_line
from runner.encoding import shell_command
from runner.errors import TargetUnavailable
from runner.run import Job
from runner.scratch import plain_folder
from tests.runner.adb.conftest import link_to, sums, target_on

NASTY = [
    "; rm -rf /",
    "$(id)",
    "`id`",
    "a b",
    "it's",
    '"',
    "\n",
    "\r\n",
    "..",
    "../../etc",
    "-n",
    "%41",
    "",
    "ä\u2028",
    "|&<>*?",
]
texts = st.one_of(st.sampled_from(NASTY), st.text(alphabet=st.characters(codec="utf-8", exclude_characters="\0")))


@given(st.lists(texts, min_size=1, max_size=5))
@settings(max_examples=30, deadline=None)
def test_words_reach_a_shell_as_they_are(words: list[str]) -> None:
    command = shell_command(["printf", r"%s\0", *words]).encode()
    done = subprocess.run(["/bin/sh", "-c", command], capture_output=True, check=True)
    assert done.stdout.decode().split("\0")[:-1] == words


@given(texts)
def test_an_escaped_word_has_no_separator(text: str) -> None:
    word = escape(text)
    assert word.isascii()
    assert not set(word) & set(" \n\r\t;'\"$`\\|&")


@given(name=texts, value=texts)
@settings(max_examples=15, deadline=None)
def test_the_runner_reads_any_name_and_option(name: str, value: str) -> None:
    """A model that is missing: the runner must get as far as looking for it, whatever the case is called."""
    job = Job(b"no model", (), name=name, options={"preferred_device_substr": value})
    with tempfile.TemporaryDirectory() as scratch:
        place = Path(scratch)
        (place / "batch").mkdir()
        (place / "objects").mkdir()
        text = manifest_text([BatchCase(5, job)], BatchLimits(30.0), "cpu" if name == "cpu" else "gpu")
        (place / "batch" / "manifest").write_text(text, encoding="utf-8")
        # No LiteRT in that folder: the manifest has been accepted when the runner complains of that.
        command = [str(host_runner()), "run", str(place / "batch"), str(place / "objects"), str(place)]
        done = subprocess.run(command, capture_output=True, check=False, timeout=600)
        assert done.returncode == 3
        assert b'"kind":"missing_library"' in done.stdout
        assert sorted(p.name for p in place.iterdir()) == ["batch", "objects"]


@given(st.binary(max_size=300))
@settings(max_examples=40, deadline=None)
def test_no_manifest_makes_the_runner_crash(data: bytes) -> None:
    good = manifest_text([BatchCase(0, sums(1)[0][0])], BatchLimits(30.0)).encode()
    for text in (data, good[: len(data)], b"mali-delegate-repro-batch 1\n" + data, good[:-4] + data):
        with tempfile.TemporaryDirectory() as scratch:
            place = Path(scratch)
            (place / "manifest").write_bytes(text)
            command = [str(host_runner()), "run", scratch, scratch, scratch]
            done = subprocess.run(command, capture_output=True, check=False, timeout=600)
            assert done.returncode in (2, 3), text


def test_nasty_case_names_run_over_adb(device: LoopbackDevice) -> None:
    jobs, answers = sums(len(NASTY))
    named = [Job(job.model, job.feeds, name=name) for job, name in zip(jobs, NASTY, strict=True)]
    before = sorted(path.name for path in device.sandbox.tmp.parent.iterdir())
    with target_on(device) as target:
        runs = list(target.run_many(named))
    assert [run.name for run in runs] == NASTY
    assert all(np.array_equal(run.outputs[0][0], answer) for run, answer in zip(runs, answers, strict=True))
    assert sorted(path.name for path in device.sandbox.tmp.parent.iterdir()) == before


def test_arguments_with_anything_in_them_are_one_argument(device: LoopbackDevice) -> None:
    link = link_to(device)
    for word in NASTY:
        assert link.run(["printf", "%s", word]).output == word


@given(st.dictionaries(st.from_regex(r"[a-z.]{1,12}", fullmatch=True), texts))
def test_properties_are_data(properties: dict[str, str]) -> None:
    plain = {
        key: value.replace("]", "").replace("[", "").replace("\r", "").strip() for key, value in properties.items()
    }
    text = "".join(f"[{key}]: [{value}]\n" for key, value in plain.items())
    assert parse_getprop(text) == plain


def test_the_sandbox_lies_where_no_shell_minds_its_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The user's temporary folder may be called anything."""
    nasty = tmp_path / "it's mine; really"
    nasty.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(nasty))
    assert plain_folder() == shell_command([plain_folder()])
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(TargetUnavailable, match="set TMPDIR"):
        plain_folder()


def test_the_sandbox_has_no_way_out(tmp_path: Path) -> None:
    sandbox = Sandbox(tmp_path)
    inside = sandbox.path("/data/local/tmp/a/../b")
    assert inside == sandbox.tmp / "b"
    for path in ("/data/local/tmp/../../../etc/passwd", "/etc/passwd", "/data/local/tmpx", "relative"):
        try:
            sandbox.path(path)
        except PermissionError:
            continue
        raise AssertionError(f"{path} was let through")


def test_a_log_of_any_bytes_is_one_json_line() -> None:
    line = b'{"id":1,"status":"crash","message":"a \\"b\\" \\u00c3\\u00a4","log":"\\u001b[31m\\u00ff","clock":1.5}'
    parsed = parse_line(line)
    assert isinstance(parsed, CaseLine)
    assert parsed.message == 'a "b" ä'
    assert parsed.log == "\x1b[31m\ufffd"
