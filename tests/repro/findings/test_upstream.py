"""Issues to file: an archive GitHub takes, one issue per root cause, in an order."""

from __future__ import annotations

import io
import re
import zipfile

import pytest

from repro.findings.reader import load, slugs
from repro.findings.report import report_files
from repro.findings.restart_finding import load_restart, restart_slugs
from repro.findings.restart_report import restart_files
from repro.findings.root_causes import root_causes
from repro.findings.upstream import (
    HOW_TO_FILE,
    INDEX,
    ISSUE,
    LONGEST_ISSUE,
    all_issues,
    host_expectations,
    issue_to_file,
    zipped,
)
from tests.repro.findings.shipped import ONE


@pytest.fixture(scope="module")
def everything() -> dict[str, bytes]:
    restarts = [load_restart(slug) for slug in restart_slugs()]
    return all_issues([load(slug) for slug in slugs()], restarts, host_expectations())


def test_the_archive_holds_all_but_the_issue_in_one_folder_and_is_the_same_each_time():
    files = issue_to_file(load(ONE))
    assert set(files) == {ISSUE, HOW_TO_FILE, f"{ONE}.zip"}
    with zipfile.ZipFile(io.BytesIO(files[f"{ONE}.zip"])) as archive:
        held = {name.removeprefix(f"{ONE}/"): archive.read(name) for name in archive.namelist()}
    whole = report_files(load(ONE))
    assert held == {name: data for name, data in whole.items() if name != ISSUE}
    assert files[ISSUE] == whole[ISSUE]
    assert zipped({"b": b"2", "a": b"1"}, "x") == zipped({"a": b"1", "b": b"2"}, "x")


@pytest.mark.parametrize("slug", restart_slugs())
def test_a_finding_of_two_starts_is_an_issue_with_its_archive(slug: str):
    finding = load_restart(slug)
    files, whole = issue_to_file(finding), restart_files(finding)
    with zipfile.ZipFile(io.BytesIO(files[f"{slug}.zip"])) as archive:
        held = {name.removeprefix(f"{slug}/"): archive.read(name) for name in archive.namelist()}
    assert {ISSUE: files[ISSUE], **held} == whole
    how = files[HOW_TO_FILE].decode()
    assert f"Title: {finding.said.title[:40]}" in how
    assert "phone" not in how  # it has no runner for one, and no graph that is drawn
    assert "drawn" not in how


def test_how_to_file_names_title_text_and_archive():
    how = issue_to_file(load(ONE))[HOW_TO_FILE].decode()
    for word in ("Title: GPU delegate: an ADD", "`issue.md`", f"`{ONE}.zip`", "too long"):
        assert (word in how) == (word != "too long")


@pytest.mark.slow
def test_every_finding_is_in_one_issue_and_every_issue_has_what_it_takes_to_file_it(everything):
    places = sorted({name.partition("/")[0] for name in everything if "/" in name})
    assert [place[3:] for place in places] != sorted(place[3:] for place in places)  # in an order of their own
    assert {place[3:] for place in places} == {cause.name for cause in root_causes()} | {*restart_slugs()}
    members = set()
    for place in places:
        (archive,) = [data for name, data in everything.items() if name.startswith(place) and name.endswith(".zip")]
        with zipfile.ZipFile(io.BytesIO(archive)) as held:
            members |= {name.split("/")[-2] for name in held.namelist() if name.endswith("/repro.py")}
        assert len(everything[f"{place}/{ISSUE}"].decode()) < LONGEST_ISSUE
        assert HOW_TO_FILE in {name.rpartition("/")[2] for name in everything if name.startswith(place)}
    assert members == {*slugs(), *restart_slugs()}


@pytest.mark.slow
def test_the_index_lists_the_issues_in_their_order_silent_ones_first(everything):
    index = everything[INDEX].decode()
    issues, findings = len(root_causes()) + len(restart_slugs()), len(slugs()) + len(restart_slugs())
    assert index.startswith(f"# {issues} issues for {findings} findings")
    rows = re.findall(r"^\| (\d+) \|.*\]\((\d+)-.*?\) \| (silent|loud)(.*?) \|", index, re.MULTILINE)
    assert [int(number) for number, *_ in rows] == [int(place) for _, place, *_ in rows]
    assert rows[0][0] == "1"
    manners = [manner for _, _, manner, rest in rows if "not in the newest" not in rest]
    assert manners == sorted(manners, key=("silent", "loud").index)


@pytest.mark.slow
def test_an_issue_for_several_findings_names_each_with_its_patch(everything):
    (name,) = [name for name in everything if name.endswith(f"graph-output-fused-away/{ISSUE}")]
    issue = everything[name].decode()
    cause = next(cause for cause in root_causes() if cause.name == "graph-output-fused-away")
    assert [slug for slug in cause.findings if f"| `{slug}` |" not in issue] == []
    assert issue.count("```diff") == len(cause.patch)
    assert 'print("BUG" if bug else "OK")' in issue
