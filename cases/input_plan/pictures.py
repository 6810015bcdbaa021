"""Pictures that are made: ellipses of one colour each before a background, with a little noise.

Key insight: white noise is no picture to a network that was trained on photographs. Its features cancel, a segmenter
answers 1e-9 everywhere, and float16 rounds that to zero. Areas and edges are what such a network looks for.
"""

from __future__ import annotations

import numpy as np

_ELLIPSES = 12
_AXES = (0.05, 0.4)  # of an ellipse, as shares of the height and width
_COVERS = 0.7  # of what is behind it is hidden by an ellipse
_NOISE = 0.02  # standard deviation, so that no two pixels of an area are alike


def picture(shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    """Pictures of [batch, height, width, channels], from 0 to 1."""
    _, height, width, channels = shape
    rows, columns = np.arange(height)[:, None], np.arange(width)[None, :]
    made = np.empty(shape)
    for one in made:
        one[:] = rng.uniform(0, 1, channels)
        for _ in range(_ELLIPSES):
            y, x = rng.uniform(0, (height, width))
            tall, wide = rng.uniform(*_AXES, 2) * (height, width)
            inside = ((rows - y) / tall) ** 2 + ((columns - x) / wide) ** 2 < 1
            one[inside] += _COVERS * (rng.uniform(0, 1, channels) - one[inside])
        one += rng.normal(0, _NOISE, one.shape)
    return np.clip(made, 0, 1, out=made)
