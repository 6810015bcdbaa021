"""docs/trust.md promises nothing that no test holds."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "trust.md").read_text(encoding="utf-8")
PROMISES = re.findall(r"^- (.+?)(?=^- |^$|\Z)", PAGE, re.MULTILINE | re.DOTALL)
HELD = re.compile(r"`(tests/[\w/]+\.py)::(\w+|\*)`")
ELSEWHERE = ("no test of ours can change that", "[docs/judge.md](judge.md)")
"""What marks the two sentences that say themselves that no test here holds them."""


def names_of_tests(path: str) -> set[str]:
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    return {n.name for n in ast.walk(tree) if isinstance(n, ast.FunctionDef) and n.name.startswith("test_")}


def test_there_are_promises():
    assert len(PROMISES) > 25


@pytest.mark.parametrize("promise", PROMISES, ids=lambda promise: promise[:50])
def test_every_promise_is_held_by_tests_that_exist(promise: str):
    held_by = HELD.findall(promise)
    assert held_by or any(mark in promise for mark in ELSEWHERE)
    for path, name in held_by:
        names = names_of_tests(path)
        assert names if name == "*" else name in names, f"{path} has no {name}"
