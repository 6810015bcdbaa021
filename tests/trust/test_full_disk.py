"""A full disk, a read-only cache, no home, no folder for temporary files: one line, exit 2 or 3, nothing half-written.

Exit 1 means findings, so none of these may be it.
"""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.trust.full_disk import ROOT, Ended, on_a_disk

MODEL = "findings/add-output-feeds-reduction/models/minimal.tflite"
LAYOUT = "docs/examples/two_graphs/split.toml"
RESULTS = (".sarif", ".xml", ".html", ".json", ".npz", ".tflite", ".md", ".py", ".png", ".toml", ".part")


def said_once(ended: Ended) -> str:
    """The one line, after checking that it is one, and what else must hold."""
    assert ended.code in (2, 3), ended.err
    assert "Traceback" not in ended.err
    (problem,) = ended.problems
    assert [name for _, name in ended.left if name.endswith(RESULTS)] == []
    return problem


@pytest.fixture
def disk(tmp_path: Path) -> Path:
    (tmp_path / "disk").mkdir()
    return tmp_path / "disk"


OUTPUTS = {
    "lint --sarif": ["lint", MODEL, "--sarif", "{disk}/out.sarif"],
    "run --junit": ["run", "fanout/add-to-2", "--target", "cpu", "--junit", "{disk}/out.xml"],
    "run --html": ["run", "fanout/add-to-2", "--target", "cpu", "--html", "{disk}/out.html"],
    "run --save": ["run", "fanout/add-to-2", "--target", "cpu", "--again", "--save", "{disk}/saved"],
    "check --save": ["check", MODEL, "--target", "cpu:reference", "--save", "{disk}/saved"],
    "gate --junit": ["gate", LAYOUT, "--target", "cpu", "--junit", "{disk}/out.xml"],
    "report --out": ["report", "add-output-feeds-reduction", "--out", "{disk}/report"],
    "fuzz --corpus": ["fuzz", "--target", "cpu:reference", "--seconds", "2", "--corpus", "{disk}/corpus"],
    "matrix --out": ["matrix", MODEL, "--target", "cpu:reference", "--runtime", "2.3.0", "--out", "{disk}/out.json"],
    "reduce --out": ["reduce", MODEL, "--target", "cpu:reference", "--out", "{disk}/reduced"],
}


@pytest.mark.parametrize(
    "name", [name if name.startswith("lint") else pytest.param(name, marks=pytest.mark.slow) for name in OUTPUTS]
)
def test_an_output_on_a_full_disk_is_one_line_and_no_file(disk: Path, name: str):
    words = [word.format(disk=disk) for word in OUTPUTS[name]]
    problem = said_once(on_a_disk(disk, words, {}))
    assert "No space left on device" in problem or "disk is full" in problem
    assert str(disk) in problem


@pytest.mark.gpu
@pytest.mark.slow
def test_a_mended_model_on_a_full_disk_is_one_line_and_no_file(disk: Path):
    problem = said_once(on_a_disk(disk, ["fix", MODEL, "--precision", "fp32", "-o", f"{disk}/out.tflite"], {}))
    assert "out.tflite' cannot be written (No space left on device)" in problem


CACHED = {
    "run": ["run", "fanout/add-to-2", "--target", "cpu"],
    "check": ["check", MODEL, "--target", "cpu:reference"],
    "gate": ["gate", LAYOUT, "--target", "cpu"],
    "fuzz": ["fuzz", "--target", "cpu:reference", "--seconds", "2"],
    "prepare": ["prepare", "fanout/add-to-2"],
}


@pytest.mark.slow
@pytest.mark.parametrize("size", ["8k", "64k", "200k"])
@pytest.mark.parametrize("name", CACHED)
def test_a_cache_that_fills_up_is_one_line(disk: Path, name: str, size: str):
    """The smaller the disk, the earlier it is full: at the first entry, in the middle, at the journal."""
    ended = on_a_disk(disk, CACHED[name], {"REPRO_CACHE": f"{disk}/cache"}, size=size, is_full=False)
    if ended.code == 0 and size != "8k":  # it was enough
        assert ended.problems == []
        return
    assert ended.code in (2, 3), ended.err
    (problem,) = ended.problems
    assert "No space left on device" in problem or "disk is full" in problem
    assert "REPRO_CACHE" in problem
    assert [name for length, name in ended.left if length == 0 and name.endswith(RESULTS)] == []


@pytest.mark.slow
@pytest.mark.parametrize("name", CACHED)
def test_a_read_only_cache_is_one_line(disk: Path, name: str):
    problem = said_once(on_a_disk(disk, CACHED[name], {"REPRO_CACHE": str(disk)}, is_read_only=True, is_full=False))
    assert "Read-only file system" in problem or "unable to open database file" in problem
    assert "REPRO_CACHE" in problem


