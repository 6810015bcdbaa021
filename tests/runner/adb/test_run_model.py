"""The official binary's printed tensors: read whole or not at all."""

from __future__ import annotations

import shlex

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.adb.results import Garbage
from runner.adb.run_model import command_line, input_file, parse_outputs
from runner.errors import BadInput

STAMP = "I0000 00:00:1795388596.672865   25800 run_model.cc:361] "


def printed(arrays: list[np.ndarray], stamp: str = STAMP) -> str:
    """What litert/tools/run_model.cc prints for these outputs with a large --sample_size."""
    lines = [f"{stamp}Model: /data/local/tmp/m.tflite"]
    for kind in ("Input", "Output"):
        for number, array in enumerate(arrays):
            size = array.size
            lines += [f"{stamp}{kind} buffer {number}:", f"{stamp}  Size: {array.nbytes} bytes"]
            lines += [f"{stamp}  ElementType: {1 if array.dtype == np.float32 else 2}", f"{stamp}  BufferType: 1"]
            lines += [f"{stamp}  Dimensions: [", *(f"{stamp}    {n}" for n in array.shape), f"{stamp}  ]"]
            lines += [f"{stamp}  Total logical elements: {size}", f"{stamp}  Tensor Statistics:", f"{stamp}    Min: 0"]
            lines += [f"{stamp}  Beginning {size} elements:"]
            flat = array.reshape(-1) if kind == "Output" else np.zeros(size)
            lines += [f"{stamp}    {i}: {value:.6g}" for i, value in enumerate(flat)]
    return "\n".join([*lines, f"{stamp}Model run completed", ""])


@given(
    st.lists(st.floats(width=32, allow_nan=True, allow_infinity=True), min_size=1, max_size=20),
    st.sampled_from([STAMP, ""]),
)
def test_values_come_back_with_six_digits(values: list[float], stamp: str) -> None:
    array = np.array(values, dtype=np.float32).reshape(1, -1)
    (found,) = parse_outputs(printed([array], stamp), [array.shape])
    assert found.shape == array.shape
    np.testing.assert_allclose(found, array, rtol=1e-5, atol=1e-44)


def test_two_outputs_and_integers() -> None:
    first, second = np.arange(6, dtype=np.float32).reshape(2, 3), np.array([7, -8], dtype=np.int32)
    found = parse_outputs(printed([first, second]), [(2, 3), (2,)])
    assert np.array_equal(found[0], first)
    assert np.array_equal(found[1], second)
    assert found[1].dtype == np.int32


@given(st.integers(0, 10_000))
def test_a_cut_log_is_no_result(cut: int) -> None:
    whole = printed([np.linspace(1, 2, 12, dtype=np.float32)])
    last = whole.rindex(" 11: ")
    with pytest.raises(Garbage, match="printed"):
        parse_outputs(whole[: min(cut, last)], [(12,)])


def test_names_that_are_paths_are_refused() -> None:
    assert input_file("serving_default_x:0") == "serving_default_x:0.raw"
    for name in ("../x", "a/b", "", "x\n", "..", "-x;y"):
        with pytest.raises(BadInput, match="no file name"):
            input_file(name)


@given(st.text(alphabet=st.characters(codec="utf-8", exclude_characters="\0"), min_size=1))
def test_the_command_line_keeps_every_word(name: str) -> None:
    words = shlex.split(command_line("/b/run_model", f"/d/{name}", "/d/in", "fp16", 12))
    assert words[1] == f"--graph=/d/{name}"
    assert "--sample_size=12" in words
