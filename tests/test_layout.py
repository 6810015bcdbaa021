"""The layout of the code keeps its rules: imports go down only, and nothing carries a machine's path or an address."""

from __future__ import annotations

import ast
import functools
import os
import re
import subprocess
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path

import pytest

import repro
from tests import layout

ROOT = Path(__file__).resolve().parent.parent
FLOOR = {"repro": 3, "cases": 2, "models": 2, "runner": 1}
MODULES = sorted(p for package in FLOOR for p in (ROOT / package).rglob("*.py"))

# Which wing may import which: only those of a lower floor. A wing that is not here has no place yet: give it one.
FLOORS_OF_WINGS = {
    "repro": [
        {"records", "delegate", "drawings", "own_packages"},
        {"verdicts", "hazards"},
        {"judges"},
        {"campaigns", "layouts", "trials"},
        {"fixes", "matrix", "own_cases", "reducer", "remote", "restarts", "selftest"},
        {"findings", "fuzzer", "api", "changes", "ingest"},
        {"display"},
        {"pages"},
        {"commands", "for_pytest"},
        {"cli"},
        {"__main__"},
    ],
    "cases": [
        {"graph"},
        {"case", "inputs", "shapes", "tflite"},
        {"builder", "edit", "evaluation", "with_torch"},
        {"families", "input_plan", "random_builder"},
        {"drawn_ops"},
        {"findings"},
        {"catalogue"},
        {"shipping"},
    ],
    "runner": [
        {"encoding"},
        {"dies_with_parent", "errors", "flatbuffer", "litert", "partition_log", "python_child", "residency", "run"}
        | {"runtime_version", "source_version", "stopping", "webgpu_log"},
        {"children", "memory", "scratch"},
        {
            "adapter_families",
            "c_compiler",
            "cache",
            "deadline",
            "delegate_settings",
            "known_downloads",
            "npz",
            "presented",
            "target",
            "wheels",
        },
        {"installation", "opencl", "store"},
        {"web"},
        {"runtimes"},
        {"host"},
        {"adb"},
        {"bundle"},
        {"targets"},
        {"checkup"},
    ],
}


