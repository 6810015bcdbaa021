"""The command that brings what is missing, for this installation: a checkout has a Makefile, a wheel has pip.

Nothing here installs anything: these are the words of messages, to be copied and run.
"""

from __future__ import annotations

import functools
import os
import sys
from importlib import metadata
from pathlib import Path

from runner.cache import cache_root
from runner.encoding import shell_command

DISTRIBUTION = "mali-delegate-repro"
WITH_CONVERTER = ("torch", "litert_torch", "transformers", "safetensors", "ai_edge_quantizer", "PIL")
"""Modules of the extra `convert`: a command that needs one of them cannot run without, and no input is at fault."""
SETUP = Path(__file__).resolve().parent / "setup"


def own_version() -> str:
    """The version of this tool as it is installed; `0.0.0` where it only lies there."""
    try:
        return metadata.version(DISTRIBUTION)
    except metadata.PackageNotFoundError:
        return "0.0.0"


def documentation(page: str) -> str:
    """The address of a page of the docs' site, such as `rules/add-reduce`.

    Empty where this release names no site: `[project.urls] Documentation` in pyproject.toml does.
    """
    site = _documentation_site()
    return f"{site}/{page}.html" if site else ""


@functools.cache
def _documentation_site() -> str:
    """Once a process: the lint asks for a page of every hazard, and each answer reads and parses the metadata."""
    try:
        urls = metadata.metadata(DISTRIBUTION).get_all("Project-URL") or []
    except metadata.PackageNotFoundError:
        return ""
    named = (line.partition(",") for line in urls)
    return next((url.strip().rstrip("/") for name, _, url in named if name.strip().lower() == "documentation"), "")


def checkout() -> Path | None:
    """The source tree this runs from, if it has the Makefile."""
    root = SETUP.parents[1]
    return root if (root / "Makefile").is_file() else None


def sudo() -> str:
    return "" if os.geteuid() == 0 else "sudo "


def apt_install(packages: str) -> str:
    return f"{sudo()}apt-get install -y {packages}"


def pip_install(*words: str) -> str:
    """words: requirements and options, as pip takes them."""
    return shell_command([sys.executable, "-m", "pip", "install", *words])


def install_everything() -> str:
    return _make("setup") or f"{mesa_install()} && {swiftshader_install()}"


HIDES_DRIVERS = ("VK_DRIVER_FILES", "VK_ICD_FILENAMES")
"""Variables that name all drivers which the Vulkan loader is to see."""


def bring_a_driver() -> str:
    """What to do where no Vulkan driver is seen: `run: ...`, or `unset ...` of what hides those that may be here."""
    hiding = [name for name in HIDES_DRIVERS if os.environ.get(name)]
    return f"unset {' '.join(hiding)}, which hides every other driver" if hiding else f"run: {install_everything()}"


def _make(goal: str) -> str:
    """The command in a checkout; empty without one."""
    root = checkout()
    return shell_command(["make", "-C", str(root), goal]) if root else ""


def mesa_install() -> str:
    """Mesa from where it is recent enough: Dawn refuses Debian 12's own 22.3."""
    return shell_command(mesa_script())


def mesa_script() -> list[str]:
    """What installs lavapipe with apt, as words: says first what it will do. Exit 3 where there is no apt."""
    return ["bash", str(SETUP / "mesa.sh")]


def swiftshader_folder() -> Path:
    """Where the set-up unpacks SwiftShader."""
    return cache_root() / "swiftshader"


def swiftshader_install() -> str:
    return shell_command(swiftshader_script())


def swiftshader_script() -> list[str]:
    """What unpacks SwiftShader into the cache, as words."""
    return ["bash", str(SETUP / "swiftshader.sh"), str(swiftshader_folder())]


def opencl_install() -> str:
    return _make("opencl") or shell_command(["bash", str(SETUP / "opencl.sh")])


def web_install() -> str:
    """Chromium, npm and playwright, for the target in a browser."""
    return _make("web") or f"{shell_command(['bash', str(SETUP / 'web.sh')])} && {_extra_install('web')}"


def converter_install() -> str:
    """torch, litert-torch and what else writes models, at the versions that this release was tested with."""
    return _extra_install("convert")


def campaign_install() -> str:
    """Dask distributed, which spreads a run over machines, at the version that this release was tested with."""
    return f"install it: {_extra_install('campaign')}"


def compiler_install() -> str:
    """zig, which compiles the runner of a phone where there is no Android NDK."""
    return _extra_install("phone")


def _extra_install(name: str) -> str:
    root = checkout()
    if root is not None:
        return pip_install("-c", str(root / "constraints.txt"), "-e", f"{root}[{name}]")
    return pip_install("-c", str(SETUP / "constraints.txt"), *extra(name))


def is_of_converter(error: ImportError) -> bool:
    """Whether what could not be imported is, or is a part of, what the extra `convert` brings."""
    return (error.name or "").partition(".")[0] in WITH_CONVERTER


def suite_install() -> str:
    """What runs the suite's own tests."""
    return _make("setup") or _extra_install("suite")


def extra(name: str) -> list[str]:
    """What an extra of this distribution needs beyond the rest, as pip takes it, in pyproject.toml's order."""
    from packaging.requirements import Requirement  # here, because every command imports this module and few ask

    found = []
    for one in map(Requirement, metadata.requires(DISTRIBUTION) or ()):
        if one.marker is not None and one.marker.evaluate({"extra": name}) and not one.marker.evaluate({"extra": ""}):
            found.append(f"{one.name}{one.specifier}")
    return found
