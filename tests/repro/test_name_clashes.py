"""Started in a repository that has `models`, `cases` and `runner` of its own, ours are used where ours are meant.

Each test starts Python in such a folder. The project itself comes last on PYTHONPATH, as it does when it is installed.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from repro.own_packages import NAMES, claim
from runner.errors import BadInput, NameClash

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / "docs" / "examples" / "two_graphs"
DFINE = ROOT / "models" / "dfine" / "shipped.toml"
REPRO = "import sys; from repro.cli import entry; sys.path.pop(0); entry()"
"""What the console script does: -c puts the current folder on sys.path, the script does not."""

CHECK = ("check", "head.tflite", "--target", "cpu")
HALVE = "from models.factors import HALF\ndef scale(features_x2): return {'features': features_x2 * HALF}\n"
BROKEN = "raise RuntimeError('a stray file was imported')\n"


def write(folder: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")


def repository(folder: Path, kind: str) -> Path:
    """The worked example in a repository with our three names in it, as this kind of thing."""
    for file in EXAMPLE.iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    for name in NAMES:
        if kind == "modules":
            write(folder, {f"{name}.py": "WORD = 'theirs'\n"})
        elif kind == "data":
            write(folder, {f"{name}/weights.txt": "1 2 3\n"})
        else:
            write(
                folder,
                {f"{name}/theirs.py": "WORD = 'theirs'\n", f"{name}/errors.py": BROKEN, f"{name}/run.py": BROKEN},
            )
            write(
                folder,
                {f"{name}/graph.py": BROKEN, f"{name}/host/worker.py": BROKEN, f"{name}/dfine/detect.py": BROKEN},
            )
            if kind == "packages":
                write(
                    folder, {f"{name}/__init__.py": "", f"{name}/host/__init__.py": "", f"{name}/dfine/__init__.py": ""}
                )
    return folder


def with_host_step(folder: Path) -> Path:
    """Its layout's head takes the features as they are: `models.post:scale` of the repository halves them before."""
    write(folder, {"models/post.py": HALVE, "models/factors.py": "HALF = 0.5\n"})
    text = (folder / "split.toml").read_text(encoding="utf-8")
    head = 'file = "head.tflite"\ninputs = ["features_x2", "summary"]'
    assert head in text
    text = text.replace(head, 'file = "naive_head.tflite"\ninputs = ["features", "summary"]')
    host = (
        "[[host]]\nname = 'halve'\nfunction = 'models.post:scale'\ninputs = ['features_x2']\noutputs = ['features']\n"
    )
    (folder / "split.toml").write_text(text.replace("[reference]", f"{host}\n[reference]"), encoding="utf-8")
    return folder


EDITABLE = f"""
import sys
from importlib.machinery import PathFinder


class Editable:
    def find_spec(self, name, path=None, target=None):
        return PathFinder.find_spec(name, [{str(ROOT)!r}]) if name in {("repro", *NAMES)} else None


sys.meta_path.insert(sys.meta_path.index(PathFinder) + 1, Editable())
"""
"""How an editable installation is found: after all of sys.path, so that even a plain folder hides it."""


def start(folder: Path, *arguments: str, first: str = "", editable: bool = False) -> subprocess.CompletedProcess[str]:
    """Python in a folder. first: what the user put on PYTHONPATH."""
    last = ROOT
    if editable:
        last = folder / "site"
        write(last, {"sitecustomize.py": EDITABLE})
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, (first, str(last))))}
    environment |= {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTHONSAFEPATH": ""}
    command = [sys.executable, *arguments]
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, encoding="utf-8", timeout=120, check=False
    )


def output_of(folder: Path, script: str, first: str = "") -> str:
    """What a Python script in the folder prints."""
    (folder / "script.py").write_text(script, encoding="utf-8")
    done = start(folder, "script.py", first=first)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout.strip()


def refusal_of(folder: Path, script: str, editable: bool = False) -> str:
    """The last line of the error that a Python script in the folder ends in."""
    (folder / "script.py").write_text(script, encoding="utf-8")
    done = start(folder, "script.py", editable=editable)
    assert done.returncode == 1
    return done.stderr.strip().splitlines()[-1]


GATE = """
from pathlib import Path
from repro.layouts.gate import gate
from repro.layouts.reader import read_layout
from runner import targets
from runner.run import Precision
with targets.open_target("cpu") as cpu:
    report = gate(read_layout(Path("split.toml")), cpu, Precision.FP32, None, lambda text: None)
assert report.passed, report.refusals
"""
NEEDS_OUR_MODELS = f"""
from pathlib import Path
from repro.layouts.named_functions import named_function
named_function(Path({str(DFINE)!r}), "models.dfine.split:shipped_host")
"""


@pytest.mark.parametrize(
    ("command", "first"),
    [
        (("-c", REPRO), ""),
        pytest.param(("-c", REPRO), ".", marks=pytest.mark.slow),
        pytest.param(("-m", "repro"), "", marks=pytest.mark.slow),
        (("-m", "repro"), "."),
    ],
    ids=["repro", "PYTHONPATH=. repro", "python -m repro", "PYTHONPATH=. python -m repro"],
)
def test_a_model_is_checked_beside_packages_of_our_names(tmp_path, command, first):
    done = start(repository(tmp_path, "packages"), *command, *CHECK, first=first)
    assert done.returncode == 0, done.stderr[-2000:]
    assert "output 0 'y' PASS" in done.stdout


