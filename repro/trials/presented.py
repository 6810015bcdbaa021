"""What a target's delegate takes its adapter for, so that the lint can be asked about that adapter."""

from __future__ import annotations

from repro.delegate.adapters import Adapter, Api
from runner.run import Precision
from runner.targets import gpu_of


def adapters_of(target: str, precision: Precision) -> tuple[Adapter, ...]:
    """What the delegate takes a target's adapter for; empty where it sees the driver's own name."""
    gpu = gpu_of(target)
    if gpu is None or not gpu.presented:
        return ()
    return (Adapter(gpu.presented, precision, Api.OPENCL if gpu.over_opencl else Api.WEBGPU),)
