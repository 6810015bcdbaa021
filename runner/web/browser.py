"""The browser of this host and the GPU that it gives to web pages, as a driver of the delegate.

Key insight: a page cannot choose its GPU, the browser does: a real one where there is one, else SwiftShader, which
Chromium brings. So the browser is the driver. It is asked once what it gives, and again when it or the GPUs change.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from runner import children
from runner.cache import cache_root, read_json_entry, write_json_entry
from runner.errors import TargetUnavailable
from runner.installation import web_install
from runner.python_child import child_command, child_environment
from runner.residency import not_resident
from runner.run import Precision
from runner.scratch import ScratchFolder

WEB = "web"
CHROMIUM = "REPRO_CHROMIUM"
"""Names another Chromium than the first of PROGRAMS; a worker finds the program under it."""
PROGRAMS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
PAGE, PAGE_SCRIPT = (Path(__file__).with_name(name) for name in ("page.html", "page.js"))
_ASK_S = 120
_NOT_SUPPORTED = "operations are not supported by GPU delegate:"
_OP = re.compile(r"^(?!INFO|WARNING|ERROR|VERBOSE)[A-Z][A-Z0-9_]+: .+", re.M)
_ADAPTER = "adapter: "
"""What `runner.web.session` writes into the log of a page's start."""


@dataclass(frozen=True)
class WebBrowser:
    """A Chromium. device: what it says of the GPU. driver: its name and version, `Chromium 156.0.8078.108`."""

    program: str
    device: str
    driver: str
    precisions: tuple[Precision, ...]
    stamp: str

    key = WEB
    patience = 3.0  # SwiftShader compiles in one thread of the browser

    @property
    def gpu_options(self) -> dict[str, str | int | bool]:
        """LiteRT.js takes none of the delegate's options."""
        return {}

    def environment(self, base: Mapping[str, str], threads: int | None = None) -> dict[str, str]:
        """`base` with this program named. A browser's threads cannot be counted from outside."""
        return {**base, CHROMIUM: self.program}

    def quick_environment(self) -> dict[str, str]:
        return {}

    def logged_adapter(self, log: str) -> str:
        """What a page was given, or the name that is presented to the delegate in its place."""
        lines = (line for line in log.splitlines() if line.startswith(_ADAPTER))
        return next(lines, "").removeprefix(_ADAPTER)

    def wrong_device(self, logged: str) -> bool:
        """A page takes the only GPU that the browser gives."""
        return False

    def not_resident(self, log: str, fully_accelerated: bool | None) -> str:
        """LiteRT.js goes on with a part of the graph in WebAssembly, and says so."""
        if fully_accelerated is False:
            return f"LiteRT.js leaves a part of it to WebAssembly{_unsupported(log)}"
        return not_resident(log, fully_accelerated, loopback=True)


def _unsupported(log: str) -> str:
    """The ops that the delegate's log names, to stand behind a sentence; empty where it names none."""
    named = dict.fromkeys(_OP.findall(log.partition(_NOT_SUPPORTED)[2]))
    return f": {'; '.join(named)}" if named else ""


def is_web(key: str) -> bool:
    """Whether a name after `gpu:` is that of the browser."""
    return key == WEB


def page_version() -> str:
    """Changes when what a page does with a model changes."""
    return f"page {hashlib.sha256(PAGE_SCRIPT.read_bytes()).hexdigest()[:16]}"


def chromium() -> str:
    """The program's path, or an empty string."""
    given = os.environ.get(CHROMIUM)
    names = (given,) if given else PROGRAMS
    return next((path for name in names if (path := shutil.which(name))), "")


def missing() -> str:
    """What this machine lacks for a browser, in words; empty where all is here."""
    given = os.environ.get(CHROMIUM)
    lacks = [] if chromium() else [f"{CHROMIUM}={given} is no program" if given else "no Chromium"]
    lacks += [] if importlib.util.find_spec("playwright") else ["no playwright in this Python"]
    return " and ".join(lacks)


def web_browser() -> WebBrowser:
    """The browser of this host. Raises TargetUnavailable with the command that brings what is missing."""
    if lacks := missing():
        raise TargetUnavailable(f"gpu:{WEB} is not here: {lacks}; run: {web_install()}")
    program = chromium()
    stamp = _stamp(program)
    memory = cache_root() / "web" / "browsers" / f"{stamp}.json"
    known = read_json_entry(memory)
    if not isinstance(known, dict):
        known = _ask_in_child(program)
        write_json_entry(memory, known)
    return WebBrowser(
        program=program,
        device=known["adapter"],
        driver=f"Chromium {known['version']}",
        precisions=tuple(Precision) if "shader-f16" in known["features"] else (Precision.FP32,),
        stamp=stamp,
    )


def _stamp(program: str) -> str:
    """Changes when the program, or the GPUs of this machine, may have changed. Debian's program is behind a script."""
    path = Path(program).resolve()
    files = [path, Path("/usr/lib") / path.name / path.name]
    parts = [f"{file} {file.stat().st_size} {file.stat().st_mtime_ns}" for file in files if file.is_file()]
    parts += sorted(str(gpu) for pattern in ("dri/*", "nvidia*") for gpu in Path("/dev").glob(pattern))
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:32]


def _ask_in_child(program: str) -> dict[str, object]:
    with ScratchFolder("browser") as scratch:
        environment = child_environment(own_folders(os.environ, Path(scratch)))
        try:
            child = children.run(child_command("runner.web.session", program), timeout_s=_ASK_S, env=environment)
        except subprocess.TimeoutExpired:
            raise TargetUnavailable(f"{program} did not start within {_ASK_S} s; run: {web_install()}") from None
    if child.returncode != 0:
        said = (child.stderr.strip().splitlines() or [f"exit code {child.returncode}"])[-1]
        raise TargetUnavailable(f"{program} does not start here: {said}; run: {web_install()}")
    answer: dict[str, object] = json.loads(child.stdout)
    if answer["adapter"] == "none":
        raise TargetUnavailable(f"{program} gives its pages no GPU (WebGPU); use Chromium 113 or later")
    return answer


def own_folders(base: Mapping[str, str], folder: Path) -> dict[str, str]:
    """`base` with all that a browser writes (profile, cache, settings) in a folder that its owner removes."""
    return {**base, **dict.fromkeys(("TMPDIR", "HOME", "XDG_CONFIG_HOME", "XDG_CACHE_HOME"), str(folder))}
