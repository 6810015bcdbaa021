"""JUnit XML for CI systems: one test case an output, known bugs as skipped, news as failures."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

# Characters that XML 1.0 cannot hold at all; a delegate's log may contain them.
_ILLEGAL = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass(frozen=True)
class TestRow:
    """One row: `failure` and `skipped` hold their message, both empty for a pass."""

    __test__ = False  # not a pytest class, whatever its name

    suite: str
    name: str
    seconds: float = 0.0
    failure: str = ""
    skipped: str = ""
    log: str = ""


def write_junit(path: Path, title: str, rows: Sequence[TestRow]) -> None:
    """Write the rows to `path`. Raises OSError if that cannot be."""
    root = ElementTree.Element("testsuites", name=title)
    suites: dict[str, ElementTree.Element] = {}
    for row in rows:
        suite = suites.get(row.suite)
        if suite is None:
            suite = suites[row.suite] = ElementTree.SubElement(root, "testsuite", name=_clean(row.suite))
        case = ElementTree.SubElement(
            suite, "testcase", classname=_clean(row.suite), name=_clean(row.name), time=f"{row.seconds:.3f}"
        )
        if row.failure:
            ElementTree.SubElement(case, "failure", message=_clean(row.failure)).text = _clean(row.failure)
        elif row.skipped:
            ElementTree.SubElement(case, "skipped", message=_clean(row.skipped))
        if row.log:
            ElementTree.SubElement(case, "system-out").text = _clean(row.log)
    for suite in suites.values():
        suite.set("tests", str(len(suite)))
        suite.set("failures", str(sum(case.find("failure") is not None for case in suite)))
        suite.set("skipped", str(sum(case.find("skipped") is not None for case in suite)))
    path.parent.mkdir(parents=True, exist_ok=True)
    ElementTree.ElementTree(root).write(path, encoding="utf-8", xml_declaration=True)


def _clean(text: str) -> str:
    return _ILLEGAL.sub("?", text)
