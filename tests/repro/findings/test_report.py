"""Reports: nothing of any machine inside, self-contained, and they show the bug with ai-edge-litert and numpy alone."""

from __future__ import annotations

import base64
import contextlib
import getpass
import os
import platform
import re
import socket
import subprocess
import sys
import venv
from pathlib import Path

import numpy as np
import pytest

from repro.findings import report
from repro.findings.finding import Finding
from repro.findings.reader import load, slugs
from repro.findings.snippet import runs_on_cpu
from repro.matrix.environments import attached_phones
from repro.records.folders import FINDINGS
from runner.adb import build
from runner.host import presented_name
from runner.host.vulkan import adapters, driver_environment
from runner.runtimes import PACKAGE, installed, runtime

SHIPPED = slugs()
ONE = "add-output-feeds-reduction"
ATTACHMENTS = {
    "issue.md",
    "repro.py",
    "model.tflite",
    "model.tflite.base64",
    "evidence.json",
    "CompiledModelRepro.kt",
    "phone/README.md",
    "phone/batch_runner.c",
    "phone/batch/manifest",
    "inputs/model-0.bin",
    "expected/model-0.bin",
}
SECTIONS = (
    "**Summary.**",
    "## Environment",
    "## Reproduction",
    "## Expected and actual",
    "## Matrix",
    "## Controls, and what is ruled out",
    "## Cause",
    "## What is not claimed",
    "## Related",
)


ROOT = Path(__file__).resolve().parents[3]
OWN_TEXTS = (*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("repro/findings/templates/*"), build.SOURCE)


def private_words() -> list[str]:
    """What identifies this machine or its user, and must be in no report.

    A user or a host that is called by a word of this project's own texts (`debian`, `runner`) is in every report.
    """
    names = {socket.gethostname(), *(os.environ.get(key, "") for key in ("USER", "LOGNAME", "SUDO_USER"))}
    names |= {name.partition(":")[2] for name in attached_phones()}
    with contextlib.suppress(OSError, KeyError):  # a user without a name
        names.add(getpass.getuser())
    ordinary = {word for path in OWN_TEXTS for word in re.findall(r"\w+", path.read_text(encoding="utf-8"))}
    paths = {os.path.expanduser("~"), str(FINDINGS.parent), sys.prefix}  # noqa: PTH111 - never raises
    # A path of one part (/usr, /repro) is part of others, as of those on a phone.
    return [name for name in names if name not in ordinary and len(name) > 2] + [p for p in paths if p.count("/") > 1]


def said_in(data: bytes, words: list[str]) -> list[str]:
    """Which of these words or paths stand in the text as such, not inside others."""
    return [w for w in words if re.search(rb"(?<![\w.-])" + re.escape(w.encode()) + rb"(?![\w-])", data)]


MACHINE_PATH = re.compile(rb"(?<![A-Za-z0-9])/(?:home|Users|root|tmp|work|mnt|opt)/[A-Za-z0-9_.-]+")
# A serial number; not the tag that stands for one (ten hex digits), nor the word loopback.
SERIAL = re.compile(rb"adb:(?![0-9a-f]{10}\b|loopback\b)[A-Za-z0-9]")


@pytest.mark.parametrize("slug", SHIPPED)
def test_nothing_of_any_machine_is_in_a_report(slug):
    for name, data in report.report_files(load(slug)).items():
        assert MACHINE_PATH.findall(data) == [], name
        assert SERIAL.findall(data) == [], name
        assert said_in(data, private_words()) == [], name


def test_the_search_for_machine_words_finds_them():
    assert MACHINE_PATH.findall(b"see /home/someone/model.tflite") == [b"/home/someone"]
    assert MACHINE_PATH.findall(b"/data/local/tmp/repro on any phone") == []
    assert SERIAL.findall(b"adb:1A2B3C")
    assert said_in(b"on jane-pc, by jane: /srv/jane/x", ["jane", "jane-pc", "/srv/jane", "/srv/j", "pc"]) == [
        *("jane", "jane-pc", "/srv/jane")
    ]


def test_the_machine_that_renders_a_report_is_not_in_it(monkeypatch):
    """Whoever runs the tests may have a name that tells nothing; this one has not."""
    for name in ("USER", "LOGNAME", "SUDO_USER"):
        monkeypatch.setenv(name, "zebra-user")
    monkeypatch.setenv("HOME", "/srv/zebra-home")
    monkeypatch.setattr(socket, "gethostname", lambda: "zebra-host")
    monkeypatch.setattr(platform, "node", lambda: "zebra-host")
    assert {"zebra-user", "zebra-host", "/srv/zebra-home"} <= set(private_words())
    for name, data in report.report_files(load(ONE)).items():
        assert b"zebra" not in data, name


