"""Present another adapter name to the delegate: `gpu:lavapipe@Mali-G610`.

The delegate takes vendor-specific paths by a substring of the adapter's name. A Vulkan layer of
ours (native/vk_name_layer.c) gives any driver any name, without touching a binary; it is compiled on
first use into the cache. The result still is WebGPU over that driver: the note says what it is not.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
from pathlib import Path

from runner import children
from runner.cache import cache_root, canonical_json, folder_in_place, is_whole_folder
from runner.errors import BadInput, TargetUnavailable

SOURCE = Path(__file__).parents[1] / "native" / "vk_name_layer.c"
LAYER = "VK_LAYER_REPRO_adapter_name"
_MAX_BYTES = 255


def naming_environment(name: str) -> dict[str, str]:
    """Environment variables that make the delegate of a worker see `name`.

    Raises BadInput for a name that a driver could not have, TargetUnavailable without a C compiler.
    """
    if not name or not name.isprintable() or not name.isascii() or len(name) > _MAX_BYTES:
        raise BadInput(
            f"'{name}' cannot be an adapter name: give 1 to {_MAX_BYTES} printable ASCII characters after '@'"
        )
    return {"VK_LAYER_PATH": str(layer_folder()), "VK_INSTANCE_LAYERS": LAYER, "REPRO_ADAPTER_NAME": name}


def naming_note(name: str) -> str:
    """What every result under a presented name must say: `named Mali-G610, not a Mali`."""
    vendor = re.match(r"[A-Za-z]+", name)
    kind = vendor.group() if vendor else name
    return f"named {name}, not {'an' if kind[0] in 'AEIOUaeiou' else 'a'} {kind}"


def layer_folder() -> Path:
    """The folder of the built layer and its manifest; compiles it unless that was done for this source."""
    source = SOURCE.read_bytes()
    folder = cache_root() / "name-layer" / hashlib.sha256(source).hexdigest()[:16]
    if is_whole_folder(folder):
        return folder
    compiler = os.environ.get("CC") or shutil.which("gcc") or shutil.which("cc") or shutil.which("clang")
    if compiler is None:
        raise TargetUnavailable(
            "an '@name' target needs a C compiler for its Vulkan layer and none is here; "
            "install one (apt-get install gcc libc6-dev) or set CC"
        )
    with folder_in_place(folder) as made:
        library = made / "libvk_name_layer.so"
        command = [compiler, "-shared", "-fPIC", "-O1", "-Wall", "-fvisibility=hidden", "-o", str(library), str(SOURCE)]
        try:
            built = children.run(command, timeout_s=120)
        except (OSError, subprocess.TimeoutExpired) as error:
            raise TargetUnavailable(f"the Vulkan layer cannot be compiled: {compiler}: {error}; set CC") from error
        if built.returncode != 0:
            first = (built.stderr.strip().splitlines() or ["no message"])[0]
            raise TargetUnavailable(f"the Vulkan layer does not compile with {compiler}: {first}; set CC to another")
        manifest = {
            "file_format_version": "1.2.0",
            "layer": {
                "name": LAYER,
                "type": "GLOBAL",
                "library_path": f"./{library.name}",
                "api_version": "1.3.0",
                "implementation_version": "1",
                "description": "Presents another device name, from REPRO_ADAPTER_NAME",
            },
        }
        (made / "name_layer.json").write_bytes(canonical_json(manifest))
    return folder
