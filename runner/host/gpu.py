"""A GPU of this host by its name, `pocl+textures@Mali-G610`: its driver, what that is told, what results say of it.

Key insight: a worker process and the loopback device show a delegate the same GPUs, so what a name stands for is
decided once: environment variables and delegate options, whoever starts the process.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from runner.delegate_settings import NO_SETTINGS, Settings
from runner.errors import BadInput, TargetUnavailable
from runner.host.driver import Driver
from runner.host.presented_name import naming_environment
from runner.host.vulkan import LAVAPIPE, SWIFTSHADER, Adapter, adapters
from runner.installation import opencl_install
from runner.opencl import android_runtime
from runner.opencl.drivers import computes_on_cpu, is_opencl, opencl_driver
from runner.opencl.loader import NEUTRAL, LoaderSettings, loader_version, presented_device
from runner.presented import ADAPTER_NAME, check_presented, naming_note
from runner.runtime_version import Numbering
from runner.runtimes import KNOWN, Runtime
from runner.runtimes import runtime as runtime_of
from runner.web import litert_js
from runner.web.browser import is_web, page_version, web_browser

WORKER, WEB_WORKER = "runner.host.worker", "runner.host.web_worker"
"""What a worker process runs: LiteRT's C API, or a page of a browser."""


def is_hardware(key: str) -> bool:
    """Whether the key of a target's name is that of a GPU, and not of a driver that computes on the cpu."""
    return key not in ("", LAVAPIPE, SWIFTSHADER) and not computes_on_cpu(key) and not is_web(key)


@dataclass(frozen=True)
class GpuName:
    """The parts of a host GPU target's name: `gpu:pocl+textures@Mali-G610`. key is empty for plain `gpu`."""

    key: str
    settings: Settings = NO_SETTINGS
    presented: str = ""

    @classmethod
    def parse(cls, name: str) -> GpuName:
        """Raises BadInput for a setting that there is none of."""
        plain, _, presented = name.partition("@")
        plain, *words = plain.split("+")
        return cls(plain.partition(":")[2].lower(), Settings.parse(words), presented)

    @property
    def numbering(self) -> Numbering:
        """Whose runtimes it takes."""
        if self.over_opencl:
            return Numbering.LITERT_LM
        return Numbering.LITERT_JS if self.in_browser else Numbering.LITERT

    @property
    def in_browser(self) -> bool:
        """Whether it is the one that a browser gives to web pages."""
        return is_web(self.key)

    @property
    def over_opencl(self) -> bool:
        """Whether it is a device of an OpenCL driver, which takes a runtime of its own."""
        return is_opencl(self.key)

    @property
    def over_vulkan(self) -> bool:
        """Whether it is a Vulkan adapter, of which plain `gpu` is the best; the others are asked for by name."""
        return not self.over_opencl and not self.in_browser

    def __str__(self) -> str:
        presented = f"@{self.presented}" if self.presented else ""
        return f"gpu{':' if self.key else ''}{self.key}{self.settings}{presented}"


@dataclass(frozen=True)
class HostGpu:
    """What a name stands for here.

    variables, gpu_options: what is added to the driver's own environment and delegate options. note: what every result
    must say beside driver and device. decides: what else decides a result and is in no other name. worker: the module
    that its worker processes run.
    """

    name: GpuName
    driver: Driver
    variables: Mapping[str, str]
    gpu_options: Mapping[str, str | int | bool]
    note: str = ""
    decides: str = ""
    worker: str = WORKER

    @property
    def all_options(self) -> dict[str, str | int | bool]:
        """The delegate options of every job on it."""
        return {**self.driver.gpu_options, **self.gpu_options}

    @property
    def noted_driver(self) -> str:
        """Driver name and version, with the note."""
        return f"{self.driver.driver} ({self.note})" if self.note else self.driver.driver

    def environment(self, base: Mapping[str, str]) -> dict[str, str]:
        """`base` with this GPU visible to a delegate and no other."""
        return {**self.driver.environment(base), **self.variables}


def host_gpu(name: GpuName, loader: LoaderSettings | None = None) -> HostGpu:
    """The GPU of a name with a key. loader: what is changed between delegate and driver, over OpenCL.

    Raises TargetUnavailable where it is not here, BadInput for a name that cannot be presented.
    """
    if name.over_opencl:
        return _over_opencl(name, loader or LoaderSettings())
    if name.in_browser:
        return _in_browser(name)
    adapter = vulkan_adapter(name.key)
    full, options = replace(name, key=adapter.key), name.settings.gpu_options
    if not name.presented:
        return HostGpu(full, adapter, {}, options)
    return HostGpu(full, adapter, naming_environment(name.presented), options, naming_note(name.presented))


def _over_opencl(name: GpuName, loader: LoaderSettings) -> HostGpu:
    driver = opencl_driver(name.key)
    if driver is None:
        raise TargetUnavailable(f"{name} is not here: no OpenCL driver {name.key}; run: {opencl_install()}")
    if name.presented:
        loader = replace(loader, device=presented_device(name.presented))
    elif is_hardware(name.key):
        loader = replace(loader, device=None)
    # A device of no vendor that the delegate knows gets images which PoCL does not have.
    own = Settings.parse(["buffers"]).gpu_options if loader.device is NEUTRAL else {}
    options = {**own, **name.settings.gpu_options}
    decides = f"{replace(loader, kernels=None, trace=None, equal_writes=False)} {options} {loader_version()}"
    return HostGpu(name, driver, loader.environment(), options, loader.note, decides)


def _in_browser(name: GpuName) -> HostGpu:
    if name.settings:
        raise BadInput(
            f"{name}: LiteRT.js takes no settings of the delegate; write {replace(name, settings=NO_SETTINGS)}"
        )
    if name.presented:
        check_presented(name.presented)
    variables = {ADAPTER_NAME: name.presented} if name.presented else {}
    note = naming_note(name.presented) if name.presented else ""
    return HostGpu(name, web_browser(), variables, {}, note, page_version(), WEB_WORKER)


def runtime_for(name: GpuName, asked: str | Runtime | None) -> Runtime:
    """The runtime asked for, or the one that a GPU takes by itself. Raises BadInput for one that it does not run on."""
    default = None if name.numbering is Numbering.LITERT else known_runtimes(name)[-1]
    chosen = asked if isinstance(asked, Runtime) else runtime_of(asked or default)
    if chosen.numbering is not name.numbering:
        known = ", ".join(known_runtimes(name))
        raise BadInput(f"{name} does not run on {chosen.version}; for it the runtimes are {known}")
    return chosen


def known_runtimes(name: GpuName) -> tuple[str, ...]:
    """The runtimes that are known for a GPU, oldest first: over OpenCL LiteRT-LM's, in a browser LiteRT.js's."""
    return {
        Numbering.LITERT: KNOWN,
        Numbering.LITERT_LM: android_runtime.KNOWN,
        Numbering.LITERT_JS: litert_js.KNOWN,
    }[name.numbering]


def vulkan_adapter(key: str) -> Adapter:
    """The Vulkan adapter of that key or device name. Raises TargetUnavailable."""
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