@pytest.mark.slow
@pytest.mark.parametrize("is_read_only", [False, True], ids=["full", "read-only"])
def test_the_doctor_says_that_the_cache_cannot_be_written(disk: Path, is_read_only: bool):
    ended = on_a_disk(
        disk, ["doctor", "--json"], {"REPRO_CACHE": str(disk)}, is_read_only=is_read_only, is_full=not is_read_only
    )
    assert ended.code == 3, ended.err
    assert "Traceback" not in ended.err
    why = "Read-only file system" if is_read_only else "No space left on device"
    assert f"{disk} cannot be written ({why})" in ended.out
    assert "set REPRO_CACHE to another folder" in ended.out


# --- what needs no disk of its own -----------------------------------------------------------------------


def repro(
    *words: str, stdout: str | None = None, before: Callable[[], None] | None = None, code: str = "", **environment: str
) -> tuple[int, str]:
    """(exit code, stderr) of `repro WORDS`, or of `code` and then the console script. Empty values are unset."""
    start = ["-c", f"{code}\nfrom repro.cli import entry\nentry()"] if code else ["-m", "repro"]
    kept = {key: value for key, value in {**os.environ, **environment}.items() if value}
    with open(stdout or os.devnull, "wb") as out:  # noqa: PTH123
        done = subprocess.run(
            [sys.executable, *start, *words],
            cwd=ROOT,
            env=kept,
            stdout=out,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            timeout=280,
            preexec_fn=before,
            check=False,
        )
    return done.returncode, done.stderr


@pytest.mark.parametrize(
    "words",
    [
        ("lint", MODEL),
        pytest.param(("lint", MODEL, "--json"), marks=pytest.mark.slow),
        pytest.param(("list", "--json"), marks=pytest.mark.slow),
        pytest.param(("lint", MODEL, "--sarif", "-"), marks=pytest.mark.slow),
        pytest.param(("finding", "list"), marks=pytest.mark.slow),
        pytest.param(("check", MODEL, "--target", "cpu:reference", "--json"), marks=pytest.mark.slow),
    ],
    ids=" ".join,
)
def test_what_is_printed_on_a_full_disk_is_one_line_and_not_exit_1(words: tuple[str, ...]):
    code, err = repro(*words, stdout="/dev/full")
    assert code == 2, err
    (problem,) = (line for line in err.splitlines() if line.startswith("repro: "))
    assert "the output cannot be written (No space left on device); make room" in problem
    assert "Traceback" not in err
    assert "Exception ignored" not in err


def test_where_not_even_the_line_can_be_written_the_exit_code_says_it():
    script = "import os\nos.dup2(os.open('/dev/full', os.O_WRONLY), 2)"
    code, _ = repro("lint", MODEL, stdout="/dev/full", code=script)
    assert code == 2


def short_files() -> None:
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))


def test_a_limit_on_the_size_of_files_leaves_no_short_file(tmp_path: Path):
    code, err = repro("lint", MODEL, "--sarif", str(tmp_path / "out.sarif"), before=short_files)
    assert code == 2, err
    assert err.splitlines() == [
        f"repro: '{tmp_path}/out.sarif' cannot be written (File too large); make room, or name another place"
    ]
    assert list(tmp_path.iterdir()) == []


NO_SCRATCH = "import tempfile\ntempfile._candidate_tempdir_list = lambda: ['/nonexistent']"


@pytest.mark.parametrize(
    "words",
    [
        ("check", MODEL, "--target", "cpu:reference"),
        pytest.param(("gate", LAYOUT, "--target", "cpu"), marks=pytest.mark.slow),
        pytest.param(("fuzz", "--target", "cpu:reference", "--seconds", "2"), marks=pytest.mark.slow),
    ],
    ids=lambda words: words[0],
)
def test_without_a_folder_for_temporary_files_it_is_one_line(words: tuple[str, ...]):
    code, err = repro(*words, code=NO_SCRATCH)
    assert code == 2, err
    (problem,) = (line for line in err.splitlines() if line.startswith("repro: "))
    assert problem.endswith(
        "No usable temporary directory found in ['/nonexistent']; set TMPDIR to a folder that can be written"
    )
    assert "Traceback" not in err


@pytest.mark.parametrize("home", ["/dev/null", pytest.param("/proc/self/nowhere", marks=pytest.mark.slow)])
def test_a_home_that_cannot_be_written_is_one_line(home: str):
    """As CI systems and containers set it. What needs no cache works all the same."""
    nowhere = {"HOME": home, "REPRO_CACHE": "", "XDG_CACHE_HOME": ""}
    code, err = repro("check", MODEL, "--target", "cpu:reference", **nowhere)
    assert code == 2, err
    (problem,) = (line for line in err.splitlines() if line.startswith("repro: "))
    assert f"the cache folder {home}/.cache/mali-delegate-repro cannot be made" in problem
    assert "set REPRO_CACHE to another" in problem
    assert repro("lint", MODEL, **nowhere)[0] == 1
