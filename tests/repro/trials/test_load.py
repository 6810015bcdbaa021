"""What a user names is read, checked against the model, and refused in one line where it does not fit."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cases.graph import Tensor
from cases.inputs import StandardFeeds
from cases.tflite.write import write_tflite
from repro.trials.load import feed_from_arrays, feed_from_npz, feed_plan, load_subject, read_bytes
from repro.verdicts.references import OwnOps
from runner.errors import BadInput
from tests.repro.verdicts.judging import scene

DECLARED = (Tensor("x", (2, 3)), Tensor("count", (3,), "int32"))
X, COUNT = np.arange(6, dtype=np.float32).reshape(2, 3), np.arange(3, dtype=np.int32)


def one_line(call: Callable[[], object]) -> str:
    with pytest.raises(BadInput) as error:
        call()
    assert "\n" not in str(error.value)
    return str(error.value)


@pytest.mark.parametrize(
    "arrays", [{"x": X, "count": COUNT}, {"arr_0": X, "arr_1": COUNT}, {"count": COUNT, "arr_0": X}]
)
def test_arrays_are_found_by_name_or_in_order(arrays: dict[str, np.ndarray], tmp_path: Path):
    np.savez(tmp_path / "inputs.npz", **arrays)
    for feed in (feed_from_arrays(arrays, DECLARED, "here"), feed_from_npz(tmp_path / "inputs.npz", DECLARED)):
        np.testing.assert_array_equal(feed[0], X)
        np.testing.assert_array_equal(feed[1], COUNT)


@given(
    dtype=st.sampled_from(["float64", "float16", "int64", "int8", "bool"]),
    layout=st.sampled_from([np.asfortranarray, lambda a: a[::-1], lambda a: a]),
)
def test_what_can_be_cast_without_another_meaning_is_cast_and_laid_out_in_order(dtype: str, layout):
    (feed,) = feed_from_arrays({"x": layout(X.astype(dtype))}, DECLARED[:1], "here")
    assert feed.dtype == np.float32
    assert feed.flags.c_contiguous
    np.testing.assert_array_equal(feed, layout(X.astype(dtype)).astype(np.float32))


def test_an_input_without_dimensions_keeps_none():
    (feed,) = feed_from_arrays({"s": np.float32(2.0)}, [Tensor("s", ())], "here")
    assert feed.shape == ()


@pytest.mark.parametrize(
    ("arrays", "says"),
    [
        ({"x": X}, "here: no array for input 1 'count' (it holds x); name it so"),
        ({"x": X, "coumt": X}, "(it holds coumt, x); name it so; did you mean 'coumt'?"),
        ({}, "here: no array for input 0 'x' (it holds nothing)"),
        ({"x": X[:1], "count": COUNT}, "'x' has shape (1, 3), input 'x' wants (2, 3)"),
        ({"x": X, "count": COUNT.astype(np.float32)}, "'count' is float32, input 'count' wants int32"),
        ({"x": X.astype(complex), "count": COUNT}, "'x' is complex128"),
        ({"x": np.full((2, 3), "a"), "count": COUNT}, "wants float32"),
    ],
)
def test_arrays_that_do_not_fit_are_one_line(arrays: dict[str, np.ndarray], says: str):
    assert says in one_line(lambda: feed_from_arrays(arrays, DECLARED, "here"))


def test_a_file_that_is_no_archive_or_a_damaged_one_is_one_line(tmp_path: Path):
    path = tmp_path / "inputs.npz"
    assert "no such file" in one_line(lambda: feed_from_npz(path, DECLARED))
    path.write_text("text", encoding="utf-8")
    assert "not an .npz file" in one_line(lambda: feed_from_npz(path, DECLARED))
    np.savez_compressed(path, x=np.random.default_rng(0).standard_normal((2, 3)).astype(np.float32), count=COUNT)
    whole = bytearray(path.read_bytes())
    middle = whole.index(b"x.npy") + 40
    whole[middle : middle + 60] = bytes(60)
    path.write_bytes(whole)
    assert "a damaged .npz" in one_line(lambda: feed_from_npz(path, DECLARED))


def test_without_arrays_the_feeds_are_made_of_the_seed():
    assert feed_plan(DECLARED, None, 7) == StandardFeeds(7, again=True)


@pytest.mark.parametrize("given_as", ["mapping", "sequence", "file", "name"])
def test_given_arrays_come_first_and_again_and_two_made_feeds_between_them(given_as: str, tmp_path: Path):
    np.savez(tmp_path / "mine.npz", x=X, count=COUNT)
    path = tmp_path / "mine.npz"
    ways = {"mapping": {"x": X, "count": COUNT}, "sequence": [X, COUNT], "file": path, "name": str(path)}
    plan = feed_plan(DECLARED, ways[given_as], 3)
    first, second, third, fourth = plan.make(DECLARED)
    assert fourth is first
    np.testing.assert_array_equal(first[0], X)
    for between, wanted in zip((second, third), StandardFeeds(3).make(DECLARED)[1:], strict=True):
        np.testing.assert_array_equal(between[0], wanted[0])
    source = "mine.npz" if given_as in ("file", "name") else "given arrays"
    assert plan.words == f"{source}, then gaussian seed 3"


def test_more_arrays_than_inputs_are_refused_and_not_left_out():
    said = one_line(lambda: feed_plan(DECLARED, [X, COUNT, COUNT], 0))
    assert said == "inputs: 3 arrays are given and the model has 2 inputs"


def test_a_file_that_cannot_be_read_says_what_to_give(tmp_path: Path):
    assert "no such file; give a .tflite model" in one_line(
        lambda: read_bytes(tmp_path / "m.tflite", "a .tflite model")
    )
    assert "cannot be read" in one_line(lambda: read_bytes(tmp_path, "a .tflite model"))


def test_a_model_becomes_a_subject_under_its_files_name(tmp_path: Path):
    path = tmp_path / "mine.tflite"
    path.write_bytes(write_tflite(scene().graph))
    subject = load_subject(path, seed=4, strict_shapes=True)
    assert (subject.name, subject.plan, subject.model) == (
        "mine.tflite",
        StandardFeeds(4, again=True),
        path.read_bytes(),
    )
    assert subject.graph.outputs == ("y", "w")
    assert isinstance(subject.reference, OwnOps)
    assert subject.reference.strict_shapes


def test_what_is_no_model_is_refused_with_its_path(tmp_path: Path):
    path = tmp_path / "mine.tflite"
    path.write_bytes(b"just text")
    assert str(path) in one_line(lambda: load_subject(path))
