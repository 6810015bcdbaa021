"""Every way a finding.toml can be broken is one line that says where, what and what instead."""

from __future__ import annotations

import pytest

from repro.findings.finding import MANIFEST
from repro.findings.reader import load
from runner.errors import BadInput
from tests.repro.findings.shipped import ONE


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('status = "confirmed"', 'status = "sure"', "'sure' is none of"),
        ('title = "', 'titel = "', "titel: unknown key; did you mean 'title'"),
        ('status = "confirmed"', 'status = "comfirmed"', "'comfirmed' is none of .*; did you mean 'confirmed'"),
        ("not_claimed = [", 'not_claimed = ["TODO", ', "not_claimed: item 1 says nothing yet"),
        ("not_claimed = [", "not_claimed = [3, ", "not_claimed: must be a list of strings; item 1 is 3"),
        ('name = "minimal"', 'name = ""', r"\[model 1\] name: is empty"),
        ("wrong = [0]", "wrong = [-1]", r"\[model 1 'minimal'\] wrong: must be a list of output indices, from 0"),
        ("wrong = [0]", "", "wrong: is missing; it is a list of output indices"),
        ('commit = "', 'commit = "TODO', r"\[cause.source 1\] commit: says nothing yet"),
        ("seed = 0", "seed = 0\nbug = 1", "unknown key"),
        ('purpose = "control"', 'purpose = "minimal"', "exactly one"),
        ('name = "rank-4"', 'name = "swapped"', "two models have one name"),
        ('claim = "If', 'claim = "TODO', "says nothing yet"),
        ("wrong = [0]", "wrong = []", "names no wrong output"),
        ("title =", "title", "not readable TOML"),
        ("seed = 0", 'seed = 0\nruntimes = "2.1 or older"', "'2.1 or older' is no PEP 440 specifier set"),
        ("seed = 0", 'seed = 0\ntargets = ["lavapipe"]', "'lavapipe' is no GPU target"),
        ("seed = 0", 'seed = 0\nprecisions = ["fp8"]', "'fp8' is none of fp32, fp16"),
        ("wrong = []", 'wrong = []\nruntimes = "<2.2"', "a model that passes has no range"),
        ("wrong = [0]", 'outcome = "CRASH"\nwrong = [0]', "has no outputs"),
        ("wrong = [0]", 'outcome = "REFUSED"', "'REFUSED' is not CRASH"),
        ("wrong = [0]", 'outcome = "CRASH"', "say in `instead` what happens"),
        ('silent = "', 'instead = "', "say why nobody notices"),
        ('status = "confirmed"', 'status = "fixed"', "say in `runtimes` which show it"),
    ],
)
def test_a_finding_toml_with_a_mistake_is_refused_in_one_line(copy, old, new, said):
    path = copy / ONE / MANIFEST
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(BadInput, match=said) as caught:
        load(ONE, copy)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("slug", "hint"), [(ONE[:-1], f"did you mean '{ONE}'"), ("no-such-thing", "`repro finding list` shows them all")]
)
def test_an_unknown_finding_is_one_short_line_with_the_nearest_or_where_all_are_listed(slug, hint):
    with pytest.raises(BadInput, match=f"there is no finding '{slug}'; {hint}") as caught:
        load(slug)
    assert len(str(caught.value)) < 120
