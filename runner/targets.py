"""Target names, what they stand for here, opening one, and which precisions it is asked for.

`cpu`, `cpu:reference`, `gpu` (the best Vulkan adapter), `gpu:lavapipe`, `gpu:swiftshader`, `gpu:<adapter>`; over OpenCL
`gpu:pocl`, `gpu:oclgrind`, `gpu:rusticl`; in a browser `gpu:web`; any of the gpu targets with settings of the delegate
(`+buffers`, `+convert_weights_on_gpu=true`), and then with `@<name>` (another device name is presented to it; `@*` is
one name per family of GPUs); `adb`, `adb:SERIAL`, with settings too; `adb:loopback`, and `adb:loopback:GPU` with what
stands behind `gpu:`.
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace

from runner.adapter_families import presented_names
from runner.adb.lanes import is_phone
from runner.adb.loopback.name import is_loopback, loopback_gpu, loopback_name
from runner.delegate_settings import FP32_SUMS, PRECISION, Settings
from runner.errors import BadInput, TargetUnavailable
from runner.host.driver import Driver
from runner.host.gpu import WEB_WORKER, GpuName, host_gpu, runtime_for, vulkan_adapter
from runner.host.gpu import known_runtimes as gpu_runtimes
from runner.host.pool import HostTarget
from runner.host.vulkan import Adapter, adapters
from runner.installation import bring_a_driver
from runner.opencl import android_runtime
from runner.opencl.drivers import opencl_driver, opencl_drivers
from runner.opencl.loader import LoaderSettings, can_be_presented
from runner.run import Precision
from runner.runtime_version import Numbering, spoken
from runner.runtimes import KNOWN, Runtime
from runner.runtimes import runtime as runtime_of
from runner.target import Target
from runner.web import litert_js
from runner.web.browser import missing, page_version, web_browser

PRECISION_CHOICES = ("fp32", "fp16", "both")
"""What `--precision` may be, everywhere."""
KNOWN_TARGETS = (
    "cpu",
    "cpu:reference",
    "gpu",
    "gpu:lavapipe",
    "gpu:swiftshader",
    "gpu:pocl",
    "gpu:oclgrind",
    "gpu:web",
    "adb",
)
"""The targets that any machine can have, as they are typed."""


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
    kind, rest = parts(name)
    if kind == "adb":
        from runner.adb.choice import open_adb_target

        version = runtime.version if isinstance(runtime, Runtime) else runtime
        serial, settings = phone_parts(rest)
        return open_adb_target(serial, settings, runtime=version, device=device, engine=engine)
    only_adb(name, device, engine)
    if kind == "gpu":
        return _open_gpu(GpuName.parse(name), runtime, workers, loader)
    if name not in ("cpu", "cpu:reference"):
        raise _unknown(name)
    chosen = runtime if isinstance(runtime, Runtime) else runtime_of(runtime)
    if name == "cpu:reference" and chosen.numbering is not Numbering.LITERT:
        raise TargetUnavailable(f"{spoken(chosen.version)} has no reference interpreter; cpu is its own XNNPACK")
    if chosen.numbering is Numbering.LITERT_JS:
        return _open_wasm(chosen, workers)
    return HostTarget(name, "cpu" if name == "cpu" else "reference", chosen, workers=workers)


def _open_gpu(
    name: GpuName, asked: str | Runtime | None, workers: int, loader: LoaderSettings | None = None
) -> HostTarget:
    if name.in_browser:
        web_browser()  # what is missing is said before anything is fetched
    runtime = runtime_for(name, asked)
    gpu = host_gpu(name if name.key else replace(name, key=_best(runtime).key), loader)
    return HostTarget(
        str(gpu.name),
        "gpu",
        runtime,
        driver=gpu.driver,
        workers=workers,
        module=gpu.worker,
        environment=gpu.variables,
        gpu_options=gpu.gpu_options,
        note=gpu.note,
        settings=gpu.decides,
    )


def _open_wasm(runtime: Runtime, workers: int) -> HostTarget:
    """LiteRT.js on the processor: XNNPACK in WebAssembly."""
    browser = web_browser()
    return HostTarget(
        "cpu",
        "cpu",
        runtime,
        workers=workers,
        module=WEB_WORKER,
        environment=browser.environment({}),
        settings=f"{browser.driver} {page_version()}",
    )


def known_runtimes(target: str) -> tuple[str, ...]:
    """The runtimes that are known for a target, oldest first: over OpenCL LiteRT-LM's, in a browser LiteRT.js's."""
    gpu = gpu_of(target)
    return gpu_runtimes(gpu) if gpu else KNOWN


def numbering_of(target: str) -> Numbering:
    """Whose runtimes a target takes."""
    gpu = gpu_of(target)
    return gpu.numbering if gpu else Numbering.LITERT


def runs_over_opencl(target: str) -> bool:
    """Whether the GPU of a target is that of an OpenCL driver of this host."""
    gpu = gpu_of(target)
    return gpu is not None and gpu.over_opencl


def gpu_of(target: str) -> GpuName | None:
    """The GPU of this host that a target runs on, the loopback device's too; None for cpu and phones."""
    kind, rest = parts(target)
    if kind == "adb":
        return loopback_gpu(rest)
    return GpuName.parse(target) if kind == "gpu" else None


def with_settings(target: str, settings: Settings) -> str:
    """The name of a target with settings of the delegate beside its own. Raises BadInput for a cpu target."""
    if not settings:
        return target
    kind, rest = parts(target)
    if kind == "gpu":
        name = GpuName.parse(target)
        return str(replace(name, settings=name.settings.with_others(settings)))
    if kind != "adb":
        raise BadInput(f"'{settings}' is a setting of the GPU's delegate, and target {target} has none")
    if loopback := loopback_gpu(rest):
        return "adb:" + loopback_name(replace(loopback, settings=loopback.settings.with_others(settings)))
    serial, own = phone_parts(rest)
    return f"adb{':' if serial else ''}{serial or ''}{own.with_others(settings)}"


