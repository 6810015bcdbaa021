"""Target names, what they stand for here, opening one, and which precisions it is asked for.

`cpu`, `cpu:reference`, `gpu` (the best Vulkan adapter), `gpu:lavapipe`, `gpu:swiftshader`, `gpu:<adapter>`; over OpenCL
`gpu:pocl`, `gpu:oclgrind`, `gpu:rusticl`; any of the gpu targets with `+buffers` or `+textures` (where the delegate
keeps tensors), and then with `@<name>` (another device name is presented to the delegate); `adb`, `adb:SERIAL`.
"""

from __future__ import annotations

import difflib
import functools
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace

from runner.errors import BadInput, TargetUnavailable
from runner.host.pool import HostTarget
from runner.host.storage import Storage
from runner.host.vulkan import LAVAPIPE, SWIFTSHADER, Adapter, adapters
from runner.installation import install_everything, opencl_install
from runner.opencl import android_runtime
from runner.opencl.drivers import is_opencl, opencl_driver, opencl_drivers
from runner.opencl.loader import LoaderSettings, loader_version, presented_device
from runner.presented import naming_note
from runner.run import Precision
from runner.runtimes import KNOWN, Runtime
from runner.runtimes import runtime as runtime_of
from runner.target import Target

PRECISION_CHOICES = ("fp32", "fp16", "both")
KNOWN_TARGETS = ("cpu", "cpu:reference", "gpu", "gpu:lavapipe", "gpu:swiftshader", "gpu:pocl", "gpu:oclgrind", "adb")
"""The targets that any machine can have, as they are typed."""
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
    loader: LoaderSettings | None = None,
) -> Target:
    """A target by name, not yet activated. Raises BadInput for an unknown name, TargetUnavailable if it is not here.

    runtime: a LiteRT version (fetched on first use), `nightly`, or None for the installed one.
    workers: jobs that run at once; on the host each has its own process.
    device: for `adb`: a serial number, or `loopback`. engine: for `adb`: `native` or `run_model`.
    loader: what is changed between delegate and driver, over OpenCL.
    """
    kind, rest = _parts(name)
    if kind == "adb":
        from runner.adb.choice import open_adb_target

        version = runtime.version if isinstance(runtime, Runtime) else runtime
        return open_adb_target(rest or None, runtime=version, device=device, engine=engine)
    _only_adb(name, device, engine)
    if kind == "gpu":
        return _open_gpu(GpuName.parse(name), runtime, workers, loader or LoaderSettings())
    if name not in ("cpu", "cpu:reference"):
        raise _unknown(name)
    chosen = runtime if isinstance(runtime, Runtime) else runtime_of(runtime)
    if name == "cpu:reference" and chosen.is_android:
        raise TargetUnavailable(f"LiteRT-LM ({chosen.version}) has no reference interpreter; cpu is its own XNNPACK")
    return HostTarget(name, "cpu" if name == "cpu" else "reference", chosen, workers=workers)


def _open_gpu(name: GpuName, runtime: str | Runtime | None, workers: int, loader: LoaderSettings) -> HostTarget:
    if is_opencl(name.key):
        return _open_opencl(name, runtime, workers, loader)
    chosen = runtime if isinstance(runtime, Runtime) else runtime_of(runtime)
    adapter = _adapter(name.key) if name.key else _best(chosen)
    _check_runtime(name, chosen)
    name = replace(name, key=adapter.key)
    make = functools.partial(
        HostTarget, str(name), "gpu", chosen, driver=adapter, workers=workers, gpu_options=name.storage_options
    )
    if not name.presented:
        return make()
    from runner.host.presented_name import naming_environment

    return make(environment=naming_environment(name.presented), note=naming_note(name.presented))


def _open_opencl(name: GpuName, runtime: str | Runtime | None, workers: int, loader: LoaderSettings) -> HostTarget:
    driver = opencl_driver(name.key)
    if driver is None:
        raise TargetUnavailable(f"{name} is not here: no OpenCL driver {name.key}; run: {opencl_install()}")
    chosen = runtime if isinstance(runtime, Runtime) else runtime_of(runtime or android_runtime.NEWEST)
    _check_runtime(name, chosen)
    if name.presented:
        loader = replace(loader, device=presented_device(name.presented))
    # A device of no vendor that the delegate knows gets images which PoCL does not have.
    storage = name.storage_options or ({} if name.presented else Storage.BUFFERS.gpu_options)
    return HostTarget(
        str(name),
        "gpu",
        chosen,
        driver=driver,
        workers=workers,
        environment=loader.environment(),
        gpu_options=storage,
        note=loader.note,
        settings=f"{replace(loader, kernels=None, trace=None, equal_writes=False)} {storage} {loader_version()}",
    )


def _check_runtime(name: GpuName, runtime: Runtime) -> None:
    if runtime.is_android is not is_opencl(name.key):
        known = ", ".join(known_runtimes(str(name)))
        raise BadInput(f"{name} does not run on {runtime.version}; for it the runtimes are {known}")


