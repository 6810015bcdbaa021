"""Where a layout's right values come from, and that what is cached never outlives what it was made of."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cases.evaluation.evaluate import FLOAT64, evaluate
from cases.graph import Graph, Op, Tensor
from cases.tflite.write import write_tflite
from repro.layouts import reference
from repro.layouts.layout import GraphPart, HostPart, Layout, References
from repro.layouts.models import PartModel, Values, load_inputs
from repro.layouts.reference import ReferenceSource, host_outputs, minus_constant
from runner.errors import BadInput
from runner.run import Precision
from tests.repro.layouts import two_graphs
from tests.repro.layouts.gating import layout_of
from tests.repro.verdicts.judging import normal

HERE = "tests.repro.layouts.test_reference"
calls: list[str] = []


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("REPRO_CACHE", str(tmp_path / "cache"))
    calls.clear()
    yield
    calls.clear()


def layout(**references: object) -> Layout:
    return dataclasses.replace(layout_of(), references=References(**references))  # type: ignore[arg-type]


def model_of(graph: Graph, name: str = "encoder") -> PartModel:
    part = GraphPart(name=name, builder="module:function", inputs=graph.inputs, outputs=graph.outputs)
    return PartModel(part, write_tflite(graph), graph)


ENCODER = model_of(two_graphs.encoder())
FEED = (load_inputs(layout_of(), None, [])[0]["x"],)


def doubled(part: str, feed: tuple[np.ndarray, ...]) -> list[np.ndarray]:
    """A reference that somebody wrote: says that it was asked."""
    calls.append(part)
    outputs = evaluate(ENCODER.graph, feed)
    return [(2 * outputs[name]).astype(np.float32) for name in ENCODER.graph.outputs]


def one_too_few(part: str, feed: tuple[np.ndarray, ...]) -> list[np.ndarray]:
    return doubled(part, feed)[:1]


def crossed(part: str, feed: tuple[np.ndarray, ...]) -> list[np.ndarray]:
    return doubled(part, feed)[::-1]


today = {"key": "1"}


def key() -> str:
    return today["key"]


def test_without_another_reference_it_is_each_files_own_ops_in_float64():
    outputs = ReferenceSource(layout(), None).graph(ENCODER, FEED)
    wanted = evaluate(ENCODER.graph, FEED, FLOAT64)
    for array, name in zip(outputs, ENCODER.graph.outputs, strict=True):
        assert array.dtype == np.float64
        np.testing.assert_array_equal(array, wanted[name])


def test_float64_is_computed_once_for_a_model_and_a_feed_and_again_for_another(monkeypatch: pytest.MonkeyPatch):
    def counted(data: bytes, name: str, feed: tuple[np.ndarray, ...]) -> tuple[np.ndarray, ...]:
        calls.append(name)
        return computed(data, name, feed)

    computed = reference._float64
    monkeypatch.setattr(reference, "_float64", counted)
    first = ReferenceSource(layout(), None).graph(ENCODER, FEED)
    again = ReferenceSource(layout(), None).graph(ENCODER, FEED)
    assert calls == ["encoder"]
    np.testing.assert_array_equal(first[0], again[0])
    ReferenceSource(layout(), None).graph(ENCODER, (FEED[0] + 1,))
    ReferenceSource(layout(), None).graph(model_of(two_graphs.encoder(factor=3.0)), FEED)
    assert calls == ["encoder"] * 3


def test_a_function_without_a_key_is_asked_each_time_and_one_with_a_key_once_for_each_key(
    monkeypatch: pytest.MonkeyPatch,
):
    keyless = layout(graphs=f"{HERE}:doubled")
    for _ in range(2):
        (features, _) = ReferenceSource(keyless, None).graph(ENCODER, FEED)
    assert calls == ["encoder"] * 2
    assert features.dtype == np.float64
    keyed = layout(graphs=f"{HERE}:doubled", key=f"{HERE}:key")
    for _ in range(2):
        ReferenceSource(keyed, None).graph(ENCODER, FEED)
    assert calls == ["encoder"] * 3
    monkeypatch.setitem(today, "key", "2")
    ReferenceSource(keyed, None).graph(ENCODER, FEED)
    assert calls == ["encoder"] * 4


@pytest.mark.parametrize(
    ("function", "says"),
    [
        ("one_too_few", "the reference of encoder gives 1 outputs, the layout names 2"),
        ("crossed", "in the file and [1, 1, 24] in the reference; are its outputs in the file's order?"),
    ],
)
def test_a_reference_that_does_not_fit_the_file_is_one_line(function: str, says: str):
    with pytest.raises(BadInput) as error:
        ReferenceSource(layout(graphs=f"{HERE}:{function}"), None).graph(ENCODER, FEED)
    assert says in str(error.value)
    assert "\n" not in str(error.value)


def test_an_op_that_float64_does_not_know_asks_for_another_reference():
    tensors = {name: Tensor(name, (4,)) for name in ("x", "y")}
    foreign = model_of(Graph(tensors, (Op("ZEROS_LIKE", ("x",), ("y",)),), ("x",), ("y",)))
    with pytest.raises(BadInput, match=r"no float64 reference for ZEROS_LIKE; set .* graphs = 'cpu' or name"):
        ReferenceSource(layout(), None).graph(foreign, (np.zeros(4, np.float32),))


def test_the_cpu_answers_where_it_is_asked_to():
    tensors = {name: Tensor(name, (4,)) for name in ("x", "y")}
    foreign = model_of(Graph(tensors, (Op("ZEROS_LIKE", ("x",), ("y",)),), ("x",), ("y",)))
    (y,) = ReferenceSource(layout(graphs="cpu"), None).graph(foreign, (np.ones(4, np.float32),))
    assert y.dtype == np.float64
    np.testing.assert_array_equal(y, np.zeros(4))


def test_without_another_chain_the_parts_references_are_the_chain():
    assert ReferenceSource(layout(), None).chain({}, lambda: {"y": np.ones(1)}) == {"y": np.ones(1)}


def chain_of(values: Values) -> Values:
    calls.append("chain")
    return {"y": values["x"] + 1}


def test_a_chain_may_be_a_function_of_the_inputs():
    source = ReferenceSource(layout(chain=f"{HERE}:chain_of"), None)
    found = source.chain({"x": np.ones(3)}, lambda: {})
    np.testing.assert_array_equal(found["y"], [2, 2, 2])
    assert calls == ["chain"]


def chain_of_files(values: Values) -> Values:
    return {"file": values["x"] + 1}


def test_a_tensor_may_have_any_name_in_the_cache():
    source = ReferenceSource(layout(chain=f"{HERE}:chain_of_files", key=f"{HERE}:key"), None)
    for _ in range(2):
        np.testing.assert_array_equal(source.chain({"x": np.ones(3)}, lambda: {})["file"], [2, 2, 2])


def test_the_unsplit_model_is_the_chain_and_its_outputs_are_named_as_the_layouts():
    whole = layout_of()
    (y,) = ReferenceSource(whole, None).chain({"x": FEED[0]}, lambda: {}).values()
    np.testing.assert_array_equal(y, evaluate(two_graphs.whole(), FEED, FLOAT64)["y"])


def test_an_unsplit_model_of_other_ends_is_one_line(tmp_path: Path):
    (tmp_path / "whole.tflite").write_bytes(write_tflite(two_graphs.encoder()))
    one = layout(chain=str(tmp_path / "whole.tflite"))
    with pytest.raises(BadInput, match="has 1 inputs and 2 outputs; the layout has 1 and ends in y"):
        ReferenceSource(one, None).chain({"x": FEED[0]}, lambda: {})


def test_the_floor_without_a_constant_is_that_of_the_rest():
    source = ReferenceSource(layout(), None)
    constant = np.zeros((1, two_graphs.TOKENS, two_graphs.FEATURES))
    whole = source.residual_floor(ENCODER, FEED, 0, constant, Precision.FP16)
    assert whole is not None
    assert whole == source.residual_floor(ENCODER, FEED, 0, constant, Precision.FP16), "and the same from the cache"
    constant[0, 1:] = np.inf
    first_row = source.residual_floor(ENCODER, FEED, 0, constant, Precision.FP16)
    assert first_row is not None
    assert first_row != whole
    narrow = source.residual_floor(ENCODER, FEED, 0, constant, Precision.FP32)
    assert narrow is not None
    assert narrow.rmse < first_row.rmse / 1000


def test_a_damaged_file_of_the_cache_is_computed_anew(tmp_path: Path):
    source = ReferenceSource(layout(), None)
    first = source.graph(ENCODER, FEED)
    (kept,) = (tmp_path / "cache" / "gate").glob("*.npz")
    whole = kept.read_bytes()
    for damaged in (b"", whole[:100], whole[:200] + bytes(100) + whole[300:]):
        kept.write_bytes(damaged)
        again = source.graph(ENCODER, FEED)
        np.testing.assert_array_equal(again[0], first[0])
        assert kept.read_bytes() == whole


@given(st.integers(1, 6), st.lists(st.booleans(), min_size=6, max_size=6))
def test_a_constant_is_taken_off_and_rows_in_which_it_is_infinite_are_left_out(width: int, kept: list[bool]):
    array, constant = normal(6, width), normal(6, width, seed=1)
    constant[~np.array(kept)] = np.inf
    rest = minus_constant(array, constant)
    assert rest.shape == (sum(kept), width)
    np.testing.assert_allclose(rest + constant[np.array(kept)], array[np.array(kept)])


def halve(summary: np.ndarray, **parameters: object) -> dict[str, object]:
    calls.append(f"{sorted(parameters)}")
    return {"half": summary / 2, "more": 1}


def as_a_list(summary: np.ndarray) -> list[np.ndarray]:
    return [summary]


def nothing(summary: np.ndarray) -> dict[str, object]:
    return {}


def test_a_host_step_reads_its_inputs_by_name_and_gives_what_the_layout_names():
    part = HostPart("halve", f"{HERE}:halve", ("summary",), ("half",))
    one = dataclasses.replace(layout_of(), parameters={"weights": "w"})
    found = host_outputs(one, part, {"summary": np.ones(2), "other": np.ones(3)}, 640)
    assert list(found) == ["half"]
    np.testing.assert_array_equal(found["half"], [0.5, 0.5])
    assert calls == ["['size', 'weights']"]


@pytest.mark.parametrize(("function", "got"), [("as_a_list", "list"), ("nothing", "")])
def test_a_host_step_that_gives_something_else_is_one_line(function: str, got: str):
    part = HostPart("halve", f"{HERE}:{function}", ("summary",), ("half",))
    with pytest.raises(BadInput, match=f"host step halve must return a mapping with half; it returned {got}"):
        host_outputs(layout_of(), part, {"summary": np.ones(2)}, None)
