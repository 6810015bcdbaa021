"""The 80 contiguous COCO class names, id 0 to 79."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path


@lru_cache
def coco_labels() -> tuple[str, ...]:
    """Read from coco_labels.txt beside this file."""
    return tuple((Path(__file__).parent / "coco_labels.txt").read_text(encoding="utf-8").split("\n")[:80])
