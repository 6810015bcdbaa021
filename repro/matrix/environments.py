"""The environments of a matrix: which targets and runtimes there are here, and what evidence may call them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from runner import targets
from runner.adb.loopback.name import is_loopback
from runner.errors import BadInput, TargetUnavailable
from runner.installation import bring_a_driver
from runner.runtime_version import numbering
from runner.runtimes import runtime as runtime_of


@dataclass(frozen=True)
class Environment:
    """One runtime on one target, asked for by name; the runtime may be `nightly`."""

    runtime: str
    target: str


def public_target(name: str) -> str:
    """A target's name as evidence may hold it: a phone's serial number becomes its tag."""
    from runner.adb.devices import serial_tag

    kind, _, rest = name.partition(":")
    if kind != "adb" or not rest or is_loopback(rest):
        return name
    serial, settings = targets.phone_parts(rest)
    return f"adb:{serial_tag(serial or '')}{settings}"


def default_targets() -> list[str]:
    """Every Vulkan adapter of this host that works, best first, then every phone that is attached.

    Raises TargetUnavailable where there is none.
    """
    names = [info.name for info in targets.available() if info.usable and info.name.startswith("gpu:")]
    names += attached_phones()
    if not names:
        raise TargetUnavailable(f"no GPU target works here; {bring_a_driver()}; `repro doctor` says more")
    return names


def attached_phones() -> list[str]:
    """`adb:SERIAL` of every phone that is ready; none where no adb server runs (none is started)."""
    from runner.adb.choice import ready_serials
    from runner.adb.server import server_is_running

    if not server_is_running():
        return []
    try:
        return [f"adb:{serial}" for serial in ready_serials()]
    except TargetUnavailable:
        return []


def environments_for(runtimes: Sequence[str], target_names: Sequence[str]) -> list[Environment]:
    """Each target with each of the runtimes that it can run on; without any, with all that are known for it.

    `nightly` becomes its version, so that the same runtime is measured once. Raises BadInput for what is no version
    and for a target that runs on none of them. A runtime that cannot be fetched stays as it was named and is
    reported by `measure`.
    """
    chosen = {target: _fitting(target, runtimes) for target in target_names}
    version = {name: _version_of(name) for names in chosen.values() for name in names}
    return [Environment(v, t) for t, names in chosen.items() for v in dict.fromkeys(version[name] for name in names)]


def _fitting(target: str, runtimes: Sequence[str]) -> Sequence[str]:
    known = targets.known_runtimes(target)
    fitting = [r for r in runtimes if numbering(r) is numbering(known[0])] if runtimes else known
    if not fitting:
        raise BadInput(f"{target} does not run on {', '.join(runtimes)}; for it the runtimes are {', '.join(known)}")
    return fitting


def _version_of(name: str) -> str:
    try:
        return runtime_of(name).version
    except TargetUnavailable:
        return name
