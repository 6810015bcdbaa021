"""The house keeps its rules: imports go down only, and nothing carries a machine's path or a registry's address."""

from __future__ import annotations

import ast
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
FLOOR = {"repro": 3, "cases": 2, "models": 2, "runner": 1}
MODULES = sorted(p for package in FLOOR for p in (ROOT / package).rglob("*.py"))


def imported_packages(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            found.add(node.module.partition(".")[0])
    return found


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_go_down_only(path: Path):
    package = path.relative_to(ROOT).parts[0]
    above = {name for name, floor in FLOOR.items() if floor > FLOOR[package]}
    beside = {name for name, floor in FLOOR.items() if floor == FLOOR[package]} - {package}
    used = imported_packages(path)
    assert not used & above, f"{path.name} imports upwards: {used & above}"
    # models may use the graph language; cases know no real model.
    assert not (used & beside and package == "cases"), f"{path.name} imports {used & beside}"
    assert "tests" not in used


def test_the_library_leaves_the_name_models_to_the_user():
    """Many a repository has a `models`: only commands import ours by name, and repro/commands claims it for them."""
    users = {
        str(path.relative_to(ROOT / "repro"))
        for path in (ROOT / "repro").rglob("*.py")
        if "models" in imported_packages(path)
    }
    # The drawing is called by a command; the matching has only its types by name, and loads the module by path.
    assert {name for name in users if not name.startswith("commands/")} <= {
        "display/detections.py",
        "layouts/detections.py",
    }


def tracked_files() -> list[Path]:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout
    return [ROOT / name for name in listed.decode().split("\0") if name]


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
    lines = [line for line in (ROOT / "constraints.txt").read_text().splitlines() if line and not line.startswith("#")]
    assert lines
    assert [line for line in lines if not re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9._+!-]+", line)] == []


def test_no_module_is_a_drawer():
    names = {p.stem for p in MODULES}
    assert names & {"utils", "helpers", "common", "misc"} == set()
