"""The command that brings what is missing, for this installation: a checkout has a Makefile, a wheel has pip.

Nothing here installs anything: these are the words of messages, to be copied and run.
"""

from __future__ import annotations

import os
import sys
from importlib import metadata
from pathlib import Path

from runner.cache import cache_root
from runner.encoding import shell_command

DISTRIBUTION = "mali-delegate-repro"
SETUP = Path(__file__).resolve().parent / "setup"


def checkout() -> Path | None:
    """The source tree this runs from, if it has the Makefile."""
    root = SETUP.parents[1]
    return root if (root / "Makefile").is_file() else None


def sudo() -> str:
    return "" if os.geteuid() == 0 else "sudo "


def apt_install(packages: str) -> str:
    return f"{sudo()}apt-get install -y {packages}"


def pip_install(requirement: str) -> str:
    return f"{sys.executable} -m pip install '{requirement}'"


def install_everything() -> str:
    root = checkout()
    return f"make -C '{root}' setup" if root else f"{mesa_install()} && {swiftshader_install()}"


def mesa_install() -> str:
    """Mesa from where it is recent enough: Dawn refuses Debian 12's own 22.3."""
    if os_release().get("VERSION_CODENAME") == "bookworm":
        by_hand = f"{sudo()}apt-get install -y -t bookworm-backports mesa-vulkan-drivers libvulkan1"
        root = checkout()
        return f"make -C '{root}' setup (adds bookworm-backports, then: {by_hand})" if root else by_hand
    return apt_install("mesa-vulkan-drivers libvulkan1")


def swiftshader_folder() -> Path:
    """Where the set-up unpacks SwiftShader."""
    return cache_root() / "swiftshader"


def swiftshader_install() -> str:
    return f"bash '{SETUP / 'swiftshader.sh'}' '{swiftshader_folder()}'"


def opencl_install() -> str:
    root = checkout()
    return f"make -C '{root}' opencl" if root else f"bash '{SETUP / 'opencl.sh'}'"


def converter_install() -> str:
    """torch, litert-torch and what else writes models, at the versions that this release was tested with."""
    root = checkout()
    if root is not None:
        return f"{sys.executable} -m pip install -c '{root / 'constraints.txt'}' -e '{root}[convert]'"
    return shell_command(
        [sys.executable, "-m", "pip", "install", "-c", str(SETUP / "constraints.txt"), *extra("convert")]
    )


def suite_install() -> str:
    """What runs the suite's own tests."""
    if checkout() is not None:
        return install_everything()
    return shell_command([sys.executable, "-m", "pip", "install", *extra("suite")])


def extra(name: str) -> list[str]:
    """What an extra of this distribution needs beyond the rest, as pip takes it, in pyproject.toml's order."""
    from packaging.requirements import Requirement  # here, because every command imports this module and few ask

    found = []
    for one in map(Requirement, metadata.requires(DISTRIBUTION) or ()):
        if one.marker is not None and one.marker.evaluate({"extra": name}) and not one.marker.evaluate({"extra": ""}):
            found.append(f"{one.name}{one.specifier}")
    return found


def os_release() -> dict[str, str]:
    """/etc/os-release as a dictionary; empty where there is none."""
    path = Path("/etc/os-release")
    if not path.is_file():
        return {}
    pairs = (line.partition("=") for line in path.read_text(encoding="utf-8").splitlines() if "=" in line)
    return {name: value.strip('"') for name, _, value in pairs}
