"""The version of code follows its imports: what decides a result cannot be left out by forgetting it."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from runner import source_version as source_version_module
from runner.source_version import ROOT, closure, source_version

TREE = {
    "repro/__init__.py": "",
    "repro/judge/__init__.py": "",
    "repro/judge/rule.py": "from cases.shapes import window\n",
    "repro/judge/words.py": "def say():\n    import runner.run\n",
    "repro/table.py": "from repro.judge import rule\n",
    "cases/shapes.py": "import numpy\n",
    "runner/run.py": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from cases import never\n",
    "cases/never.py": "",
}


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for name, text in TREE.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    return tmp_path


def names(paths: list[Path], root: Path) -> set[str]:
    return {path.relative_to(root).as_posix() for path in paths}


def test_a_package_stands_for_its_modules_and_for_what_they_import_wherever_the_import_stands(tree: Path):
    assert names(closure("repro.judge", root=tree), tree) == {
        "repro/judge/__init__.py",
        "repro/judge/rule.py",
        "repro/judge/words.py",
        "cases/shapes.py",
        "runner/run.py",
    }


def test_an_import_for_type_checking_only_is_never_run_and_does_not_count(tree: Path):
    assert "cases/never.py" not in names(closure("runner.run", root=tree), tree)


def test_an_import_of_a_module_through_its_package_is_followed(tree: Path):
    assert "repro/judge/rule.py" in names(closure("repro.table", root=tree), tree)


def test_a_name_of_nothing_here_is_refused():
    with pytest.raises(ValueError, match="no module of this project"):
        source_version("repro.nowhere")


def test_the_judge_knows_what_the_list_by_hand_forgot():
    judge = names(closure("repro.verdicts"), ROOT)
    assert {
        "repro/verdicts/misplaced_values.py",
        "repro/verdicts/verdict.py",
        "cases/shapes.py",
        "runner/run.py",
        "cases/evaluation/evaluate.py",
    } <= judge
    # A journal must outlive a change of the screen, of the fuzzer, of how a phone is reached.
    assert not [
        name for name in judge if name.startswith(("repro/display", "repro/fuzzer", "runner/adb", "runner/host"))
    ]


def test_files_are_parsed_in_one_thread_at_a_time(monkeypatch: pytest.MonkeyPatch):
    modules = ["runner.cache", "runner.errors", "cases.graph", "repro.records"]
    alone = [source_version(name) for name in modules]
    begin, inside = threading.Barrier(len(modules)), threading.Lock()

    def watched(*names: str) -> list[Path]:
        assert inside.acquire(blocking=False), "another thread is parsing"
        time.sleep(0.01)
        inside.release()
        return closure(*names)

    def ask(name: str) -> str:
        begin.wait(60)
        return source_version.__wrapped__(name)

    monkeypatch.setattr(source_version_module, "closure", watched)
    with ThreadPoolExecutor(len(modules)) as threads:
        assert list(threads.map(ask, modules)) == alone
