"""Root causes: each finding in exactly one, and patches that are what a patch program takes."""

from __future__ import annotations

import re

import pytest

from repro.findings.reader import slugs
from repro.findings.root_causes import ROOT_CAUSES, patches_of, root_cause_of, root_causes
from runner.errors import BadInput

CAUSES = root_causes()
HUNK = re.compile(r"@@ -(\d+),0 \+(\d+)(?:,(\d+))? @@ (.+)")
ONE = """
[[root_cause]]
name = "one"
title = "One"
summary = "What it is."
findings = ["a"]
"""


def test_every_finding_has_exactly_one_root_cause():
    assert sorted(slug for cause in CAUSES for slug in cause.findings) == slugs()


def test_every_patch_is_a_diff_whose_numbers_add_up():
    patches = [patch for cause in CAUSES for patch in cause.patch]
    assert patches
    for patch in patches:
        added = 0
        for block in re.split(r"^(?=@@)", patch.diff, flags=re.MULTILINE)[1:]:
            head, *lines = block.splitlines()
            match = HUNK.fullmatch(head)
            assert match, head
            before, after, count = int(match[1]), int(match[2]), int(match[3] or 1)
            assert (after, count) == (before + added + 1, len(lines)), f"{patch.file}: {head}"
            added += len(lines)


def test_a_finding_is_told_the_patches_that_end_it_and_no_others():
    assert [patch.file.rpartition("/")[2] for patch in patches_of("mish-inner-output", CAUSES)] == ["mish.cc"]
    assert patches_of("norm-one-pass-variance", CAUSES) == ()
    assert root_cause_of("of-nobody", CAUSES) is None


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (ONE + ONE.replace('"one"', '"two"'), "'a' is in 'one' and in 'two'; leave it in one"),
        (
            ONE + '[[root_cause.patch]]\nrepo="r"\ncommit="c"\nfile="f"\nends=["b"]\ndiff="@@ -1,0 +2 @@ x\\n+y"\n',
            "ends 'b', which is not among `findings`; add it",
        ),
        (
            ONE + '[[root_cause.patch]]\nrepo="r"\ncommit="c"\nfile="f"\nends=["a"]\ndiff="@@ -1 +1 @@ x\\n-y\\n+z"\n',
            "a patch here only adds lines",
        ),
    ],
)
def test_what_does_not_add_up_is_one_line(text, said, tmp_path):
    (tmp_path / ROOT_CAUSES).write_text(text, encoding="utf-8")
    with pytest.raises(BadInput, match=re.escape(said)) as raised:
        root_causes(tmp_path)
    assert "\n" not in str(raised.value)


def test_a_folder_without_root_causes_has_none(tmp_path):
    assert root_causes(tmp_path) == ()
