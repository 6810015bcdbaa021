"""What one input gets, in words: `image:photo.jpg`, `uniform:0,1`, `ids:30522`, `x.npz`.

Key insight: words either name files, each of which is one feed, or a range, out of which every feed is drawn. Both are
made to fit the tensor here: a picture is scaled to its height and width, real numbers for a quantised input become the
integers that stand for them.
"""

from __future__ import annotations

import math
import warnings
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from cases.evaluation.quantised import Grid
from cases.graph import Tensor
from cases.input_plan.planned import Kind, PlannedInput
from cases.input_plan.roles import grid_of_input
from repro.trials.given_inputs import FORMS
from runner import memory
from runner.encoding import path_label
from runner.errors import BadInput
from runner.installation import pip_install
from runner.npz import UnreadableArrays, read_arrays, read_headers

_PICTURE_BYTES = 12  # of a pixel while it is read, converted and scaled
_BYTE = 255.0


@dataclass(frozen=True, eq=False)
class Source:
    """What one input gets. arrays: one per file, each a feed; none where `drawn` says how each feed is made."""

    planned: PlannedInput
    arrays: tuple[np.ndarray, ...] = ()


def read_words(words: str, planned: PlannedInput, tensor: Tensor) -> Source:
    """What words give an input. planned: what the graph says of it. Raises BadInput with one line.

    Raises TooMuchMemory before anything is unpacked that would not fit the limit.
    """
    form, _, rest = words.partition(":")
    where = f"input '{tensor.name}'"
    if form == "image" and rest:
        files = _files(rest, where)
        return Source(planned, tuple(_picture(path, planned, tensor) for path in files))
    if Path(words.split(",")[0]).suffix in (".npz", ".npy"):
        return Source(planned, tuple(_array(path, tensor) for path in _files(words, where)))
    drawn = _drawn(form, rest, planned, tensor)
    if drawn is None:
        raise BadInput(f"{where}: '{words}' is none of {FORMS}")
    return Source(drawn)


def _drawn(form: str, rest: str, planned: PlannedInput, tensor: Tensor) -> PlannedInput | None:
    """How numbers are drawn; None for a form that there is not."""
    where = f"input '{tensor.name}'"
    reason = f"as given: {form}:{rest}" if rest else f"as given: {form}"
    if form == "mask" and not rest:
        first = planned.low if planned.kind is Kind.MASK else 1.0
        return PlannedInput(tensor.name, Kind.MASK, first, (1.0,), reason)
    if form not in _DRAWN:
        return None
    kind, count = _DRAWN[form]
    numbers = _numbers(rest, count, f"{where}: {form}")
    low, high = (0.0, numbers[0] - 1) if form == "ids" else (numbers[0], numbers[1])
    if kind is Kind.NORMAL:
        if high < 0:
            raise BadInput(f"{where}: {form}:{rest} has a deviation below 0; give MEAN,DEVIATION")
    elif low > high:
        raise BadInput(f"{where}: {form}:{rest} is an empty range; give the lower end first")
    grid = grid_of_input(tensor)
    if tensor.dtype.startswith("float"):
        return PlannedInput(tensor.name, kind, low, (high,), reason)
    if kind is Kind.NORMAL or tensor.dtype == "bool":
        raise BadInput(f"{where} is {tensor.dtype}, which {form} does not give; give integers:LOW,HIGH or mask")
    if kind is Kind.UNIFORM and grid is not None:
        low, high = (float(_one_step(grid, end)) for end in (low, high))
    low, high = math.ceil(low), math.floor(high)
    if low > high:
        raise BadInput(f"{where}: no whole number lies in {form}:{rest}")
    _require_type(low, high, tensor, where)
    return PlannedInput(tensor.name, Kind.INTEGERS, low, (high,), reason)


_DRAWN = {
    "uniform": (Kind.UNIFORM, 2),
    "normal": (Kind.NORMAL, 2),
    "integers": (Kind.INTEGERS, 2),
    "ids": (Kind.INTEGERS, 1),
}


def _one_step(grid: Grid, real: float) -> float:
    return float(grid.integers(np.full((1,) * max(1, grid.scale.ndim), real)).reshape(-1)[0])


def _require_type(low: float, high: float, tensor: Tensor, where: str) -> None:
    limits = np.iinfo(tensor.dtype)
    if low < limits.min or high > limits.max:
        raise BadInput(f"{where} is {tensor.dtype}, which holds {limits.min} to {limits.max}")


def _numbers(text: str, count: int, where: str) -> list[float]:
    try:
        numbers = [float(part) for part in text.split(",")]
    except ValueError:
        numbers = []
    if len(numbers) != count or not all(map(math.isfinite, numbers)):
        raise BadInput(f"{where} wants {count} number{'s' if count > 1 else ''}, not '{text}'")
    return numbers