@pytest.mark.parametrize("slug", SHIPPED)
def test_a_report_has_its_sections_and_attachments(slug):
    finding = load(slug)
    files = report.report_files(finding)
    assert set(files) >= ATTACHMENTS
    issue = files["issue.md"].decode()
    assert [s for s in SECTIONS if s not in issue] == []
    assert ("**What happens instead.**" in issue, "**Why nobody notices.**" in issue) == (
        finding.aborts,
        not finding.aborts,
    )
    assert not re.search(r"## Related\s*\Z", issue)
    assert "Rendered from" not in issue
    assert len(issue.splitlines()) < 260
    for source in finding.sources:
        assert source.commit in issue


@pytest.mark.parametrize("slug", SHIPPED)
def test_attachments_agree_with_each_other(slug):
    finding = load(slug)
    files = report.report_files(finding)
    assert base64.b64decode(files["model.tflite.base64"]) == files["model.tflite"]
    compile(files["repro.py"], "repro.py", "exec")
    manifest = files["phone/batch/manifest"].decode()
    objects = {name.rpartition("/")[2] for name in files if name.startswith("phone/objects/")}
    named = set(re.findall(r"\b[0-9a-f]{64}\b", manifest))
    assert named == objects
    for index, array in enumerate(finding.arrays(finding.minimal, "expected")):
        kept = np.frombuffer(files[f"expected/model-{index}.bin"], array.dtype)
        np.testing.assert_array_equal(kept, array.ravel())


def test_the_issue_names_every_runtime_and_driver_of_the_evidence():
    finding = load(ONE)
    issue = report.report_files(finding)["issue.md"].decode()
    for environment in finding.evidence()["environments"]:
        assert environment["runtime"] in issue
        assert environment["driver"] in issue


def test_a_report_of_an_unconfirmed_finding_says_so_before_anything_else():
    issue = report.report_files(load("card-token-fanout"))["issue.md"].decode()
    assert "reported, not confirmed here" in issue.split("## Environment")[0]
    assert "prints OK" in issue


def test_a_fixed_finding_names_the_runtime_that_shows_it():
    finding = load("output-before-elementwise")
    files = {
        name: data.decode() for name, data in report.report_files(finding).items() if name.endswith((".md", ".py"))
    }
    assert "pip install ai-edge-litert==2.1.3 numpy" in files["issue.md"]
    assert "pip install ai-edge-litert==2.1.3 numpy" in files["repro.py"]
    assert "Shows in ai-edge-litert <2.1.6, for example 2.1.3; any other prints OK." in files["repro.py"]
    assert "**Status: fixed.** Shows in LiteRT <2.1.6, LiteRT.js <2.5.3 only." in files["issue.md"]
    assert "fixed in 2.1.6" in files["issue.md"]
    assert "==" not in report.report_files(load(ONE))["issue.md"].decode().split("```console")[1].split("```")[0]


def test_cells_under_another_name_are_shown_as_what_they_are():
    issue = report.report_files(load("same-operand-aborts"))["issue.md"].decode()
    assert "| gpu:lavapipe named Mali-G610, not a Mali | fp32 |  |  |  | CRASH |  |" in issue
    assert "no statement about a Mali" in issue
    assert "gpu:lavapipe, gpu:nvidia-h100-80gb-hbm3, gpu:nvidia-h200 and gpu:swiftshader are independent" in issue


def test_a_finding_that_needs_an_adapters_name_says_how_to_show_it():
    finding = load("mali-thin-pointwise")
    assert finding.needs_name
    assert not load("norm-one-pass-variance").needs_name
    # A GPU's own name is a name, too; a software driver is none.
    assert load("thin-window-of-one-axis").adapter_names == "NVIDIA H100 or Apple M2 or Intel Iris Xe"
    assert not load("half-constant").needs_name
    files = report.report_files(finding)
    issue, script = files["issue.md"].decode(), files["repro.py"].decode()
    named = finding.sample()["target"]
    assert named.partition("@")[2] in finding.adapter_names
    assert f"repro check model.tflite --target {named} --precision fp16" in issue
    assert f"One fp16 run on {named}" in issue
    assert "under its own name, prints OK" in issue
    assert "prints BUG\n" not in issue
    assert "That a Mali shows it: nothing here was run on a Mali" in issue
    assert "and nowhere else; it does not under gpu:lavapipe named Mali-G76, not a Mali" in issue
    assert "| gpu:lavapipe named Mali-G610, not a Mali | fp32 | ok | ok | ok | ok | ok |" in issue
    assert "where the adapter is named Mali-G57 or Mali-G610" in script
    assert '"--fp32" not in sys.argv' in script


