"""An adapter as the delegate sees it when it chooses kernels: words of its name, a precision, an API.

Key insight: what a vendor's branch fuses is a handful of numbers, so a chain of convolutions can be asked of every
vendor at once without a driver; and one file can be right on a Mali, wrong on an Adreno, and the other way round.

Source: google-ai-edge/ml-drift at commit 512f203db014979c1968ff902ffa8d4e54a6c881, `common/kernels/special/
thin_pointwise_fuser.cc` (IsNodeSupported, TryThinPointwiseFuser), `common/gpu_info.cc` for what a name stands for.
Held against lavapipe under each vendor's name (docs/lint.md); PowerVR's C series is by the source alone.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from runner.adapter_families import FAMILIES
from runner.run import Precision


class Api(enum.StrEnum):
    """What the delegate talks to the driver in. Phones take OpenCL, browsers and this host's drivers WebGPU."""

    OPENCL = "opencl"
    WEBGPU = "webgpu"


@dataclass(frozen=True)
class Adapter:
    """Where a model would run. name: as the driver gives it, or as it is presented.

    buffers: whether a setting has tensors kept in buffers, whatever the name.
    """

    name: str
    precision: Precision
    api: Api = Api.WEBGPU
    buffers: bool = False


@dataclass(frozen=True)
class ThinLimits:
    """Which convolutions one kernel takes in a row.

    convolutions: at most so many that are not depthwise. bytes: of all weights and biases, channels rounded up to
    fours, `value_bytes` each. channels, products: of one convolution, output channels, and kernel height x width x
    input x output channels. depthwise, depthwise_products: of a depthwise one at the beginning, channels, and kernel
    height x width x channels; 0: none is taken. any_window: whether the first may be larger than 1x1. large_task:
    slices of the last result above which one of several slices is worth it; 0: always.
    """

    convolutions: int
    bytes: int
    channels: int
    products: int
    depthwise: int = 0
    depthwise_products: int = 0
    any_window: bool = True
    large_task: int = 0
    value_bytes: int = 4


MALI_LARGE_TASK = 6 * 1536
"""Slices of the last result, above which results of several slices are fused too: 9,216 were not, 9,344 were.

By the source 1,536 per compute unit; six units is what the measured limit says of a Mali-G610."""

_MALI = ThinLimits(3, 3 << 10, 32, 32 * 32, any_window=False, large_task=MALI_LARGE_TASK, value_bytes=2)
_SMALL_FP16 = ThinLimits(3, 2 << 10, 16, 16 * 16, 16, 9 * 16, value_bytes=2)
_SMALL_FP32 = ThinLimits(3, 2 << 10, 8, 8 * 16, 16, 9 * 16)
_WIDE_FP16 = ThinLimits(3, 3 << 10, 32, 32 * 32, 32, 9 * 32, value_bytes=2)
_WIDE_FP32 = ThinLimits(3, 3 << 10, 32, 16 * 32, 16, 9 * 16)
_ONE_FP16 = ThinLimits(1, 1 << 10, 32, 32 * 32, 32, 9 * 32, value_bytes=2)
_ONE_FP32 = ThinLimits(1, 1 << 10, 32, 16 * 32, 16, 9 * 16)

_MIDGARD_OR_BIFROST = re.compile(r"mali-t|mali-g(31|51|52|71|72|76)\b")
_POWERVR_C = re.compile(r"powervr.*\b(c-series|d-series|cxt|dxt)")
_VENDORS = (
    ("adreno", ("adreno", "qualcomm")),
    ("apple", ("apple",)),
    ("mali", ("mali",)),
    ("powervr", ("powervr",)),
    ("amd", ("advanced micro devices",)),
    ("intel", ("intel",)),
    ("nvidia", ("nvidia", "quadro", "tesla")),
    ("amd", ("amd", "radeon", "xclipse")),
)
"""In the order in which the delegate looks for words in a name."""


