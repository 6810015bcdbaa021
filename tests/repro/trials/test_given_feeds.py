"""Only what the user gives is fed: arrays, files, pictures, ranges; what does not fit is refused in one line."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cases.graph import Graph, Op, Tensor
from cases.input_plan.planned import Kind, PlannedFeeds
from cases.inputs import GivenFeeds, StandardFeeds
from repro.trials.given_feeds import feed_from_arrays, feed_from_npz, feed_plan
from repro.trials.given_inputs import GivenInputs
from runner.errors import BadInput
from runner.memory import limited
from tests.cases.input_plan.test_roles import quantised

DECLARED = (Tensor("x", (2, 3)), Tensor("count", (3,), "int32"))
X, COUNT = np.arange(6, dtype=np.float32).reshape(2, 3), np.arange(3, dtype=np.int32)


def graph_of(*inputs: Tensor) -> Graph:
    """A graph that reads its inputs in a way that says nothing of them."""
    names = tuple(tensor.name for tensor in inputs)
    outputs = tuple(Tensor(f"{tensor.name} out", tensor.shape, tensor.dtype) for tensor in inputs)
    ops = tuple(Op("ABS", (name,), (output.name,)) for name, output in zip(names, outputs, strict=True))
    return Graph({t.name: t for t in (*inputs, *outputs)}, ops, names, tuple(o.name for o in outputs))


PLAIN = graph_of(*DECLARED)


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
        ({}, "here: no array for input 0 'x' (it holds nothing)"),
        ({"x": X, "coumt": X}, "(it holds coumt, x); name it so; did you mean 'coumt'?"),
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
    plan = feed_plan(PLAIN, None, 7)
    assert isinstance(plan, PlannedFeeds)
    assert (plan.standard, plan.by_role) == (StandardFeeds(7, again=True), {})


@pytest.mark.parametrize("given_as", ["mapping", "sequence", "file", "name", "option"])
def test_what_is_given_is_fed_and_fed_again_and_nothing_else(given_as: str, tmp_path: Path):
    path = tmp_path / "mine.npz"
    np.savez(path, x=X, count=COUNT)
    ways = {"mapping": {"x": X, "count": COUNT}, "sequence": [X, COUNT], "file": path, "name": str(path)}
    plan = feed_plan(PLAIN, ways.get(given_as, GivenInputs((path,))), 3)
    first, again = plan.make(DECLARED)
    assert again is first
    np.testing.assert_array_equal(first[0], X)
    assert plan.words == ("given arrays" if given_as in ("mapping", "sequence") else "mine.npz")


def test_several_files_are_several_feeds_in_their_order(tmp_path: Path):
    files = [tmp_path / f"{k}.npz" for k in range(3)]
    for k, path in enumerate(files):
        np.savez(path, x=X + k, count=COUNT + k)
    for given_as in (files, [str(path) for path in files], GivenInputs(tuple(files))):
        feeds = feed_plan(PLAIN, given_as, 0).make(DECLARED)
        assert [float(feed[0][0, 0]) for feed in feeds] == [0, 1, 2, 0]
        assert [int(feed[1][0]) for feed in feeds] == [0, 1, 2, 0]


def test_one_input_in_words_and_the_others_from_a_file(tmp_path: Path):
    np.savez(tmp_path / "x.npz", x=X)
    plan = feed_plan(PLAIN, GivenInputs((tmp_path / "x.npz",), ("count=integers:5,9",)), 0)
    first, again = plan.make(DECLARED)
    assert again is first
    np.testing.assert_array_equal(first[0], X)
    assert set(first[1].tolist()) <= {5, 6, 7, 8, 9}
    assert plan.words == "x.npz, count=integers:5,9"


def test_an_input_from_several_files_and_the_other_made_by_the_plan(tmp_path: Path):
    for k in range(2):
        np.save(tmp_path / f"{k}.npy", X + k)
    words = f"x={tmp_path / '0.npy'},{tmp_path / '1.npy'}"
    plan = feed_plan(PLAIN, GivenInputs(words=(words,)), 4)
    feeds = plan.make(DECLARED)
    assert [float(feed[0][0, 0]) for feed in feeds] == [0, 1, 0]
    for feed, made in zip(feeds[:2], StandardFeeds(4).make(DECLARED), strict=False):
        np.testing.assert_array_equal(feed[1], made[1])
    assert plan.words.endswith("1 of gaussian, seed 4")


@pytest.mark.parametrize(
    ("words", "tensor", "kind", "low", "high"),
    [
        ("uniform:-1,3", Tensor("x", (2,)), Kind.UNIFORM, -1, 3),
        ("normal:2,0.5", Tensor("x", (2,)), Kind.NORMAL, 2, 0.5),
        ("ids:30522", Tensor("x", (2,), "int64"), Kind.INTEGERS, 0, 30521),
        ("integers:-2,2", Tensor("x", (2,), "int8"), Kind.INTEGERS, -2, 2),
        ("mask", Tensor("x", (2,)), Kind.MASK, 1, 1),
        ("uniform:0.5,2.5", Tensor("x", (2,), "int32"), Kind.INTEGERS, 1, 2),
        ("uniform:0,1", Tensor("x", (2,), "int8", raw=quantised(-2.0, 2.0)), Kind.INTEGERS, 0, 64),
    ],
)
def test_words_say_how_an_input_is_drawn(words: str, tensor: Tensor, kind: Kind, low: float, high: float):
    for given_as in (GivenInputs(words=(f"x={words}",)), GivenInputs(words=(f"0={words}",)), {"x": words}):
        plan = feed_plan(graph_of(tensor), given_as, 0)
        assert isinstance(plan, PlannedFeeds)
        (planned,) = plan.inputs
        assert (planned.kind, planned.low, planned.high) == (kind, low, (high,))
        first, _, _, again = plan.make([tensor])
        assert again is first
        assert first[0].dtype == tensor.dtype


PICTURES = {
    "channels last": (Tensor("x", (1, 4, 6, 3)), lambda x: x[0]),
    "channels first": (Tensor("x", (1, 3, 4, 6)), lambda x: x[0].transpose(1, 2, 0)),
    "a batch of two": (Tensor("x", (2, 4, 6, 3)), lambda x: x[1]),
    "bytes": (Tensor("x", (1, 4, 6, 3), "uint8"), lambda x: x[0] / 255),
    "quantised": (
        Tensor("x", (1, 4, 6, 3), "int8", raw=quantised(0.0, 1.0)), lambda x: (x[0].astype(float) + 128) / 255
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", PICTURES)
def test_a_picture_is_scaled_to_the_input_and_to_what_it_holds(name: str, tmp_path: Path):
    image = pytest.importorskip("PIL.Image", reason="pictures need pillow")
    tensor, as_shown = PICTURES[name]
    image.new("RGB", (60, 40), (255, 51, 0)).save(tmp_path / "photo.png")
    feed, again = feed_plan(graph_of(tensor), {"x": f"image:{tmp_path / 'photo.png'}"}, 0).make([tensor])
    assert again is feed
    np.testing.assert_allclose(as_shown(feed[0]), np.broadcast_to([1.0, 0.2, 0.0], (4, 6, 3)), atol=1e-3)


def test_a_picture_that_would_not_fit_is_refused_before_it_is_unpacked(tmp_path: Path):
    image = pytest.importorskip("PIL.Image", reason="pictures need pillow")
    image.new("L", (3000, 3000)).save(tmp_path / "large.png")
    graph = graph_of(Tensor("x", (1, 4, 6, 3)))
    with limited("20MiB"):
        said = one_line(lambda: feed_plan(graph, {"x": f"image:{tmp_path / 'large.png'}"}, 0))
    assert "reading the picture" in said


def test_words_that_do_not_fit_are_one_line(tmp_path: Path):
    (tmp_path / "text.png").write_text("text", encoding="utf-8")
    (tmp_path / "text.npz").write_text("text", encoding="utf-8")
    np.save(tmp_path / "x.npy", X[:1])
    np.save(tmp_path / "good.npy", X)
    np.savez(tmp_path / "two.npz", a=X, b=X)
    picture = graph_of(Tensor("x", (1, 4, 6, 3)))
    for graph, words, says in (
        (PLAIN, "x", "write NAME=WORDS"),
        (PLAIN, "z=mask", "no input is called 'z'; the model has x, count"),
        (PLAIN, "7=mask", "no input is called '7'"),
        (PLAIN, "x=gauss", "'gauss' is none of image:FILE"),
        (PLAIN, "x=uniform:1", "uniform wants 2 numbers, not '1'"),
        (PLAIN, "x=uniform:nan,1", "wants 2 numbers"),
        (PLAIN, "x=uniform:2,1", "is an empty range"),
        (PLAIN, "x=normal:0,-1", "deviation below 0"),
        (PLAIN, "count=normal:0,1", "is int32, which normal does not give"),
        (PLAIN, "count=uniform:0.2,0.8", "no whole number lies in"),
        (PLAIN, "count=ids:9999999999999", "is int32, which holds"),
        (PLAIN, "count=ids:0", "is an empty range"),
        (PLAIN, f"x={tmp_path / 'none.npy'}", "no such file"),
        (PLAIN, f"x={tmp_path / 'x.npy'}", "has shape (1, 3), input 'x' wants (2, 3)"),
        (PLAIN, f"x={tmp_path / 'two.npz'}", "holds a, b, and no array 'x'"),
        (PLAIN, f"x={tmp_path / 'text.npz'}", "a damaged file of arrays"),
        (PLAIN, f"x=image:{tmp_path / 'text.png'}", "a picture wants [N, height, width, 1 or 3]"),
        (picture, f"x=image:{tmp_path / 'none.png'}", "no such file"),
    ):
        assert says in one_line(lambda given=(graph, words): feed_plan(given[0], GivenInputs(words=(given[1],)), 0))
    for k in range(3):
        np.savez(tmp_path / f"{k}.npz", count=COUNT)
    two, files = f"x={tmp_path / 'good.npy'},{tmp_path / 'good.npy'}", tuple(tmp_path / f"{k}.npz" for k in range(3))
    assert "2 for 'x', 3 for 'count'" in one_line(lambda: feed_plan(PLAIN, GivenInputs(files, (two,)), 0))


def test_a_damaged_picture_is_one_line(tmp_path: Path):
    image = pytest.importorskip("PIL.Image", reason="pictures need pillow")
    whole = tmp_path / "whole.png"
    image.fromarray(np.random.default_rng(0).integers(0, 255, (40, 60, 3), np.uint8)).save(whole)
    graph = graph_of(Tensor("x", (1, 4, 6, 3)))
    for name, damaged in (("text.png", b"text"), ("cut.png", whole.read_bytes()[:900]), ("empty.png", b"")):
        (tmp_path / name).write_bytes(damaged)
        said = one_line(lambda name=name: feed_plan(graph, {"x": f"image:{tmp_path / name}"}, 0))
        assert "cannot be read as a picture" in said


def test_more_arrays_than_inputs_are_refused_and_not_left_out():
    said = one_line(lambda: feed_plan(PLAIN, [X, COUNT, COUNT], 0))
    assert said == "inputs: 3 arrays are given and the model has 2 inputs"


def test_feeds_that_were_given_have_one_key_per_content():
    plans = [feed_plan(PLAIN, [X + k, COUNT], 0) for k in (0, 0, 1)]
    assert all(isinstance(plan, GivenFeeds) for plan in plans)
    assert plans[0].key == plans[1].key != plans[2].key