def _files(text: str, where: str) -> list[Path]:
    files = [Path(part) for part in text.split(",")]
    for path in files:
        if not path.is_file():
            raise BadInput(f"{where}: '{path}': no such file")
    return files


def _array(path: Path, tensor: Tensor) -> np.ndarray:
    """The one array of a file, or the one called as the input is."""
    try:
        if zipfile.is_zipfile(path):
            names = list(read_headers(path))
            name = tensor.name if tensor.name in names else names[0] if len(names) == 1 else ""
            if not name:
                held = ", ".join(sorted(names)[:5]) or "nothing"
                raise BadInput(f"{path}: holds {held}, and no array '{tensor.name}'; name it so")
            array = read_arrays(path, names=[name])[name]
        else:
            array = read_arrays(path, alone=tensor.name)[tensor.name]
    except UnreadableArrays as error:
        raise BadInput(f"{path}: a damaged file of arrays ({error}); write it again with numpy.save") from error
    require_fit(array.shape, array.dtype, tensor, f"{path_label(path)}:")
    return np.asarray(array, tensor.dtype, order="C")  # ascontiguousarray would turn a scalar into a vector


def require_fit(shape: Sequence[int], dtype: np.dtype, tensor: Tensor, where: str) -> None:
    """Raise BadInput where an array of this shape and type is none for the tensor."""
    if tuple(shape) != tensor.shape:
        raise BadInput(f"{where} has shape {tuple(shape)}, input '{tensor.name}' wants {tensor.shape}")
    if dtype != np.dtype(tensor.dtype) and not np.can_cast(dtype, tensor.dtype, casting="same_kind"):
        raise BadInput(f"{where} is {dtype}, input '{tensor.name}' wants {tensor.dtype}")


def _picture(path: Path, planned: PlannedInput, tensor: Tensor) -> np.ndarray:
    """A photograph as the input takes it: scaled to its size, grey or in colour, channels first or last.

    Floats are 0 to 1, or 0 to 255 where the graph scales them down itself; quantised integers stand for 0 to 1, and
    plain ones are 0 to 255.
    """
    shape, where = tensor.shape, f"input '{tensor.name}'"
    channels_first = len(shape) == 4 and shape[3] not in (1, 3) and shape[1] in (1, 3)
    if len(shape) != 4 or not (channels_first or shape[3] in (1, 3)) or not math.prod(shape):
        raise BadInput(f"{where} has shape {shape}; a picture wants [N, height, width, 1 or 3], or channels first")
    height, width, channels = (shape[2], shape[3], shape[1]) if channels_first else shape[1:]
    pixels = _pixels(path, (width, height), "L" if channels == 1 else "RGB").reshape(height, width, channels)
    image = np.broadcast_to(pixels.transpose(2, 0, 1) if channels_first else pixels, shape)
    grid = grid_of_input(tensor)
    if grid is not None:
        return np.asarray(grid.integers(image / _BYTE), tensor.dtype, order="C")
    if not tensor.dtype.startswith("float"):
        if tensor.dtype in ("bool", "int8"):
            raise BadInput(f"{where} is {tensor.dtype} without scales, which holds no picture")
        return np.asarray(image, tensor.dtype, order="C")
    is_byte_range = planned.kind is Kind.UNIFORM and planned.high == (_BYTE,)
    return np.asarray(image if is_byte_range else image / _BYTE, tensor.dtype, order="C")


def _pixels(path: Path, size: tuple[int, int], mode: str) -> np.ndarray:
    """The picture in float64, 0 to 255, scaled to `size` (width, height)."""
    open_picture, damage = _reader(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # pillow warns of a picture that unpacks to far more than it should
            with open_picture(path) as picture:
                memory.require(math.prod(picture.size) * _PICTURE_BYTES, f"{path_label(path)}: reading the picture")
                scaled = picture.convert(mode).resize(size)
    except damage as error:
        reason = " ".join(str(error).split())
        raise BadInput(f"{path}: cannot be read as a picture ({reason}); give a PNG or a JPEG") from error
    return np.asarray(scaled, np.float64)


def _reader(path: Path) -> tuple[Callable[..., Any], tuple[type[BaseException], ...]]:
    try:
        from PIL import Image
    except ImportError as error:
        raise BadInput(
            f"{path}: reading a picture needs pillow, which is not installed; install it: {pip_install('pillow')}"
        ) from error
    faults = (OSError, ValueError, SyntaxError, EOFError, Warning, Image.DecompressionBombError)
    return Image.open, faults
