"""Arrays come back from an .npz bit for bit, and whatever is damaged is one kind of error."""

from __future__ import annotations

import io
import random
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays_of

from runner import memory, npz
from runner.memory import TooMuchMemory
from runner.npz import UnreadableArrays, packed, packed_groups, read_arrays, read_groups, read_headers

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


def zipped(path: Path, members: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return path


def member(shape: object, data: bytes = b"", descr: object = "<f4", header: str = "") -> bytes:
    text = (header or repr({"descr": descr, "fortran_order": False, "shape": shape})).encode()
    return b"\x93NUMPY\1\0" + len(text).to_bytes(2, "little") + text + data


def test_headers_say_shape_and_dtype_and_nothing_is_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    np.savez(tmp_path / "x.npz", x=np.zeros((2, 3), np.float32), y=np.arange(4))
    monkeypatch.setattr(npz, "_elements", None)
    headers = read_headers(tmp_path / "x.npz")
    assert {name: (header.shape, header.dtype) for name, header in headers.items()} == {
        "x": ((2, 3), np.dtype(np.float32)),
        "y": ((4,), np.dtype(np.int64)),
    }


def test_only_what_is_asked_for_is_unpacked(tmp_path: Path):
    np.savez_compressed(tmp_path / "bomb.npz", x=np.ones(4), bomb=np.zeros(1 << 21))
    with memory.limited("1MiB"):
        assert list(read_arrays(tmp_path / "bomb.npz", names=["x"])) == ["x"]
        with pytest.raises(TooMuchMemory, match=r"bomb.npz: unpacking its arrays would take about 16 MiB"):
            read_arrays(tmp_path / "bomb.npz")


def test_arrays_in_columns_come_back_as_they_were(tmp_path: Path):
    columns = np.asfortranarray(np.arange(6.0).reshape(2, 3))
    np.savez(tmp_path / "f.npz", f=columns)
    assert same(np.ascontiguousarray(read_arrays(tmp_path / "f.npz")["f"]), np.ascontiguousarray(columns))


MALFORMED = [
    (member((1 << 40,), bytes(16)), "its header wants"),
    (member((4,), bytes(15)), "its header wants"),
    (member((4,), bytes(17)), "its header wants"),
    (member((-1,)), "damaged shape"),
    (member((True,), bytes(4)), "damaged shape"),
    (member((1.0,), bytes(4)), "damaged shape"),
    (member([1], bytes(4)), "damaged shape"),
    (member((1,) * 40, bytes(4)), "40 dimensions"),
    (member((1,), bytes(8), "|O"), "Python objects or records"),
    (member((1,), bytes(8), [("a", "<f4"), ("b", "<f4")]), "Python objects or records"),
    (member((1,), bytes(8), "2<f4"), "Python objects or records"),
    (member((1,), bytes(4), "<f3"), "damaged header"),
    (member((1,), header="("), "damaged header"),
    (member((1,), header="(" * 5000), "damaged header"),
    (member((1,), header="[]"), "damaged header"),
    (member((1,), header="{'shape': (1,)}"), "damaged header"),
    (member((1,), header="{'descr': '<f4', 'fortran_order': False, 'shape': " + "9" * 5000 + "}"), "damaged"),
    (b"\x93NUMPY\1\0\xff\xff" + b" " * 70000, "header of 65535 bytes"),
    (b"\x93NUMPY\2\0\xff\xff\xff\xff" + b" " * 100, "header of 4294967295 bytes"),
    (b"\x93NUMPY\7\0" + bytes(8), "no array of numpy's"),
    (b"", "no array of numpy's"),
    (b"text", "no array of numpy's"),
]


@pytest.mark.parametrize(("data", "says"), MALFORMED, ids=range(len(MALFORMED)))
def test_members_that_are_not_what_they_say_are_refused(tmp_path: Path, data: bytes, says: str):
    path = zipped(tmp_path / "odd.npz", {"x.npy": data})
    with pytest.raises(UnreadableArrays, match=says):
        read_arrays(path)
    (tmp_path / "odd.npy").write_bytes(data)
    with pytest.raises(UnreadableArrays):
        read_arrays(tmp_path / "odd.npy", alone="x")


def test_a_folder_is_no_archive_and_an_archive_behind_other_bytes_is_one(tmp_path: Path):
    with pytest.raises(UnreadableArrays, match="directory"):
        read_arrays(tmp_path)
    path = zipped(tmp_path / "two.npz", {"x": member((1,), bytes(4)), "y.npy": member((1,), bytes(4))})
    path.write_bytes(b"something in front" + path.read_bytes())
    assert sorted(read_arrays(path)) == ["x", "y"]


def test_a_member_that_says_it_is_short_is_read_no_further(tmp_path: Path):
    """16 MiB are packed; the archive and the header say that they are 16 bytes."""
    lying = member((4,), bytes(1 << 24))
    path = zipped(tmp_path / "long.npz", {"x.npy": lying})
    true, said = (size.to_bytes(4, "little") for size in (len(lying), len(member((4,), bytes(16)))))
    path.write_bytes(path.read_bytes().replace(true, said))
    with memory.limited("1MiB"), pytest.raises(UnreadableArrays, match="CRC"):
        read_arrays(path)
