"""Families of GPUs that the delegate tells apart by the adapter's name, and one representative name for each.

Key insight: the delegate never sees a GPU, it sees a name. It looks for words in it and takes another branch for each
family, so a driver that is presented under one name per family takes every branch on any machine. What it does not show
is the vendor's driver and hardware: only the delegate's choice of kernels and fusions is that family's. One branch is
left out: for a PowerVR newer than Rogue the delegate counts on waves of 128 threads (`supported_wave_sizes`), which no
software driver has, and healthy models are wrong under such a name.

`gpu:lavapipe@*` is all of them, `gpu:lavapipe@mali-*` those whose key matches, `gpu:lavapipe@mali-valhall-3` one; any
other text behind `@` is a name as it is.

Source: google-ai-edge/ml-drift at COMMIT: `common/gpu_info.cc` for the words, `common/kernels/special/
thin_pointwise_fuser.cc` for what most families differ in over WebGPU.
"""

from __future__ import annotations

import difflib
import fnmatch
from dataclasses import dataclass

from runner.errors import BadInput

COMMIT = "512f203db014979c1968ff902ffa8d4e54a6c881"
GPU_INFO = "ml_drift/common/gpu_info.cc"

VENDOR_WORDS = (
    *("adreno", "apple", "qualcomm", "mali", "powervr", "advanced micro devices", "intel", "nvidia", "quadro", "tesla"),
    *("amd", "radeon", "xclipse", "power", "maleoon", "broadcom"),
)
"""The words that the delegate looks for in a name, in lower case (GetGpuVendor); without any there is no vendor."""


@dataclass(frozen=True)
class AdapterFamily:
    """One branch. key: as it is typed behind `@`. adapter: the name that is presented for it.

    stands_for: the GPUs. branch: as what the delegate takes them, in its own words. line: of GPU_INFO at COMMIT, where
    the name is recognised. thin: the chains of thin convolutions that become one kernel there, over WebGPU.
    """

    key: str
    adapter: str
    stands_for: str
    branch: str
    line: int
    thin: str = "none"


_MALI = "up to 3 convolutions, fp16"
_ANY_SIZE = "up to 3 convolutions and a depthwise one before them, fp16 and fp32"
_DEPTHWISE = "a depthwise convolution and one behind it, fp16 and fp32"

FAMILIES: tuple[AdapterFamily, ...] = (
    AdapterFamily("mali-midgard", "Mali-T880", "Mali T600 to T880", "kMali, kMidgardV3", 293),
    AdapterFamily("mali-bifrost", "Mali-G52", "Mali G31 to G76", "kMali, kBifrostV2", 303),
    AdapterFamily("mali-valhall-1", "Mali-G57", "Mali G57, G77", "kMali, kValhallV1", 305, _MALI),
    AdapterFamily("mali-valhall-2", "Mali-G78", "Mali G68, G78", "kMali, kValhallV2", 329, _MALI),
    AdapterFamily("mali-valhall-3", "Mali-G610", "Mali G310, G510, G610, G710", "kMali, kValhallV3", 307, _MALI),
    AdapterFamily("mali-valhall-4", "Mali-G715", "Mali G615, G715", "kMali, kValhallV4", 317, _MALI),
    AdapterFamily("mali-5", "Mali-G925-Immortalis", "Mali G620, G720, G925, G1", "kMali, kV5", 331, _MALI),
    AdapterFamily("adreno-5", "Adreno (TM) 530", "Adreno 504 to 540", "kQualcomm, kGen5", 159, _DEPTHWISE),
    AdapterFamily("adreno-6", "Adreno (TM) 640", "Adreno 605 to 690", "kQualcomm, kGen6", 122, _DEPTHWISE),
    AdapterFamily("adreno-7", "Adreno (TM) 740", "Adreno 702 to 750", "kQualcomm, kGen7", 73, _DEPTHWISE),
    AdapterFamily("adreno-8", "Adreno (TM) 840", "Adreno 830, 840", "kQualcomm, kGen8", 63, _DEPTHWISE),
    AdapterFamily("powervr-rogue", "PowerVR Rogue GE8320", "PowerVR Rogue", "kPowerVR, kRogue", 353),
    AdapterFamily("xclipse", "Samsung Xclipse 940", "Xclipse, Radeon", "kAMD", 47, _DEPTHWISE),
    AdapterFamily("apple", "Apple M2", "Apple A11 and newer, M1 to M5", "kApple, kM2", 556, _ANY_SIZE),
    AdapterFamily("intel", "Intel Iris Xe", "Intel", "kIntel", 41, _ANY_SIZE),
    AdapterFamily("nvidia", "NVIDIA H100", "NVIDIA", "kNvidia", 42, _ANY_SIZE),
    AdapterFamily("broadcom", "Broadcom V3D 7.1.7", "VideoCore 7", "kBroadcom, kVideoCore7", 254),
    AdapterFamily("maleoon", "Maleoon 910", "Maleoon 910, 920, 930", "kHuawei, kMaleoon910", 448),
    AdapterFamily("unknown", "Unknown GPU", "any name without a word of a vendor", "kUnknown", 57),
)
"""From the phone's most frequent to none."""

_BY_KEY = {family.key: family for family in FAMILIES}


def family_of(adapter: str) -> AdapterFamily | None:
    """The family that a name represents; None for a name that is no representative."""
    return next((family for family in FAMILIES if family.adapter == adapter), None)


def presented_names(asked: str) -> list[str]:
    """What stands behind `@` in full: the names of the families that match, or the name itself.

    Raises BadInput for a pattern without a family, and for a text that holds no vendor and is nearly a name or key.
    """
    if asked in _BY_KEY:
        return [_BY_KEY[asked].adapter]
    if any(sign in asked for sign in "*?["):
        matching = [family.adapter for family in FAMILIES if fnmatch.fnmatchcase(family.key, asked)]
        if not matching:
            raise BadInput(f"no family of adapters matches '@{asked}'; families are {', '.join(_BY_KEY)}")
        return matching
    if not any(word in asked.lower() for word in VENDOR_WORDS):
        names = {text.lower(): text for family in FAMILIES for text in (family.key, family.adapter)}
        near = difflib.get_close_matches(asked.lower(), names, 1, cutoff=0.75)
        if near and near[0] != asked.lower():
            raise BadInput(
                f"'@{asked}' holds no vendor's name, so that the delegate would take it for an unknown GPU; "
                f"did you mean '@{names[near[0]]}'?"
            )
    return [asked]
