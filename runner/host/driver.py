"""What a host target must know of a driver, whether it is reached over Vulkan or over OpenCL."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from runner.run import Precision


class Driver(Protocol):
    """One device of one driver, as the delegate of a worker may be made to see it and nothing else."""

    @property
    def key(self) -> str:
        """The name after `gpu:` in target names."""

    @property
    def device(self) -> str:
        """What the driver calls the device."""

    @property
    def driver(self) -> str:
        """Driver name and version."""

    @property
    def precisions(self) -> tuple[Precision, ...]:
        """What the device can compute in. What is not among them the delegate would compute in another, in silence."""

    @property
    def stamp(self) -> str:
        """Changes when the driver, or which of its devices is meant, may have changed."""

    @property
    def patience(self) -> float:
        """How many times the usual deadline a job may take."""

    @property
    def gpu_options(self) -> Mapping[str, str | int | bool]:
        """Delegate options that this device needs, by the keys of LiteRT's `gpu_options`."""

    def environment(self, base: Mapping[str, str], threads: int | None = None) -> dict[str, str]:
        """`base` with this driver visible and no other, and at most `threads` threads in it."""

    def quick_environment(self) -> Mapping[str, str]:
        """Variables that make the driver compile fast rather than well, for small models; empty without any."""

    def logged_adapter(self, log: str) -> str:
        """The adapter that the delegate says in its log that it took."""

    def wrong_device(self, logged: str) -> bool:
        """Whether the delegate took another device than this one, which it may do in silence."""

    def not_resident(self, log: str, fully_accelerated: bool | None) -> str:
        """Why a run is not the GPU delegate's alone; empty where it is."""