def vendor_of(name: str) -> str:
    """For whose the delegate takes an adapter; empty for one that none of the branches here is for."""
    low = name.lower()
    return next((vendor for vendor, words in _VENDORS if any(word in low for word in words)), "")


def thin_limits(adapter: Adapter) -> ThinLimits | None:
    """Which small convolutions become one kernel there; None where none do."""
    fp16 = adapter.precision is Precision.FP16
    vendor, low = vendor_of(adapter.name), adapter.name.lower()
    if vendor == "mali":
        return _MALI if fp16 and not _MIDGARD_OR_BIFROST.search(low) else None
    if vendor in ("apple", "intel"):
        return _SMALL_FP16 if fp16 else _SMALL_FP32
    if vendor == "nvidia" or (vendor == "powervr" and _POWERVR_C.search(low)):
        return _WIDE_FP16 if fp16 else _WIDE_FP32
    if vendor == "adreno" and adapter.api is Api.OPENCL:
        return _WIDE_FP16 if fp16 else _WIDE_FP32
    if vendor in ("adreno", "amd"):
        return _ONE_FP16 if fp16 else _ONE_FP32
    return None


def keeps_tensors_in_buffers(adapter: Adapter) -> bool:
    """Whether tensors are buffers there, over WebGPU. Measured under one name of each family; others have textures."""
    by_name = vendor_of(adapter.name) in ("nvidia", "apple", "amd")
    return adapter.api is Api.WEBGPU and (adapter.buffers or by_name)


def is_midgard(adapter: Adapter) -> bool:
    """Whether the delegate takes it for one of the first Malis, T600 to T880."""
    return "mali-t" in adapter.name.lower()


def divides_by_no_slices(adapter: Adapter) -> bool:
    """Whether convolutions without input slices end the process there (`common/kernels/conv_generic.cc`)."""
    name = adapter.name.lower()
    return vendor_of(name) == "powervr" and "d-series" not in name and adapter.precision is Precision.FP16


def builds_with_fast_math(adapter: Adapter) -> bool:
    """Whether some kernels are built with fast math there: an option of OpenCL's compilers."""
    vendors = ("mali", "adreno", "powervr")
    return adapter.api is Api.OPENCL and (vendor_of(adapter.name) in vendors or "maleoon" in adapter.name.lower())


def waits_for_no_copy(adapter: Adapter) -> bool:
    """Whether work groups read weights there before they are copied (`kernels/convolution_transposed_util.cc`)."""
    return adapter.api is Api.OPENCL and vendor_of(adapter.name) == "powervr"


EVERY_ADAPTER = tuple(
    Adapter(family.adapter, precision, api) for family in FAMILIES for precision in Precision for api in Api
)
"""One of each family, in each precision, over each API."""


def in_words(adapters: Iterable[Adapter]) -> str:
    """`Intel Iris Xe, NVIDIA H100; Mali-G57 (fp16); Adreno (TM) 530 (opencl)`: names, and what it takes beside them."""
    by_name: dict[str, set[tuple[Precision, Api]]] = {}
    for adapter in adapters:
        by_name.setdefault(adapter.name, set()).add((adapter.precision, adapter.api))
    by_limit: dict[str, list[str]] = {}
    for name, pairs in by_name.items():
        by_limit.setdefault(_limit(pairs), []).append(name)
    return "; ".join(f"{', '.join(names)}{limit}" for limit, names in by_limit.items())


def _limit(pairs: Collection[tuple[Precision, Api]]) -> str:
    """What precisions and APIs have to be; empty where any of both will do."""
    precisions, apis = {precision for precision, _ in pairs}, {api for _, api in pairs}
    if len(pairs) < len(precisions) * len(apis):
        return f" ({', '.join(f'{precision} over {api}' for precision, api in sorted(pairs))})"
    said = [
        *(sorted(precisions) if len(precisions) < len(Precision) else ()),
        *(sorted(apis) if len(apis) < len(Api) else ()),
    ]
    return f" ({', '.join(said)})" if said else ""
