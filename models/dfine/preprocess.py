"""A photograph into the network's input: square resize, RGB, [0, 1], NCHW; no ImageNet normalisation."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

from runner.errors import BadInput


def open_image(path: Path) -> Image.Image:
    """The picture in RGB. Raises BadInput for a file that is missing or no picture."""
    try:
        return Image.open(path).convert("RGB")
    except FileNotFoundError:
        raise BadInput(f"image '{path}': no such file") from None
    except (UnidentifiedImageError, OSError) as error:
        raise BadInput(f"image '{path}': cannot be read as a picture ({error})") from None


def to_input(picture: Image.Image, size: int) -> np.ndarray:
    """[1, 3, size, size] float32 in [0, 1]. The aspect ratio is not kept: boxes are relative, so nothing is lost."""
    resized = picture.resize((size, size), Image.Resampling.BILINEAR)
    return np.ascontiguousarray(np.asarray(resized, dtype=np.float32).transpose(2, 0, 1)[None] / np.float32(255))


def load(path: Path, size: int) -> dict[str, np.ndarray]:
    """The input of Graph A by name, for the gate."""
    return {"image": to_input(open_image(path), size)}
