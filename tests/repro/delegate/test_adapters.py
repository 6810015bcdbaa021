"""What the delegate takes an adapter for by its name, and what that says of small convolutions."""

from __future__ import annotations

import pytest

from repro.delegate.adapters import EVERY_ADAPTER, Adapter, Api, in_words, thin_limits, vendor_of
from runner.adapter_families import FAMILIES
from runner.run import Precision

FP16, FP32 = Precision.FP16, Precision.FP32


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.key)
def test_the_limits_over_webgpu_are_what_the_table_of_families_says(family):
    limits = {precision: thin_limits(Adapter(family.adapter, precision)) for precision in Precision}
    said = family.thin
    assert (limits[FP16] is not None) == (said != "none")
    assert (limits[FP32] is not None) == ("fp32" in said)
    for one in limits.values():
        if one is not None:
            assert (one.convolutions == 3) == ("up to 3 convolutions" in said)
            assert bool(one.depthwise) == ("depthwise" in said)


@pytest.mark.parametrize("name", ["Adreno (TM) 530", "Adreno (TM) 740", "Adreno (TM) 840"])
def test_over_opencl_an_adreno_takes_three_convolutions_and_over_webgpu_one(name: str):
    counts = {api: getattr(thin_limits(Adapter(name, FP32, api)), "convolutions", 0) for api in Api}
    assert counts == {Api.OPENCL: 3, Api.WEBGPU: 1}


@pytest.mark.parametrize(
    ("name", "vendor"),
    [
        ("Mali-G715", "mali"),
        ("ARM Immortalis Mali-G720", "mali"),
        ("Intel(R) Iris(R) Xe Graphics", "intel"),
        ("AMD Radeon RX 6600", "amd"),
        ("Samsung Xclipse 940", "amd"),
        ("llvmpipe (LLVM 15.0.6, 256 bits)", ""),
        ("SwiftShader Device", ""),
        ("Broadcom V3D 7.1.7", ""),
    ],
)
def test_the_vendor_is_a_word_of_the_name(name: str, vendor: str):
    assert vendor_of(name) == vendor == vendor_of(name.upper())


@pytest.mark.parametrize("name", ["Mali-T880", "Mali-G31", "Mali-G52", "Mali-G76"])
def test_midgard_and_bifrost_take_nothing(name: str):
    assert thin_limits(Adapter(name, FP16)) is None


def test_adapters_in_words_say_what_was_asked_and_is_not_so():
    assert in_words(EVERY_ADAPTER) == ", ".join(family.adapter for family in FAMILIES)
    both = [Adapter("Apple M2", precision, api) for precision in Precision for api in Api]
    assert in_words(both) == "Apple M2"
    assert in_words([one for one in both if one.precision is FP16]) == "Apple M2 (fp16)"
    assert in_words([one for one in both if one.api is Api.OPENCL]) == "Apple M2 (opencl)"
    assert in_words([Adapter("Apple M2", FP16, Api.OPENCL)]) == "Apple M2 (fp16, opencl)"
    assert in_words(both[:3]) == "Apple M2 (fp16 over opencl, fp32 over opencl, fp32 over webgpu)"
    mali = [Adapter("Mali-G57", FP16, api) for api in Api]
    assert in_words([*both, *mali]) == "Apple M2; Mali-G57 (fp16)"
    assert in_words([]) == ""


def test_an_adapter_that_nobody_listed_is_named_as_well():
    mine = [Adapter("Mali-G710", FP16, api) for api in Api]
    assert in_words(mine) == "Mali-G710 (fp16)"