def test_a_finding_that_needs_a_phones_delegate_says_how_to_get_it():
    finding = load("fast-math-division")
    assert finding.needs_opencl
    assert not load("mali-thin-pointwise").needs_opencl
    files = report.report_files(finding)
    issue, script = files["issue.md"].decode(), files["repro.py"].decode()
    assert "repro check model.tflite --target gpu:pocl@Mali-G610 --precision fp32" in issue
    assert "after `make opencl`" in issue
    assert "A Vulkan layer" not in issue
    assert "where the adapter is named Mali-G610, over OpenCL" in script


def test_a_bug_of_one_precision_is_shown_in_it():
    assert load(ONE).precision == load("norm-one-pass-variance").precision == "fp32"
    assert "Shows in fp32 only." in report.render_report(load("norm-one-pass-variance"))


def run_script(python: str, script: Path, *options: str, name: str = "") -> subprocess.CompletedProcess[str]:
    """Run repro.py on lavapipe, presented under another adapter name if one is given."""
    lavapipe = next(a for a in adapters() if a.key == "lavapipe")
    # Nothing of this project may be importable: -I ignores PYTHONPATH and the working directory.
    environment = driver_environment(dict(os.environ), Path(lavapipe.manifest), 1)
    environment |= presented_name.naming_environment(name) if name else {}
    command = [python, "-I", str(script), *options]
    return subprocess.run(
        command, capture_output=True, encoding="utf-8", errors="replace", env=environment, timeout=900, check=False
    )


def written_script(finding: Finding, folder: Path) -> Path:
    script = folder / "repro.py"
    script.write_text(report.render_script(finding), encoding="utf-8")
    return script


def answer(ended: subprocess.CompletedProcess[str]) -> tuple[int, str]:
    """Exit code and last line of a script."""
    return ended.returncode, ended.stdout.splitlines()[-1]


@pytest.mark.gpu
@pytest.mark.parametrize("slug", [ONE, "same-operand-aborts"])
def test_the_script_shows_the_bug_and_its_control_is_ok(slug, tmp_path):
    script = written_script(load(slug), tmp_path)
    shown = run_script(sys.executable, script)
    assert answer(shown) == (1, "BUG"), shown.stdout + shown.stderr
    healthy = run_script(sys.executable, script, "--control")
    assert answer(healthy) == (0, "OK"), healthy.stdout + healthy.stderr


@pytest.mark.gpu
@pytest.mark.parametrize("slug", [ONE, "same-operand-aborts"])
def test_without_a_gpu_the_script_cannot_run_and_does_not_say_bug(slug, tmp_path):
    script = written_script(load(slug), tmp_path)
    nowhere = {**os.environ, "VK_DRIVER_FILES": str(tmp_path / "none.json"), "VK_ICD_FILENAMES": ""}
    ended = subprocess.run(
        [sys.executable, "-I", str(script)],
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        env=nowhere,
        timeout=900,
        check=False,
    )
    assert ended.returncode == 2, ended.stdout + ended.stderr
    assert "CANNOT RUN" in ended.stdout
    assert "BUG" not in ended.stdout


@pytest.mark.gpu
def test_the_script_keeps_the_log_to_itself_and_names_host_and_adapter(tmp_path):
    script = written_script(load(ONE), tmp_path)
    shown = run_script(sys.executable, script)
    assert shown.stderr == ""
    assert re.search(r"^host: .*\nai-edge-litert: ", shown.stdout, re.MULTILINE)
    assert re.search(r"^Selected adapter: llvmpipe", shown.stdout, re.MULTILINE)
    assert "INFO" not in shown.stdout
    assert "INFO" in run_script(sys.executable, script, "--log").stderr


def test_a_finding_that_needs_a_setting_says_how_to_ask_for_it():
    finding = load("correlation-fp32-sums")
    files = report.report_files(finding)
    issue, script = files["issue.md"].decode(), files["repro.py"].decode()
    assert "repro check model.tflite --target gpu:lavapipe+precision=3 --precision fp16" in issue
    assert "a setting of the delegate that LiteRT's Python API does not have" in issue
    assert "with the delegate's setting precision=3, which LiteRT's Python API cannot ask for" in script
    assert "prints BUG\n" not in issue


