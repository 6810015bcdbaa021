"""JUnit files are what Jenkins' schema asks for, whatever a name, a message or a log holds."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from xml.etree import ElementTree

import pytest
import xmlschema
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from repro.display.junit import TestRow, write_junit
from tests.repro.display.schemas import require_junit

STARTED = datetime(2026, 11, 25, 18, 30, 1, 999, tzinfo=UTC)
ROWS = st.builds(
    TestRow,
    suite=st.sampled_from(["cpu.fanout", "gpu.findings", "ü <&>"]),
    name=st.text(max_size=20),
    seconds=st.floats(0, 1e6),
    failure=st.just("") | st.text(max_size=20),
    skipped=st.just("") | st.text(max_size=20),
    log=st.just("") | st.text(max_size=50),
)


def written(path: Path, rows: list[TestRow], started: datetime = STARTED) -> ElementTree.Element:
    write_junit(path, "a run", rows, started)
    require_junit(path)
    return ElementTree.parse(path).getroot()


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.lists(ROWS, max_size=8))
def test_whatever_the_rows_hold_the_file_is_of_the_schema_and_counts_them(tmp_path: Path, rows: list[TestRow]):
    root = written(tmp_path / "r.xml", rows)
    counts = [sum(int(suite.get(name, "")) for suite in root) for name in ("tests", "failures", "skipped", "errors")]
    failed = sum(bool(row.failure) for row in rows)
    assert counts == [len(rows), failed, sum(bool(row.skipped and not row.failure) for row in rows), 0]


def test_characters_that_xml_cannot_hold_become_their_escapes(tmp_path: Path):
    root = written(tmp_path / "r.xml", [TestRow("s", "a\x00b", failure="\x1b[31mred", log="\ufffe\ud800")])
    (case,) = root[0]
    assert (case.get("name"), case[0].get("message"), case[1].text) == (*(r"a\x00b", r"\x1b[31mred", r"\ufffe\ud800"),)


def test_a_suite_says_when_its_run_began_in_utc(tmp_path: Path):
    east = STARTED.astimezone(timezone(timedelta(hours=9)))
    for started in (STARTED, east):
        assert written(tmp_path / "r.xml", [TestRow("s", "n")], started)[0].get("timestamp") == "2026-11-25T18:30:01"


def test_a_run_without_rows_is_a_file_without_suites(tmp_path: Path):
    assert len(written(tmp_path / "deep" / "r.xml", [])) == 0


@pytest.mark.parametrize(
    ("old", "new"),
    [(' errors="0"', ""), ('failures="1"', 'failures="one"'), ("T18:30:01", " 18:30"), ("testcase", "case")],
)
def test_the_schema_refuses_what_jenkins_refuses(tmp_path: Path, old: str, new: str):
    path = tmp_path / "r.xml"
    written(path, [TestRow("s", "n", 0.5, failure="wrong")])
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")
    with pytest.raises(xmlschema.XMLSchemaValidationError):
        require_junit(path)