# One test looks at all modules: a test for each of them took longer to be collected than to run.
@functools.cache
def nodes(path: Path) -> tuple[ast.AST, ...]:
    return tuple(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def imported_packages(path: Path) -> set[str]:
    found = set()
    for node in nodes(path):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            found.add(node.module.partition(".")[0])
    return found


def imported_from_above(path: Path) -> set[str]:
    package = path.relative_to(ROOT).parts[0]
    above = {name for name, floor in FLOOR.items() if floor > FLOOR[package]} | {"tests"}
    # models may use the graph language; cases know no real model.
    beside = {name for name, floor in FLOOR.items() if floor == FLOOR[package]} - {package}
    return imported_packages(path) & (above | (beside if package == "cases" else set()))


def test_imports_go_down_only():
    assert len(MODULES) > 500
    assert {name_of(path): up for path in MODULES if (up := imported_from_above(path))} == {}


@pytest.mark.parametrize("package", FLOORS_OF_WINGS)
def test_wings_import_lower_floors_only(package: str):
    floor = {f"{package}.{wing}": n for n, wings in enumerate(FLOORS_OF_WINGS[package], 1) for wing in wings}
    reached = {w: b for w, b in layout.wing_imports().items() if w.partition(".")[0] == package and w != package}
    assert set(reached) == set(floor), "a wing came or went: give it its floor in FLOORS_OF_WINGS"
    upwards = {
        f"{wing} (floor {floor[wing]}) imports {below} (floor {floor[below]})"
        for wing, belows in reached.items()
        for below in belows
        if below in floor and floor[below] >= floor[wing]
    }
    assert upwards == set()


def test_no_wings_of_any_package_import_each_other():
    assert layout.circles(layout.wing_imports()) == []


def test_a_circle_and_an_import_upwards_are_seen(tmp_path: Path):
    texts = {
        "a/x.py": "from repro.b import y\n",
        "b/y.py": "def f():\n    import repro.a.x\n",
        "c.py": "import repro.a.x\n",
    }
    for name, text in texts.items():
        (tmp_path / "repro" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "repro" / name).write_text(text, encoding="utf-8")
    reached = layout.wing_imports(tmp_path)
    assert layout.circles(reached) == [("repro.a", "repro.b")]
    with pytest.raises(ValueError, match=r"repro\.a.*repro\.b"):
        layout.floors(reached)
    del reached["repro.b"]
    assert layout.floors({"repro.b": set(), **reached}) == {"repro.b": 1, "repro.a": 2, "repro.c": 3}


def test_no_wing_and_no_flat_module_of_repro_bears_an_exported_name():
    """`repro.check` is always the function, never a module that happens to be imported already."""
    wings = {p.stem for p in (ROOT / "repro").iterdir() if p.is_dir() or p.suffix == ".py"}
    assert wings & set(repro.__all__) == set()


def test_every_wing_says_in_a_line_what_it_is():
    folders = {p.parent for p in MODULES if p.parent.parent.parent == ROOT}
    silent = [
        str(f.relative_to(ROOT)) for f in folders if not ast.get_docstring(ast.parse((f / "__init__.py").read_bytes()))
    ]
    assert silent == []


def test_the_library_leaves_the_name_models_to_the_user():
    """Many a repository has a `models`: only commands import ours by name, and repro/commands claims it for them."""
    users = {
        str(path.relative_to(ROOT / "repro"))
        for path in (ROOT / "repro").rglob("*.py")
        if "models" in imported_packages(path)
    }
    # The drawing is called by a command; the matching has only its types by name, and loads the module by path; what
    # answers for the list of public models is run by itself.
    assert {name for name in users if not name.startswith("commands/")} <= {
        "display/boxes_on_image.py",
        "layouts/detections.py",
        "selftest/real_models.py",
    }


def tracked_files(root: Path = ROOT) -> list[Path]:
    """What git tracks; in an exported tree, which has no .git, all that .gitignore does not name."""
    if not (root / ".git").exists():
        return sorted(_not_ignored(root))
    # A clone that another user made, as in a container, is read here, not trusted.
    command = ["git", "-c", "safe.directory=*", "ls-files", "-z"]
    listed = subprocess.run(command, cwd=root, capture_output=True, check=True).stdout
    return [root / name for name in listed.decode().split("\0") if name]


def _not_ignored(root: Path) -> Iterator[Path]:
    """Of .gitignore's patterns only those that it uses: a name, anywhere or from the root on, of a folder or file."""
    patterns = [line.strip("/") for line in (root / ".gitignore").read_text(encoding="utf-8").splitlines() if line]
    for folder, folders, files in os.walk(root):
        folders[:] = [name for name in folders if not any(fnmatch(name, pattern) for pattern in patterns)]
        yield from (Path(folder) / name for name in files if not any(fnmatch(name, pattern) for pattern in patterns))


def test_an_exported_tree_has_the_files_that_are_tracked(tmp_path: Path):
    names = ["repro/a.py", "repro/fixes/b.toml", ".gitignore"]
    for name in (*names, ".venv/c.py", "repro/__pycache__/d.pyc", "build/e", "x.egg-info/f", ".mypy_cache/g"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / ".gitignore").write_bytes((ROOT / ".gitignore").read_bytes())
    assert tracked_files(tmp_path) == sorted(tmp_path / name for name in names)


def test_no_registry_address_and_no_machine_path_in_any_tracked_file():
    forbidden = re.compile(
        rb"https?://(?:[a-z0-9.-]*\.)?(?:pypi\.org|pythonhosted\.org|deb\.debian\.org|registry\.npmjs\.org|download\.pytorch\.org)"
        rb"|/(?:root|home)/[a-z]|/work/(?:main|shared)"
    )
    offenders = []
    for path in tracked_files():
        if path.suffix in (".tflite", ".png", ".jpg", ".npz", ".bin") or not path.exists():
            continue
        # These two name such paths in order to search for them.
        if path.name in (Path(__file__).name, "test_report.py"):
            continue
        if forbidden.search(path.read_bytes()):
            offenders.append(str(path.relative_to(ROOT)))
    assert offenders == []


def test_constraints_are_exact_pins_without_addresses():
    lines = [
        line
        for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
        if line and not line.startswith("#")
    ]
    assert lines
    assert [line for line in lines if not re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9._+!-]+", line)] == []


def test_no_module_is_a_drawer():
    names = {p.stem for p in MODULES}
    assert names & {"utils", "helpers", "common", "misc"} == set()


def reads_or_writes_text(call: ast.Call) -> bool:
    """Whether a call makes text of bytes or bytes of text, so that it has to say how."""
    name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
    if name == "open":
        # The mode of Path.open is its first argument, that of open the second; other things are opened without one.
        mode = call.args[isinstance(call.func, ast.Name) :][:1]
        text = isinstance(mode[0], ast.Constant) and "b" not in str(mode[0].value) if mode else not call.args
        return text or (isinstance(call.func, ast.Name) and len(call.args) == 1)
    return name in ("read_text", "write_text") or any(
        k.arg in ("text", "universal_newlines") and getattr(k.value, "value", None) is True for k in call.keywords
    )


def lines_without_encoding(path: Path) -> list[int]:
    calls = [node for node in nodes(path) if isinstance(node, ast.Call)]
    return [c.lineno for c in calls if reads_or_writes_text(c) and "encoding" not in {k.arg for k in c.keywords}]


def test_text_is_utf_8_in_every_locale():
    paths = [*MODULES, *sorted((ROOT / "tests").rglob("*.py"))]
    lacking = {name_of(path): lines for path in paths if (lines := lines_without_encoding(path))}
    assert lacking == {}, "give encoding='utf-8' on these lines"


SPOKEN_BY = {
    "rich.console": {"repro/display/console.py"},
    "rich.markup": set(),
    "rich.text": {"repro/display/console.py"},
    "html": {"runner/encoding.py"},
    "shlex": {"runner/encoding.py", "runner/scratch.py"},
    "xml.sax.saxutils": set(),
}
"""Who may use what writes or escapes text: everybody else names the place to runner/encoding.py or has a Screen."""


def encoders_of_others(path: Path) -> set[str]:
    imported = {node.module for node in nodes(path) if isinstance(node, ast.ImportFrom)} | {
        alias.name for node in nodes(path) if isinstance(node, ast.Import) for alias in node.names
    }
    return {module for module, users in SPOKEN_BY.items() if module in imported and name_of(path) not in users}


def echoed_sentences(path: Path) -> list[int]:
    """What is echoed as it is has been encoded in the same call, and is no sentence that was put together here."""
    return [
        call.lineno
        for call in nodes(path)
        if isinstance(call, ast.Call)
        and ast.unparse(call.func) in ("click.echo", "print")
        and any(isinstance(part, ast.JoinedStr | ast.BinOp) for part in call.args)
    ]


def test_text_is_encoded_in_one_place():
    """The selftest prints its own draws only, and a script of models/ what its user named."""
    spoken = [path for path in MODULES if not name_of(path).startswith(("repro/selftest/", "models/"))]
    assert {name_of(path): found for path in spoken if (found := encoders_of_others(path))} == {}
    echoed = {name_of(path): lines for path in spoken if (lines := echoed_sentences(path))}
    assert echoed == {}, "echo_line or a Screen says it"
