"""Where the delegate keeps tensors on the GPU: part of a target's name, since other kernels are generated for each."""

from __future__ import annotations

import enum


class Storage(enum.StrEnum):
    """What stands behind a plus in a target's name: `gpu:pocl+textures`. Without one the delegate chooses."""

    BUFFERS = "buffers"
    TEXTURES = "textures"
    """2-D textures, as the delegate chooses on most phones."""

    @property
    def gpu_options(self) -> dict[str, str | int | bool]:
        """LiteRT's `buffer_storage_type`: 1 for buffers, 2 for 2-D textures."""
        return {"buffer_storage_type": 1 if self is Storage.BUFFERS else 2}
