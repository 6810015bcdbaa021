"""Copies into a wheel what lies beside the packages in a checkout: findings, docs, examples, the suite's tests."""

from __future__ import annotations

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

SUITE = "repro/shipped/suite/tests"
BESIDE = {
    "findings": "repro/shipped/findings",
    "docs/examples": "repro/shipped/examples",
    **{str(page): f"repro/shipped/{page.as_posix()}" for page in Path("docs").glob("*.md")},
    "constraints.txt": "runner/setup/constraints.txt",
    "tests/__init__.py": f"{SUITE}/__init__.py",
    "tests/suite.py": f"{SUITE}/suite.py",
    "tests/device_choice.py": f"{SUITE}/device_choice.py",
    "tests/known_bugs.py": f"{SUITE}/known_bugs.py",
    "tests/test_catalogue.py": f"{SUITE}/test_catalogue.py",
    "tests/device": f"{SUITE}/device",
}
"""Folder or file of the checkout -> its place in the wheel."""


class BuildWithFindings(build_py):
    """An editable installation reads them where they lie, so only a real build copies."""

    def run(self) -> None:
        super().run()
        if self.editable_mode:
            return
        for source, place in BESIDE.items():
            target = Path(self.build_lib, place)
            target.parent.mkdir(parents=True, exist_ok=True)
            if Path(source).is_dir():
                shutil.copytree(source, target, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copyfile(source, target)


setup(cmdclass={"build_py": BuildWithFindings})