@pytest.mark.gpu
def test_a_script_that_needs_an_adapters_name_shows_the_bug_under_it_only(tmp_path):
    script = written_script(load("mali-thin-pointwise"), tmp_path)
    here = run_script(sys.executable, script)
    assert answer(here) == (0, "OK"), here.stdout + here.stderr
    assert "it shows in fp16 where the adapter is named Mali-G57 or Mali-G610" in here.stdout
    named = run_script(sys.executable, script, name="Mali-G610")
    assert answer(named) == (1, "BUG"), named.stdout + named.stderr
    for option in ("--control", "--fp32", "--cpu"):
        healthy = run_script(sys.executable, script, option, name="Mali-G610")
        assert answer(healthy) == (0, "OK"), healthy.stdout + healthy.stderr
        assert "it shows in fp16" not in healthy.stdout or option == "--fp32"


def test_a_script_that_cannot_run_is_not_a_process_that_ended_itself(tmp_path):
    """Without LiteRT the child ends in a traceback, with the exit code that a failed check has too."""
    script = written_script(load("same-operand-aborts"), tmp_path)
    (tmp_path / "ai_edge_litert").mkdir()
    (tmp_path / "ai_edge_litert" / "__init__.py").write_text("raise ImportError('not here')\n", encoding="utf-8")
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    ended = subprocess.run(
        [sys.executable, str(script)],
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        env=environment,
        timeout=900,
        check=False,
    )
    assert ended.returncode == 2, ended.stdout + ended.stderr
    assert "CANNOT RUN" in ended.stdout
    assert "BUG" not in ended.stdout


@pytest.mark.slow
@pytest.mark.gpu
def test_the_script_of_a_fixed_finding_says_ok_here_and_bug_in_the_runtime_it_names(tmp_path):
    script = written_script(load("output-before-elementwise"), tmp_path)
    here = run_script(sys.executable, script)
    assert answer(here) == (0, "OK"), here.stdout + here.stderr
    # The named runtime is a folder of the cache, put before the installed one.
    older = f"import runpy, sys; sys.path.insert(0, {str(runtime('2.1.3').folder.parent)!r})\n"
    wrapper = tmp_path / "older.py"
    wrapper.write_text(older + f"runpy.run_path({str(script)!r}, run_name='__main__')\n", encoding="utf-8")
    shown = run_script(sys.executable, wrapper)
    assert answer(shown) == (1, "BUG"), shown.stdout + shown.stderr


@pytest.fixture(scope="module")
def bare_python(tmp_path_factory) -> str:
    """A fresh environment with nothing but ai-edge-litert and numpy."""
    home = tmp_path_factory.mktemp("bare")
    venv.create(home, with_pip=True)
    python = str(home / "bin" / "python")
    pip = [python, "-m", "pip", "install", "-q", "--disable-pip-version-check"]
    subprocess.run([*pip, f"{PACKAGE}=={installed().version}", "numpy"], check=True, timeout=900)
    return python


@pytest.mark.gpu
def test_a_bug_smaller_than_the_noise_of_fp16_has_a_tolerance_of_its_own_in_every_script():
    small, usual = load("norm-one-pass-variance"), load(ONE)
    assert (report.tolerance(small), report.tolerance(usual)) == (1e-4, 0.05)
    for finding in (small, usual):
        files = report.report_files(finding)
        for name in ("repro.py", "phone/compare.py"):
            assert ('"--fp16" in sys.argv else 0.0001' in files[name].decode()) == (finding is small)


@pytest.mark.slow
@pytest.mark.parametrize("slug", SHIPPED)
def test_in_a_fresh_environment_the_script_shows_the_bug_and_the_control_is_ok(slug, bare_python, tmp_path):
    finding = load(slug)
    script = written_script(finding, tmp_path)
    by_another_bug = bool(finding.minimal.elsewhere)
    shows_here = bool(finding.showing([installed().version])) and (not finding.shows_only or by_another_bug)
    expected = (1, "BUG") if shows_here else (0, "OK")
    shown = run_script(bare_python, script)
    assert answer(shown) == expected, shown.stdout + shown.stderr
    for option in ("--control", *["--cpu"] * runs_on_cpu(finding)):
        healthy = run_script(bare_python, script, option)
        assert answer(healthy) == (0, "OK"), healthy.stdout + healthy.stderr
