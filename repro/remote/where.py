"""Where a command runs its jobs: on this machine, or on the workers of a scheduler."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Protocol

from repro.remote.access import Access
from repro.remote.at_worker import Order
from repro.remote.engine import Engine
from repro.remote.target import RemoteTarget
from runner import targets
from runner.errors import BadInput, TargetUnavailable
from runner.host.gpu import GpuName
from runner.runtime_version import Numbering, numbering
from runner.runtimes import python_tag
from runner.runtimes import runtime as runtime_of
from runner.target import Target


class Where(Protocol):
    """What opens targets by name."""

    def resolve(self, names: Sequence[str], device: str | None = None) -> list[str]:
        """Full names, as `runner.targets.resolve` gives them."""
        ...

    def open_target(
        self, name: str, *, runtime: str | None = None, workers: int = 1, engine: str | None = None
    ) -> Target:
        """A target by its full name, not yet active."""
        ...


class Here:
    """This machine."""

    def resolve(self, names: Sequence[str], device: str | None = None) -> list[str]:
        return targets.resolve(names, device)

    def open_target(
        self, name: str, *, runtime: str | None = None, workers: int = 1, engine: str | None = None
    ) -> Target:
        return targets.open_target(name, runtime=runtime, workers=workers, engine=engine)


HERE = Here()


class Elsewhere:
    """The workers of a scheduler. say: told of what is lost and waited for, in one line."""

    def __init__(self, access: Access, say: Callable[[str], None]) -> None:
        self._engine = Engine(access)
        self._say = say

    def close(self) -> None:
        """Nothing that was handed in is waited for any more."""
        self._engine.close()

    def resolve(self, names: Sequence[str], device: str | None = None) -> list[str]:
        """Full names of what the workers have: `gpu` is the first GPU that one of them names, its best."""
        if device and not any(targets.parts(name)[0] == "adb" for name in names):
            targets.only_adb(", ".join(names), device)
        there = self._there()
        full: list[str] = []
        for name in [each for given in names for each in targets.presented_in_full(given)]:
            full += self._among(there, name, device)
        return list(dict.fromkeys(full))

    def gpus_and_phones(self) -> list[str]:
        """All that the workers have but their cpus. Raises TargetUnavailable where that is nothing."""
        found = [name for name in self._there() if name.partition(":")[0] in ("gpu", "adb")]
        if not found:
            raise TargetUnavailable(f"no worker of {self._engine.address} has a GPU or a phone ({self._words()})")
        return found

    def _there(self) -> list[str]:
        return list(dict.fromkeys(name for one in self._engine.workers(now=True) for name in one.targets))

    def _among(self, there: Sequence[str], name: str, device: str | None) -> list[str]:
        kind, rest = targets.parts(name)
        if kind == "gpu":
            gpu = GpuName.parse(name)
            found = next((one for one in there if one.startswith("gpu:")), "") if not gpu.key else f"gpu:{gpu.key}"
            if found in there:
                return [str(replace(gpu, key=found.partition(":")[2]))]
        elif kind == "adb":
            serial, settings = targets.phone_parts(rest)
            wanted = serial or device
            phones = [one for one in there if one.startswith("adb:") and wanted in (None, "all", one[4:])]
            if len(phones) == 1 or (phones and wanted == "all"):
                return [targets.with_settings(one, settings) for one in phones]
            if phones:
                raise BadInput(f"{self._words()}: name one with --device, or take --device all")
        elif name in there:
            return [name]
        near = difflib.get_close_matches(name, there, 1)
        meant = f"; did you mean '{near[0]}'?" if near else ""
        raise TargetUnavailable(f"no worker of {self._engine.address} has {name}{meant} ({self._words()})")

    def _words(self) -> str:
        return "there are: " + ("; ".join(map(str, self._engine.workers())) or "no workers")

    def open_target(
        self, name: str, *, runtime: str | None = None, workers: int = 1, engine: str | None = None
    ) -> Target:
        """The workers' own number of processes holds, whatever `workers` says."""
        needs = resource_of(name)
        of_worker = needs.startswith("adb") or targets.numbering_of(name) is not Numbering.LITERT
        if of_worker or (runtime is not None and numbering(runtime) is not Numbering.LITERT):
            order = Order(name, runtime, engine)
        else:
            # Every worker takes the very runtime that this machine would, which is sent to those that lack it.
            order = Order(name, runtime_of(runtime).version, engine, python_tag())
        return RemoteTarget(self._engine, order, needs, self._say)


def resource_of(name: str) -> str:
    """By what a worker names what a target runs on: without settings, and without a presented name."""
    kind, rest = targets.parts(name)
    if kind == "gpu":
        return f"gpu:{GpuName.parse(name).key}"
    if kind == "adb":
        return f"adb:{targets.phone_parts(rest)[0]}"
    return name
