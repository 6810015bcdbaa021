"""Whether a run was the OpenCL delegate's own: its log must say that it took all nodes, in one partition.

Without that line nothing says that OpenCL ran: Android's accelerator falls back to OpenGL without an error, and
the runtime calls a graph fully accelerated whose rest runs on the CPU.
"""

from __future__ import annotations

import re

_REPLACING = re.compile(
    r"Replacing (\d+) out of (\d+) node\(s\) with delegate \((\w+)\) node, yielding (\d+) partitions"
)


def not_resident(log: str, fully_accelerated: bool | None, *, loopback: bool = False) -> str:
    """Why a run does not count as resident on the GPU; empty where it does.

    loopback: WebGPU over Vulkan, which writes no such line and has nothing to fall back to.
    """
    if fully_accelerated is False:
        return "compiled for the GPU alone, yet not fully accelerated"
    if loopback:
        return ""
    found = _REPLACING.findall(log)
    if not found:
        return "no line in the log says that the nodes were given to LITERT_CL"
    for replaced, total, delegate, partitions in found:
        if delegate != "LITERT_CL":
            return f"the nodes were given to {delegate}, not to LITERT_CL (no OpenCL on this device?)"
        if replaced != total or partitions != "1":
            return f"LITERT_CL took {replaced} of {total} nodes in {partitions} partitions, not all in one"
    return ""


def residency_line(log: str) -> str:
    """The line of the log that proves it, without what stands before; empty where there is none."""
    found = _REPLACING.search(log)
    return found.group() if found else ""
