"""Arrays come back from an .npz bit for bit, and whatever is damaged is one kind of error."""

from __future__ import annotations

import io
import random
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays_of

from runner.npz import UnreadableArrays, packed, packed_groups, read_arrays, read_groups

ARRAYS = arrays_of.arrays(
    st.sampled_from([np.float32, np.float64, np.int32, np.bool_]), arrays_of.array_shapes(min_dims=0, min_side=0)
)


def same(a: np.ndarray, b: np.ndarray) -> bool:
    return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()


@given(groups=st.lists(st.lists(ARRAYS, min_size=1, max_size=12), max_size=3))
def test_groups_come_back_as_they_were_and_in_their_order(tmp_path_factory: pytest.TempPathFactory, groups):
    path = tmp_path_factory.mktemp("npz") / "groups.npz"
    path.write_bytes(packed_groups(groups))
    again = read_groups(path)
    assert [len(group) for group in again] == [len(group) for group in groups]
    pairs = [pair for both in zip(again, groups, strict=True) for pair in zip(*both, strict=True)]
    assert all(same(a, b) for a, b in pairs)


def test_equal_arrays_give_equal_bytes_in_any_order_and_numpy_reads_them():
    x, y = np.arange(3.0), np.ones((2, 0), bool)
    assert packed({"x": x, "y": y}) == packed({"y": y, "x": x})
    assert set(np.load(io.BytesIO(packed({"x": x, "y": y})))) == {"x", "y"}


def test_one_array_without_a_name_is_refused_unless_it_is_given_one(tmp_path: Path):
    np.save(tmp_path / "one.npy", np.arange(3))
    with pytest.raises(UnreadableArrays, match="one array without a name"):
        read_arrays(tmp_path / "one.npy")
    assert list(read_arrays(tmp_path / "one.npy", alone="array")) == ["array"]


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (("0_0", "0_2"), "'0_2' follows no array"),
        (("0_0", "2_0"), "'2_0' follows no array"),
        (("0_1",), "'0_1' follows no array"),
        (("99999999999_0",), "follows no array"),
        (("x",), "'x' is not numbered"),
        (("0_0_0",), "'0_0_0' is not numbered"),
        (("-1_0",), "'-1_0' is not numbered"),
        (("0_0", "00_0"), "'0_0' follows no array"),
    ],
)
def test_groups_with_a_gap_are_refused(tmp_path: Path, names: tuple[str, ...], words: str):
    (tmp_path / "gap.npz").write_bytes(packed({name: np.zeros(1) for name in names}))
    with pytest.raises(UnreadableArrays, match=words):
        read_groups(tmp_path / "gap.npz")


def test_what_is_missing_or_no_archive_or_holds_objects_is_refused(tmp_path: Path):
    (tmp_path / "text.npz").write_text("text", encoding="utf-8")
    np.savez(tmp_path / "objects.npz", x=np.array([{}], dtype=object))
    np.lib.format.write_array_header_1_0(
        (tmp_path / "huge.npy").open("wb"), {"descr": "<f8", "fortran_order": False, "shape": (1 << 50,)}
    )
    for name in ("none.npz", "text.npz", "objects.npz", "huge.npy"):
        with pytest.raises(UnreadableArrays):
            read_arrays(tmp_path / name, alone="array")


@pytest.mark.filterwarnings("ignore")  # zipfile warns of names that stand twice
@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_damaged_bytes_are_arrays_or_one_kind_of_error(tmp_path: Path, save):
    """As drawn: 400 files, in which up to four bytes are another one, some of them cut."""
    draw = random.Random(0)
    path = tmp_path / "damaged.npz"
    whole = io.BytesIO()
    save(whole, x=np.arange(12.0).reshape(3, 4), y=np.ones(3, bool))
    said = []
    for _ in range(400):
        data = bytearray(whole.getvalue())
        for _ in range(draw.randint(1, 4)):
            data[draw.randrange(len(data))] = draw.randrange(256)
        path.write_bytes(data[: draw.randrange(len(data))] if draw.random() < 0.3 else data)
        try:
            read_arrays(path)
        except UnreadableArrays as error:
            said.append(str(error))
    assert len(said) > 200
    assert all(said)
