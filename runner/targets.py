"""Target names, what they stand for here, opening one, and which precisions it is asked for.

`cpu`, `cpu:reference`, `gpu` (the best Vulkan adapter), `gpu:lavapipe`, `gpu:swiftshader`,
`gpu:<adapter>`, any of those with `@<name>` (another adapter name is presented to the delegate),
`adb`, `adb:SERIAL`.
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Sequence
from dataclasses import dataclass

from runner.errors import BadInput, TargetUnavailable
from runner.host.pool import HostTarget
from runner.host.vulkan import LAVAPIPE, SWIFTSHADER, Adapter, adapters
from runner.run import Precision
from runner.runtimes import Runtime
from runner.runtimes import runtime as runtime_of
from runner.target import Target

PRECISION_CHOICES = ("fp32", "fp16", "both")
"""What `--precision` may be, everywhere."""


@dataclass(frozen=True)
class TargetInfo:
    """A target that this machine has, or could have. adapter and driver are empty on cpu.

    usable: it was tried and works. reason: why not. device: what the driver calls the adapter.
    """

    name: str
    usable: bool
    device: str = ""
    adapter: str = ""
    driver: str = ""
    reason: str = ""


def open_target(
    name: str,
    *,
    runtime: str | Runtime | None = None,
    workers: int = 1,
    device: str | None = None,
    engine: str | None = None,
) -> Target:
    """A target by name, not yet activated. Raises BadInput for an unknown name, TargetUnavailable if it is not here.

    runtime: a LiteRT version (fetched on first use), `nightly`, or None for the installed one.
    workers: jobs that run at once; on the host each has its own process.
    device: for `adb`: a serial number, or `loopback`. engine: for `adb`: `native` or `run_model`.
    """
    kind, rest = _parts(name)
    if kind == "adb":
        from runner.adb.choice import open_adb_target

        version = runtime.version if isinstance(runtime, Runtime) else runtime
        return open_adb_target(rest or None, runtime=version, device=device, engine=engine)
    _only_adb(name, device, engine)
    chosen = runtime if isinstance(runtime, Runtime) else runtime_of(runtime)
    if name == "cpu":
        return HostTarget("cpu", "cpu", chosen, workers=workers)
    if name == "cpu:reference":
        return HostTarget("cpu:reference", "reference", chosen, workers=workers)
    if kind != "gpu":
        raise _unknown(name)
    key, _, presented = rest.partition("@")
    adapter = _best(chosen) if not key else _adapter(key)
    full = f"gpu:{adapter.key}" + (f"@{presented}" if presented else "")
    if not presented:
        return HostTarget(full, "gpu", chosen, adapter=adapter, workers=workers)
    from runner.host.presented_name import naming_environment, naming_note

    return HostTarget(
        full,
        "gpu",
        chosen,
        adapter=adapter,
        workers=workers,
        environment=naming_environment(presented),
        note=naming_note(presented),
    )


def default_workers() -> int:
    """One job at a time per core."""
    return max(1, os.cpu_count() or 1)


def resolve(names: Sequence[str], device: str | None = None) -> list[str]:
    """Full names, each once, in the order given: `gpu` becomes the best usable adapter, `adb` the one device.

    device: which one `adb` stands for: a serial number, `loopback`, or `all` (a name for each).
    """
    if device and not any(name.partition(":")[0] == "adb" for name in names):
        _only_adb(", ".join(names), device)
    full: list[str] = []
    for name in names:
        kind, rest = _parts(name)
        if kind == "gpu":
            key, at, presented = rest.partition("@")
            adapter = _adapter(key) if key else _best(runtime_of(None))
            full.append(f"gpu:{adapter.key}{at}{presented}")
        elif kind == "adb":
            from runner.adb.choice import resolve_serials

            full += [f"adb:{serial}" for serial in resolve_serials(rest or None, device)]
        elif name in ("cpu", "cpu:reference"):
            full.append(name)
        else:
            raise _unknown(name)
    return list(dict.fromkeys(full))


def precisions_for(target: str, asked: str) -> list[Precision]:
    """The cpu targets compute in fp32 only; every other target computes what is asked.

    target: full target name. asked: one of PRECISION_CHOICES. Raises ValueError for another word.
    """
    if _parts(target)[0] == "cpu":
        return [Precision.FP32]
    return [Precision.FP32, Precision.FP16] if asked == "both" else [Precision(asked)]


def available(runtime: str | Runtime | None = None) -> list[TargetInfo]:
    """The host's targets, each tried: cpu, then every Vulkan adapter, best first. Phones are `repro device list`'s."""
    chosen = runtime if isinstance(runtime, Runtime) else runtime_of(runtime)
    infos = [_try(HostTarget("cpu", "cpu", chosen))]
    return infos + [_try_adapter(adapter, chosen) for adapter in adapters()]


def _parts(name: str) -> tuple[str, str]:
    """Kind and the rest of a target's name; `gpu@NAME` is the best adapter under another name."""
    if name.startswith("gpu@"):
        return "gpu", name.removeprefix("gpu")
    kind, _, rest = name.partition(":")
    return kind, rest


def _only_adb(name: str, device: str | None, engine: str | None = None) -> None:
    for option, value in (("--device", device), ("--engine", engine)):
        if value:
            raise BadInput(f"{option} {value} is for phones and target {name} is none; add --target adb")


def _try_adapter(adapter: Adapter, runtime: Runtime) -> TargetInfo:
    info = _try(HostTarget(f"gpu:{adapter.key}", "gpu", runtime, adapter=adapter))
    return TargetInfo(info.name, info.usable, adapter.device, info.adapter, adapter.driver, info.reason)


def _try(target: HostTarget) -> TargetInfo:
    try:
        target.activate()
    except TargetUnavailable as error:
        return TargetInfo(target.name, False, reason=str(error))
    return TargetInfo(target.name, True, adapter=target.adapter, driver=target.driver)


def _best(runtime: Runtime) -> Adapter:
    found = adapters()
    for adapter in found:
        if _try_adapter(adapter, runtime).usable:
            return adapter
    seen = ", ".join(f"{a.device} ({a.driver})" for a in found) or "none"
    raise TargetUnavailable(
        f"no GPU target works here (Vulkan adapters found: {seen}); run `make setup`, or `repro doctor` for details"
    )


def _adapter(key: str) -> Adapter:
    found = adapters()
    wanted = key.lower()
    for adapter in found:
        if wanted in (adapter.key, adapter.device.lower()):
            return adapter
    known = ", ".join(f"gpu:{adapter.key}" for adapter in found) or "none"
    if wanted in (LAVAPIPE, SWIFTSHADER):
        raise TargetUnavailable(
            f"gpu:{wanted} is not here (adapters found: {known}); `repro doctor` says how to get it"
        )
    raise TargetUnavailable(f"no Vulkan adapter is called '{key}' here (adapters found: {known})")


def _unknown(name: str) -> BadInput:
    known = ["cpu", "cpu:reference", "gpu", "gpu:lavapipe", "gpu:swiftshader", "adb"]
    near = difflib.get_close_matches(name, known, 1)
    meant = f"; did you mean '{near[0]}'?" if near else f"; targets are {', '.join(known)} (see `repro doctor`)"
    return BadInput(f"there is no target '{name}'{meant}")
