"""One name per branch that the delegate takes by name; a pattern stands for several, a misspelt name for none."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from runner.adapter_families import COMMIT, FAMILIES, GPU_INFO, VENDOR_WORDS, AdapterFamily, family_of, presented_names
from runner.errors import BadInput
from runner.opencl.loader import can_be_presented, presented_device
from runner.presented import check_presented
from runner.targets import resolve, resolve_one

DOCUMENT = Path(__file__).parents[2] / "docs" / "adapter-families.md"


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.key)
def test_a_family_is_reached_by_its_key_and_by_its_name(family: AdapterFamily):
    check_presented(family.adapter)
    assert presented_names(family.key) == presented_names(family.adapter) == [family.adapter]
    assert family_of(family.adapter) is family
    has_vendor = any(word in family.adapter.lower() for word in VENDOR_WORDS)
    assert has_vendor is (family.key != "unknown")


def test_keys_names_and_branches_differ_from_family_to_family():
    for values in ({f.key for f in FAMILIES}, {f.adapter for f in FAMILIES}, {f.branch for f in FAMILIES}):
        assert len(values) == len(FAMILIES)


@pytest.mark.parametrize(
    ("pattern", "count"), [("*", len(FAMILIES)), ("mali-*", 7), ("adreno-[67]", 2), ("mali-valhall-?", 4)]
)
def test_a_pattern_stands_for_every_family_whose_key_it_matches(pattern: str, count: int):
    names = presented_names(pattern)
    assert len(names) == len(set(names)) == count
    assert names == [family.adapter for family in FAMILIES if family.adapter in names]


def test_a_pattern_without_a_family_is_refused_with_the_families():
    with pytest.raises(BadInput, match=r"no family of adapters matches '@geforce-\*'; families are mali-midgard, "):
        presented_names("geforce-*")


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.key)
def test_a_misspelt_key_or_name_is_refused_with_the_one_that_was_meant(family: AdapterFamily):
    for word in (family.key, family.adapter):
        misspelt = re.sub(r"[aeo]", lambda vowel: {"a": "e", "e": "o", "o": "a"}[vowel[0]], word, count=1)
        if misspelt != word and not any(vendor in misspelt.lower() for vendor in VENDOR_WORDS):
            with pytest.raises(BadInput, match="did you mean '@"):
                presented_names(misspelt)


@pytest.mark.parametrize("name", ["Mali-G31", "GeForce GTX 280", "Unknown", "llvmpipe", "unknown gpu", "V3D 7.1.7"])
def test_any_other_name_is_presented_as_it_is(name: str):
    assert presented_names(name) == [name]


def test_a_target_with_a_pattern_stands_for_one_target_per_family_with_its_settings():
    names = resolve(["gpu:pocl+buffers@mali-*", "gpu:pocl@mali-valhall-4"])
    malis = [family for family in FAMILIES if family.key.startswith("mali-")]
    assert names == [f"gpu:pocl+buffers@{family.adapter}" for family in malis] + ["gpu:pocl@Mali-G715"]
    assert resolve_one("gpu:pocl@intel") == "gpu:pocl@Intel Iris Xe"
    with pytest.raises(BadInput, match=r"'gpu:pocl@adreno-\*' stands for 4 \(gpu:pocl@Adreno \(TM\) 530, .*name it"):
        resolve_one("gpu:pocl@adreno-*")


def test_over_opencl_a_pattern_leaves_out_what_no_phone_has():
    names = resolve(["gpu:pocl@*"])
    assert names == [f"gpu:pocl@{family.adapter}" for family in FAMILIES if can_be_presented(family.adapter)]
    assert not any("NVIDIA" in name or "Unknown" in name for name in names)
    for name in names:
        presented_device(name.partition("@")[2])


def test_the_document_lists_each_family_as_it_is():
    text = DOCUMENT.read_text(encoding="utf-8")
    rows = [line for line in text.splitlines() if line.startswith("| `")]
    assert rows == [
        f"| `{f.key}` | {f.adapter} | {f.stands_for} | {f.branch} | {f.line} | {f.thin} |" for f in FAMILIES
    ]
    assert COMMIT in text
    assert GPU_INFO in text
