"""What a target's delegate takes its adapter for, so that the lint can be asked about that adapter."""

from __future__ import annotations

from repro.delegate.adapters import Adapter, Api
from runner.delegate_settings import BUFFERS, STORAGE
from runner.run import Precision
from runner.targets import gpu_of


def adapters_of(target: str, precision: Precision) -> tuple[Adapter, ...]:
    """What the delegate takes a target's adapter for: the presented name or the driver's own; none of cpu, phones."""
    gpu = gpu_of(target)
    if gpu is None:
        return ()
    api = Api.OPENCL if gpu.over_opencl else Api.WEBGPU
    buffers = gpu.settings.gpu_options.get(STORAGE) == BUFFERS
    return (Adapter(gpu.presented or gpu.key, precision, api, buffers),)
