"""An error map as a picture: a pixel per cell, in colours of the scale, and said in words."""

from __future__ import annotations

import base64
import io

import numpy as np
from PIL import Image

from repro.pages.heat_map import caption, data_uri, marks, to_png
from repro.verdicts.error_map import error_map
from tests.repro.pages.samples import heat


def test_the_png_has_a_pixel_for_each_cell_of_the_three_grids():
    drawn = heat()
    image = Image.open(io.BytesIO(to_png(drawn)))
    assert image.size == (3 * drawn.columns + 2, drawn.rows)
    pixels = np.asarray(image.convert("RGBA"))
    gap = pixels[:, [drawn.columns, 2 * drawn.columns + 1]]
    assert (gap[..., 3] == 0).all(), "the gaps are clear"
    cells = np.delete(pixels, [drawn.columns, 2 * drawn.columns + 1], axis=1)
    assert (cells[..., 3] == 255).all()
    grids = np.split(cells, 3, axis=1)
    for grid, said in zip(grids, (drawn.expected, drawn.actual, drawn.error), strict=True):
        colours: dict[str, set[bytes]] = {}
        for mark, pixel in zip(said, grid.reshape(-1, 4), strict=True):
            colours.setdefault(mark, set()).add(pixel.tobytes())
        assert all(len(of_one) == 1 for of_one in colours.values())
        assert len({next(iter(c)) for c in colours.values()}) == len(colours), "two levels have one colour"


def test_the_address_holds_the_picture_itself():
    drawn = heat()
    assert base64.b64decode(data_uri(drawn).removeprefix("data:image/png;base64,")) == to_png(drawn)


def test_the_caption_says_sizes_scales_and_what_a_cell_is():
    assert caption(heat()).startswith("40 rows x 16 channels, a cell is the worst of about 1.67 x 1; values ")
    assert [meaning for _, meaning in marks(heat())] == ["below what is expected", "never written", "NaN or infinity"]
    small = error_map(np.zeros((2, 3)), np.ones((2, 3)))
    assert small is not None
    assert caption(small) == "2 rows x 3 channels, a cell is an element; values 0 to 0; error 1e0 to 1e0, log scale"
    assert [meaning for _, meaning in marks(small)] == ["above what is expected"]
