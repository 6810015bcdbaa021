"""Fixtures of the findings' tests."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from repro.findings.reader import load
from repro.records.folders import FINDINGS
from tests.repro.findings.shipped import ONE


@pytest.fixture
def copy(tmp_path) -> Path:
    """A folder of findings with one shipped finding in it, free to be spoiled."""
    for slug in (ONE, *load(ONE).siblings):
        shutil.copytree(FINDINGS / slug, tmp_path / slug)
    return tmp_path