@pytest.mark.parametrize(
    ("kind", "editable"),
    [
        ("plain folders", False),
        ("packages", True),
        *(
            pytest.param(*rest, marks=pytest.mark.slow)
            for rest in (("modules", False), ("plain folders", True), ("data", True))
        ),
    ],
)
def test_a_model_is_checked_beside_whatever_bears_our_names(tmp_path, kind, editable):
    done = start(repository(tmp_path, kind), "-m", "repro", *CHECK, first=".", editable=editable)
    assert done.returncode == 0, done.stderr[-2000:]
    assert "output 0 'y' PASS" in done.stdout


def test_all_that_needs_our_models_finds_them(tmp_path):
    done = start(repository(tmp_path, "packages"), "-m", "repro", "detect", "--help", first=".")
    assert done.returncode == 0, done.stderr[-2000:]


@pytest.mark.parametrize(("kind", "first"), [("packages", ""), ("packages", "."), ("plain folders", "")])
def test_a_layout_is_gated_with_the_users_function(tmp_path, kind, first):
    folder = with_host_step(repository(tmp_path, kind))
    done = start(folder, "-m", "repro", "gate", "split.toml", "--target", "cpu", "--json", first=first)
    assert done.returncode == 0, done.stderr[-2000:]
    assert '"check":"chain"' in done.stdout.replace(" ", "")


def test_the_users_own_models_can_be_had_beside_repro(tmp_path):
    """In one process, in either order: a gate needs our `models` only for our own layouts."""
    folder = with_host_step(repository(tmp_path, "packages"))
    before = f"from models.theirs import WORD\nimport repro\n{GATE}\nprint(WORD)"
    after = f"import repro\n{GATE}\nfrom models.theirs import WORD\nprint(WORD)"
    assert output_of(folder, before) == "theirs"
    assert output_of(folder, after) == "theirs"


@pytest.mark.parametrize("name", ["cases", "runner"])
@pytest.mark.parametrize("kind", ["packages", "plain folders", "modules"])
def test_what_was_imported_first_is_named_when_repro_cannot_have_it(tmp_path, name, kind):
    """A plain folder is imported only before an editable installation: an installed package goes before it."""
    folder = repository(tmp_path, kind)
    line = refusal_of(folder, f"import {name}\nimport repro", editable=kind == "plain folders")
    assert line.startswith(
        f"repro.own_errors.NameClash: '{name}' of mali-delegate-repro is needed, but this process has"
    )
    assert f"another '{name}' ({folder / name}" in line
    assert "run the `repro` command in its place" in line


def test_our_own_layouts_are_refused_where_models_is_the_users(tmp_path):
    folder = repository(tmp_path, "packages")
    line = refusal_of(folder, f"import models\n{NEEDS_OUR_MODELS}")
    assert line.startswith("runner.errors.NameClash: 'models' of mali-delegate-repro is needed, but this process has")


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    "statement",
    [
        "from {} import WORD",
        *(pytest.param(rest, marks=pytest.mark.slow) for rest in ("from {} import theirs", "import {}.theirs")),
    ],
)
def test_what_repro_holds_is_named_when_the_user_cannot_have_it(tmp_path, name, statement):
    folder = repository(tmp_path, "packages")
    taken = NEEDS_OUR_MODELS if name == "models" else "import repro"
    line = refusal_of(folder, f"{taken}\n{statement.format(name)}")
    wanted = f"{name}.{'WORD' if 'WORD' in statement else 'theirs'}"
    assert f"NameClash: '{wanted}' is looked for in mali-delegate-repro's own '{name}' ({ROOT / name})" in line
    assert f"which hides yours ({folder / name / '__init__.py'})" in line


def test_a_module_that_nobody_has_is_an_ordinary_error(tmp_path):
    line = refusal_of(repository(tmp_path, "data"), "import repro\nimport cases.absent")
    assert line == "ModuleNotFoundError: No module named 'cases.absent'"


def test_pytest_in_the_users_repository(tmp_path):
    """rootdir on sys.path by its conftest.py; theirs first, then ours, both used."""
    folder = with_host_step(repository(tmp_path, "packages"))
    test = "from models.theirs import WORD\nimport repro\ndef test_gate():\n    assert WORD == 'theirs'\n"
    write(folder, {"conftest.py": "", "tests/test_gate.py": test + GATE.replace("\n", "\n    ")})
    done = start(folder, "-c", "import sys, pytest; sys.path.pop(0); sys.exit(pytest.main(['-q', 'tests']))")
    assert done.returncode == 0, done.stdout[-2000:]


def test_pytest_says_in_one_line_what_clashes_and_never_skips_it(tmp_path):
    folder = repository(tmp_path, "packages")
    write(folder, {"pytest.ini": "[pytest]\npythonpath = .\n", "tests/test_launch.py": "import runner.theirs\n"})
    write(folder, {"tests/test_right.py": "import pytest\nrepro = pytest.importorskip('repro')\ndef test(): pass\n"})
    done = start(folder, "-m", "pytest", "-q", "tests")
    assert done.returncode == 2, done.stdout
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("E ")]
    assert "NameClash: 'runner' of mali-delegate-repro is needed" in line
    assert "skipped" not in done.stdout


def test_import_repro_imports_nothing_heavy_and_nothing_of_ours(tmp_path):
    script = "import sys, repro\nprint(sorted(set(sys.modules) & {'numpy', 'click', 'cases', 'models', 'runner'}))"
    assert output_of(tmp_path, script) == "[]"


def test_a_claimed_name_is_checked_before_anything_is_claimed(monkeypatch):
    monkeypatch.setitem(sys.modules, "models", type(sys)("models"))
    with pytest.raises(NameClash, match=r"another 'models' \(built in\)") as raised:
        claim("models")
    assert isinstance(raised.value, BadInput)
