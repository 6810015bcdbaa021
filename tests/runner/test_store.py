"""A Run comes back from its folder exactly, bit for bit, and equal Runs give equal bytes."""

from __future__ import annotations

import dataclasses
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from runner.errors import BadInput
from runner.run import Fingerprint, Outcome, Run
from runner.store import load_run, save_run

texts = st.text(st.characters(codec=None), max_size=30)
mappings = st.dictionaries(st.text(max_size=8), st.text(max_size=8), max_size=3)
arrays = hnp.arrays(
    dtype=st.sampled_from([np.float32, np.float16, np.int32, np.uint8, np.bool_]),
    shape=hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4),
)
fingerprints = st.builds(
    Fingerprint, *(st.text(max_size=10),) * 2, mappings, *(st.text(max_size=10),) * 4, device=mappings
)
runs = st.builds(
    Run,
    name=st.text(max_size=10),
    outcome=st.sampled_from(Outcome),
    fingerprint=fingerprints,
    outputs=st.lists(st.lists(arrays, max_size=3).map(tuple), max_size=3).map(tuple),
    output_names=st.lists(st.text(max_size=8), max_size=3).map(tuple),
    fully_accelerated=st.sampled_from([None, True, False]),
    stages=st.dictionaries(st.text(max_size=8), st.floats(0, 1e6), max_size=3),
    log=texts,
    message=texts,
)


@settings(max_examples=60, deadline=None)
@given(run=runs)
def test_round_trip_is_exact(run: Run):
    with tempfile.TemporaryDirectory() as scratch:
        folder, again = Path(scratch) / "a", Path(scratch) / "b"
        save_run(run, folder)
        back = load_run(folder)
        save_run(back, again)
        for name in ("meta.json", "arrays.npz"):
            assert (folder / name).read_bytes() == (again / name).read_bytes()
    for field in dataclasses.fields(Run):
        if field.name != "outputs":
            assert getattr(back, field.name) == getattr(run, field.name)
    assert [len(outputs) for outputs in back.outputs] == [len(outputs) for outputs in run.outputs]
    for kept, original in zip(sum(back.outputs, ()), sum(run.outputs, ()), strict=True):
        assert kept.dtype == original.dtype
        assert kept.shape == original.shape
        assert kept.tobytes() == original.tobytes()


def test_a_folder_without_a_run_and_a_damaged_one_are_bad_input(tmp_path: Path):
    with pytest.raises(BadInput, match="holds no saved run"):
        load_run(tmp_path)
    fingerprint = Fingerprint("cpu", "1", {}, "", "", "fp32", "0")
    save_run(Run("x", Outcome.OK, fingerprint, ((np.zeros(3, np.float32),),)), tmp_path)
    whole = (tmp_path / "arrays.npz").read_bytes()
    for kept in (40, 0):
        (tmp_path / "arrays.npz").write_bytes(whole[:kept])
        with pytest.raises(BadInput, match="damaged"):
            load_run(tmp_path)