@dataclass(frozen=True)
class GpuName:
    """The parts of a host GPU target's name: `gpu:pocl+textures@Mali-G610`. key is empty for plain `gpu`."""

    key: str
    storage: Storage | None = None
    presented: str = ""

    @classmethod
    def parse(cls, name: str) -> GpuName:
        """Raises BadInput for a setting that there is none of."""
        plain, _, presented = name.partition("@")
        plain, plus, setting = plain.partition("+")
        if plus and setting not in list(Storage):
            near = difflib.get_close_matches(setting, list(Storage), 1)
            raise BadInput(
                f"'+{setting}' in '{name}' is no storage; write +{near[0] if near else ' or +'.join(Storage)}"
            )
        return cls(plain.partition(":")[2].lower(), Storage(setting) if plus else None, presented)

    @property
    def storage_options(self) -> dict[str, str | int | bool]:
        return self.storage.gpu_options if self.storage else {}

    def __str__(self) -> str:
        storage = f"+{self.storage}" if self.storage else ""
        presented = f"@{self.presented}" if self.presented else ""
        return f"gpu{':' if self.key else ''}{self.key}{storage}{presented}"


def known_runtimes(target: str) -> tuple[str, ...]:
    """The runtimes that are known for a target, oldest first: over OpenCL they are LiteRT-LM's."""
    return android_runtime.KNOWN if runs_over_opencl(target) else KNOWN


def runs_over_opencl(target: str) -> bool:
    """Whether a target's name is that of an OpenCL driver of this host."""
    return _parts(target)[0] == "gpu" and is_opencl(GpuName.parse(target).key)


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
            full.append(str(_resolve_gpu(GpuName.parse(name))))
        elif kind == "adb":
            from runner.adb.choice import resolve_serials

            full += [f"adb:{serial}" for serial in resolve_serials(rest or None, device)]
        elif name in ("cpu", "cpu:reference"):
            full.append(name)
        else:
            raise _unknown(name)
    return list(dict.fromkeys(full))


def _resolve_gpu(name: GpuName) -> GpuName:
    if is_opencl(name.key):
        return name
    return replace(name, key=(_adapter(name.key) if name.key else _best(runtime_of(None))).key)


def precisions_for(target: str, asked: str) -> list[Precision]:
    """The cpu targets compute in fp32 only, whatever is asked; a gpu target computes what is asked if it can.

    target: full target name. asked: one of PRECISION_CHOICES. Raises ValueError for another word, BadInput where the
    target has no fp16 and only that is asked for.
    """
    kind = _parts(target)[0]
    if kind == "cpu":
        return [Precision.FP32]
    wanted = [Precision.FP32, Precision.FP16] if asked == "both" else [Precision(asked)]
    name = GpuName.parse(target) if kind == "gpu" else None
    driver = opencl_driver(name.key) if name and is_opencl(name.key) else None
    if driver is None:
        return wanted
    possible = [precision for precision in wanted if precision in driver.precisions]
    if not possible:
        raise BadInput(f"{target} has no {asked}: {driver.driver} computes fp32 only; ask for --precision fp32")
    return possible


def available(runtime: str | Runtime | None = None) -> list[TargetInfo]:
    """The host's targets, each tried: cpu, then every Vulkan adapter, best first. Phones are `repro device list`'s."""
    chosen = runtime if isinstance(runtime, Runtime) else runtime_of(runtime)
    infos = [_try(HostTarget("cpu", "cpu", chosen))]
    return infos + [_try_adapter(adapter, chosen) for adapter in adapters()]


def available_opencl() -> list[TargetInfo]:
    """The host's targets over OpenCL, each tried with the newest runtime for them; none where none was ever made.

    Apart from `available`: nothing that looks for targets by itself takes these, since their runtime is another.
    """
    if not android_runtime.made_versions():
        return []
    chosen = runtime_of(android_runtime.made_versions()[-1])
    infos = []
    for driver in opencl_drivers():
        info = _try(_open_opencl(GpuName(driver.key), chosen, 1, LoaderSettings()))
        infos.append(TargetInfo(info.name, info.usable, driver.device, info.adapter, driver.driver, info.reason))
    return infos


def _parts(name: str) -> tuple[str, str]:
    """Kind and the rest of a target's name; `gpu@NAME` and `gpu+STORAGE` are of the best adapter."""
    if name.startswith(("gpu@", "gpu+")):
        return "gpu", name.removeprefix("gpu")
    kind, _, rest = name.partition(":")
    return kind, rest


def _only_adb(name: str, device: str | None, engine: str | None = None) -> None:
    for option, value in (("--device", device), ("--engine", engine)):
        if value:
            raise BadInput(f"{option} {value} is for phones and target {name} is none; add --target adb")


def _try_adapter(adapter: Adapter, runtime: Runtime) -> TargetInfo:
    info = _try(HostTarget(f"gpu:{adapter.key}", "gpu", runtime, driver=adapter))
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
        f"no GPU target works here (Vulkan adapters found: {seen}); run: {install_everything()}; "
        "`repro doctor` says more"
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
    near = difflib.get_close_matches(name, KNOWN_TARGETS, 1)
    meant = f"; did you mean '{near[0]}'?" if near else f"; targets are {', '.join(KNOWN_TARGETS)} (see `repro doctor`)"
    return BadInput(f"there is no target '{name}'{meant}")
