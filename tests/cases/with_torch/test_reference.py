"""The float64 torch reference: computed once, and kept under everything that decides it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from cases.builder import GraphBuilder
from cases.case import Case
from cases.catalogue import catalogue
from cases.graph import Graph, Tensor
from cases.inputs import StandardFeeds, standard_feeds
from cases.tflite.write import write_tflite
from cases.with_torch import convert, reference
from cases.with_torch.reference import reference_key, reference_outputs
from runner.errors import BadInput
from runner.run import Feed


def small(kind: str = "LOGISTIC") -> Graph:
    g = GraphBuilder()
    return g.build([g.sum(g.unary(kind, g.input("x", (2, 3)), "y"), [0, 1], "total", keep_dims=False), "y"])


CASE = Case("family/small", "family", "why", graph=small)
FEEDS = StandardFeeds(0, again=True).make([small().tensors["x"]])


@pytest.fixture(autouse=True)
def _own_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    monkeypatch.setenv("REPRO_CACHE", str(tmp_path))
    reference._cached.cache_clear()
    yield
    reference._cached.cache_clear()


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x.astype(np.float64)))


@pytest.mark.convert
def test_outputs_are_float64_in_the_files_order_and_a_scalar_stays_one():
    outputs = reference_outputs(CASE, FEEDS)
    assert len(outputs) == 4
    for (total, y), (x,) in zip(outputs, FEEDS, strict=True):
        assert total.dtype == y.dtype == np.float64
        assert total.shape == ()
        np.testing.assert_allclose(y, sigmoid(x), rtol=1e-14)
        np.testing.assert_allclose(total, sigmoid(x).sum(), rtol=1e-14)


@pytest.mark.convert
def test_a_feed_that_comes_again_is_computed_once_and_shared(monkeypatch: pytest.MonkeyPatch):
    asked: list[int] = []
    compute = reference._compute

    def counted(case: Case, feeds: list[Feed]):
        asked.append(len(feeds))
        return compute(case, feeds)

    monkeypatch.setattr(reference, "_compute", counted)
    first, second, third, fourth = reference_outputs(CASE, FEEDS)
    assert first is fourth
    assert not np.array_equal(first[1], second[1])
    assert not np.array_equal(first[1], third[1])
    assert asked == [3]


@pytest.mark.convert
def test_what_is_kept_needs_no_torch(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    first = reference_outputs(CASE, FEEDS)
    reference._cached.cache_clear()
    monkeypatch.setitem(sys.modules, "torch", None)
    again = reference_outputs(CASE, FEEDS)
    for a, b in zip(first, again, strict=True):
        for kept, computed in zip(a, b, strict=True):
            assert kept.dtype == computed.dtype
            np.testing.assert_array_equal(kept, computed)
    other = standard_feeds([small().tensors["x"]], 1)
    with pytest.raises(BadInput, match="needs torch"):
        reference_outputs(CASE, other)


@pytest.mark.convert
def test_what_is_too_large_to_be_kept_is_computed_each_time(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setattr(reference, "_LARGEST_CACHED", 8)
    reference_outputs(CASE, FEEDS)
    assert not (tmp_path / "references").exists()


def test_a_key_depends_on_the_model_and_every_feed_and_on_no_name():
    key = reference_key(CASE, FEEDS)
    assert key == reference_key(Case("other/name", "other", "why", graph=small), FEEDS)
    assert key == reference_key(CASE, FEEDS, write_tflite(small())), "bytes that are there are not written again"
    others = [
        reference_key(Case("family/small", "family", "why", graph=lambda: small("TANH")), FEEDS),
        reference_key(CASE, FEEDS[:1]),
        reference_key(CASE, standard_feeds([small().tensors["x"]], 1)),
        reference_key(CASE, tuple((x.astype(np.float64),) for (x,) in FEEDS)),
    ]
    assert len({key, *others}) == 5


@pytest.mark.convert
def test_a_modules_reference_needs_torch_and_no_converter(monkeypatch: pytest.MonkeyPatch):
    """Where a wheel brings the converted model, torch may be there and litert-torch not."""
    case = next(case for case in catalogue() if case.module is not None)
    assert case.module is not None
    inputs = [Tensor(f"x{place}", shape) for place, shape in enumerate(case.module.input_shapes)]

    def missing() -> str:
        raise BadInput("litert-torch is not installed")

    monkeypatch.setattr(convert, "converter_version", missing)
    (outputs,) = reference_outputs(case, standard_feeds(inputs, 1)[:1])
    assert all(output.dtype == np.float64 and np.isfinite(output).all() for output in outputs)