def phone_parts(rest: str) -> tuple[str | None, Settings]:
    """Serial number and settings of what stands behind `adb:`. A loopback device's settings are its GPU's."""
    if is_loopback(rest):
        return rest, Settings()
    serial, *words = rest.split("+")
    return serial or None, Settings.parse(words)


def default_workers() -> int:
    """One job at a time per core."""
    return max(1, os.cpu_count() or 1)


def resolve(names: Sequence[str], device: str | None = None) -> list[str]:
    """Full names, each once, in the order given: `gpu` becomes the best usable adapter, `adb` the one device.

    `gpu@*` becomes one name per family of GPUs, `gpu@mali-*` one per family of Malis, `gpu@mali-5` its representative.
    device: which one `adb` stands for: a serial number, `loopback`, or `all` (a name for each).
    """
    if device and not any(is_phone(name) for name in names):
        only_adb(", ".join(names), device)
    full: list[str] = []
    for name in [each for given in names for each in presented_in_full(given)]:
        kind, rest = parts(name)
        if kind == "gpu":
            full.append(str(_resolve_gpu(GpuName.parse(name))))
        elif kind == "adb":
            from runner.adb.choice import resolve_serials

            serial, settings = phone_parts(rest)
            full += [with_settings(f"adb:{each}", settings) for each in resolve_serials(serial, device)]
        elif name in ("cpu", "cpu:reference"):
            full.append(name)
        else:
            raise _unknown(name)
    return list(dict.fromkeys(full))


def late_phones(names: Sequence[str]) -> list[str]:
    """The serials of the phones that are attached and ready now and are none of these targets."""
    from runner.adb.choice import late_devices

    return late_devices([phone_parts(parts(name)[1])[0] or "" for name in names if is_phone(name)])


def resolve_one(name: str, device: str | None = None) -> str:
    """The full name where one is asked for. Raises BadInput for a name that stands for several."""
    full = resolve([name], device)
    if len(full) > 1:
        raise BadInput(
            f"target '{name}' stands for {len(full)} ({', '.join(full)}), and only one is run on here; name it"
        )
    return full[0]


def presented_in_full(name: str) -> list[str]:
    """One target for each name that is presented. Of several over OpenCL only those that a phone's device can have."""
    driver, at, presented = name.partition("@")
    if not at:
        return [name]
    names = presented_names(presented)
    if len(names) > 1 and runs_over_opencl(driver):
        names = [each for each in names if can_be_presented(each)]
    return [f"{driver}@{each}" for each in names]


def _resolve_gpu(name: GpuName) -> GpuName:
    if name.over_opencl or name.in_browser:
        return name
    return replace(name, key=(vulkan_adapter(name.key) if name.key else _best(runtime_of(None))).key)


def precisions_for(target: str, asked: str) -> list[Precision]:
    """The cpu targets compute in fp32 only, whatever is asked; a gpu target computes what is asked if it can.

    target: full target name. asked: one of PRECISION_CHOICES. Raises ValueError for another word, BadInput where the
    target has no fp16 and only that is asked for.
    """
    if parts(target)[0] == "cpu":
        return [Precision.FP32]
    wanted = [Precision.FP32, Precision.FP16] if asked == "both" else [Precision(asked)]
    gpu = gpu_of(target)
    settings = gpu.settings if gpu else phone_parts(parts(target)[1])[1]
    if settings.gpu_options.get(PRECISION) == FP32_SUMS:
        if Precision.FP16 not in wanted:
            raise BadInput(f"{target} adds in fp32 what it holds in fp16: ask for --precision fp16")
        wanted = [Precision.FP16]
    if gpu is None or gpu.numbering is Numbering.LITERT:
        return wanted
    try:
        driver: Driver | None = opencl_driver(gpu.key) if gpu.over_opencl else web_browser()
    except TargetUnavailable:
        # It may be on another machine (`--scheduler`), where nobody was asked; all such drivers have fp32.
        return wanted[:1]
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
        info = _try(_open_gpu(GpuName(driver.key), chosen, 1))
        infos.append(TargetInfo(info.name, info.usable, driver.device, info.adapter, driver.driver, info.reason))
    return infos


def available_web() -> list[TargetInfo]:
    """The target in a browser, tried with the newest LiteRT.js in the cache; none where one of the two is not here.

    Apart from `available`, as what is over OpenCL.
    """
    fetched = litert_js.fetched_versions()
    if missing() or not fetched:
        return []
    browser = web_browser()
    info = _try(_open_gpu(GpuName(browser.key), fetched[-1], 1))
    return [replace(info, device=browser.device, driver=browser.driver)]


def parts(name: str) -> tuple[str, str]:
    """Kind and the rest of a target's name; `gpu@NAME` and `gpu+SETTING` are of the best adapter."""
    if name.startswith(("gpu@", "gpu+", "adb+")):
        return name[:3], name[3:]
    kind, _, rest = name.partition(":")
    return kind, rest


def only_adb(name: str, device: str | None, engine: str | None = None) -> None:
    """Raise BadInput for what only a phone has, given for a target that is none."""
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
        f"no GPU target works here (Vulkan adapters found: {seen}); {bring_a_driver()}; `repro doctor` says more"
    )


def _unknown(name: str) -> BadInput:
    near = difflib.get_close_matches(name, KNOWN_TARGETS, 1)
    meant = f"; did you mean '{near[0]}'?" if near else f"; targets are {', '.join(KNOWN_TARGETS)} (see `repro doctor`)"
    return BadInput(f"there is no target '{name}'{meant}")
