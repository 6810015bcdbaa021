"""What a command line gives as inputs, not read yet; it imports nothing heavy, so that every command may name it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

FORMS = "image:FILE, uniform:LOW,HIGH, normal:MEAN,DEVIATION, integers:LOW,HIGH, ids:COUNT, mask, FILE.npz or FILE.npy"


@dataclass(frozen=True)
class GivenInputs:
    """files: .npz with one array per input, each a feed. words: `NAME=image:photo.jpg` and the like (`FORMS`)."""

    files: tuple[Path, ...] = ()
    words: tuple[str, ...] = ()
