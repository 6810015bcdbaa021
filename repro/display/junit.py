"""JUnit XML for CI systems: one test case per output, known bugs as skipped, news as failures.

JUnit has no standard; what a reader may insist on is what Jenkins' schema insists on, and a test holds this to it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from xml.etree import ElementTree

from runner.cache import write_atomically
from runner.encoding import one_line, xml_text


@dataclass(frozen=True)
class TestRow:
    """One row: `failure`, `error` (could not be run at all) and `skipped` hold their message, all empty for a pass."""

    __test__ = False  # not a pytest class, whatever its name

    suite: str
    name: str
    seconds: float = 0.0
    failure: str = ""
    skipped: str = ""
    log: str = ""
    error: str = ""


def write_junit(path: Path, title: str, rows: Sequence[TestRow], started: datetime) -> None:
    """Write the rows to `path`. started: when the run began, in any time zone. Raises Unwritable."""
    root = ElementTree.Element("testsuites", name=one_line(title))
    suites: dict[str, ElementTree.Element] = {}
    for row in rows:
        suite = suites.get(row.suite)
        if suite is None:
            suite = suites[row.suite] = ElementTree.SubElement(root, "testsuite", name=one_line(row.suite))
        case = ElementTree.SubElement(
            suite, "testcase", classname=one_line(row.suite), name=one_line(row.name), time=f"{row.seconds:.3f}"
        )
        if row.failure:
            ElementTree.SubElement(case, "failure", message=one_line(row.failure)).text = xml_text(row.failure)
        elif row.error:
            ElementTree.SubElement(case, "error", message=one_line(row.error)).text = xml_text(row.error)
        elif row.skipped:
            ElementTree.SubElement(case, "skipped", message=one_line(row.skipped))
        if row.log:
            ElementTree.SubElement(case, "system-out").text = xml_text(row.log)
    for suite in suites.values():
        suite.set("tests", str(len(suite)))
        suite.set("failures", str(sum(case.find("failure") is not None for case in suite)))
        suite.set("errors", str(sum(case.find("error") is not None for case in suite)))
        suite.set("skipped", str(sum(case.find("skipped") is not None for case in suite)))
        suite.set("time", f"{sum(float(case.get('time', 0)) for case in suite):.3f}")
        suite.set("timestamp", started.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S"))  # UTC: it has no place for a zone
    write_atomically(path, ElementTree.tostring(root, encoding="utf-8", xml_declaration=True))
