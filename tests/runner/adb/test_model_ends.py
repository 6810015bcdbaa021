"""Names and shapes read from the file itself, for engines that are driven by names."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cases import catalogue
from cases.tflite.read import read_tflite
from cases.with_torch.convert import model_bytes
from runner.adb.model_ends import read_ends
from runner.errors import BadInput


def test_the_ends_are_those_of_the_full_reader() -> None:
    cases = [case for case in catalogue.catalogue() if case.graph is not None][::40]
    assert len(cases) > 5
    for case in cases:
        data = model_bytes(case)
        graph, ends = read_tflite(data), read_ends(data)
        assert [shape for _, shape in ends.outputs] == [graph.tensors[name].shape for name in graph.outputs]
        assert list(ends.dtypes) == [graph.tensors[name].dtype for name in graph.outputs]
        assert len(ends.inputs) == len(graph.inputs)
        assert sorted(ends.output_order) == list(range(len(graph.outputs)))


@given(st.binary(max_size=200))
def test_rubbish_is_one_line(data: bytes) -> None:
    with pytest.raises(BadInput, match="cannot be read"):
        read_ends(data)
