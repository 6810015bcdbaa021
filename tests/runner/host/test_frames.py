"""Frames on a pipe: exact both ways, and rubbish is Closed, never an endless read."""

from __future__ import annotations

import os
import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from runner.host.frames import Closed, blob, describe, read_frame, restore, write_frame

headers = st.dictionaries(
    st.text(max_size=8).filter(lambda key: key != "blobs"), st.one_of(st.integers(), st.text(max_size=8)), max_size=4
)
arrays = hnp.arrays(
    dtype=st.sampled_from([np.float32, np.float16, np.int64, np.bool_]),
    shape=hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=5),
)


@settings(max_examples=50, deadline=None)
@given(header=headers, sent=st.lists(arrays, max_size=4))
def test_round_trip(header: dict[str, object], sent: list[np.ndarray]):
    reading, writing = os.pipe()
    try:
        full = {**header, "arrays": [describe(array) for array in sent]}
        write_frame(writing, full, [blob(array) for array in sent])
        got, blobs = read_frame(reading)
    finally:
        os.close(reading)
        os.close(writing)
    back = [restore(d, b) for d, b in zip(got["arrays"], blobs, strict=True)]
    assert {k: v for k, v in got.items() if k != "arrays"} == header
    assert all(x.dtype == y.dtype and x.shape == y.shape for x, y in zip(back, sent, strict=True))
    assert [x.tobytes() for x in back] == [y.tobytes() for y in sent]


def test_a_frame_larger_than_the_pipe_arrives_whole():
    reading, writing = os.pipe()
    data = np.arange(1_000_000, dtype=np.float32)
    thread = threading.Thread(target=write_frame, args=(writing, {}, [blob(data)]))
    thread.start()
    _, blobs = read_frame(reading)
    thread.join()
    os.close(reading)
    os.close(writing)
    assert bytes(blobs[0]) == data.tobytes()


@pytest.mark.parametrize(
    "data", [b"", b"\x05", b"\x02" + bytes(7) + b"{}", b"\x05" + bytes(7) + b"hello", b"\xff" * 16], ids=repr
)
def test_what_is_no_frame_is_closed(data: bytes):
    reading, writing = os.pipe()
    os.write(writing, data)
    os.close(writing)
    try:
        with pytest.raises(Closed):
            read_frame(reading)
    finally:
        os.close(reading)


def test_writing_to_a_reader_that_left_is_closed():
    reading, writing = os.pipe()
    os.close(reading)
    try:
        with pytest.raises(Closed):
            write_frame(writing, {"x": 1})
    finally:
        os.close(writing)
