"""Present another adapter name to the delegate: `gpu:lavapipe@Mali-G610`.

The delegate takes vendor-specific paths by a substring of the adapter's name. A Vulkan layer of
ours (native/vk_name_layer.c) gives any driver any name, without touching a binary; it is compiled on
first use into the cache. The result still is WebGPU over that driver: the note says what it is not.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from runner.c_compiler import NATIVE, build_library
from runner.cache import cache_root, canonical_json, folder_in_place, is_whole_folder
from runner.presented import ADAPTER_NAME, check_presented

SOURCE = NATIVE / "vk_name_layer.c"
LAYER = "VK_LAYER_REPRO_adapter_name"


def naming_environment(name: str) -> dict[str, str]:
    """Environment variables that make the delegate of a worker see `name`.

    Raises BadInput for a name that a driver could not have, TargetUnavailable without a C compiler.
    """
    check_presented(name)
    return {"VK_LAYER_PATH": str(layer_folder()), "VK_INSTANCE_LAYERS": LAYER, ADAPTER_NAME: name}


def layer_folder() -> Path:
    """The folder of the built layer and its manifest; compiles it unless that was done for this source."""
    source = SOURCE.read_bytes()
    folder = cache_root() / "name-layer" / hashlib.sha256(source).hexdigest()[:16]
    if is_whole_folder(folder):
        return folder
    with folder_in_place(folder) as made:
        library = made / "libvk_name_layer.so"
        build_library("the Vulkan layer of an '@name' target", [SOURCE], library, ["-fvisibility=hidden"])
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
