"""Jobs arrive as they were sent; what is the same is sent once; what arrives as something else is refused."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from repro.remote.parcel import LARGE_BYTES, job_bytes, pack, unpack
from runner.errors import DeviceFailed
from runner.run import Job, Precision

ARRAYS = arrays.arrays(
    st.sampled_from([np.float32, np.float16, np.int8, np.int32, np.int64, np.bool_]),
    arrays.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4),
)
PLAIN = st.builds(
    Job,
    st.binary(max_size=40),
    st.lists(st.lists(ARRAYS, max_size=3).map(tuple), max_size=3).map(tuple),
    st.sampled_from(Precision),
    st.text(max_size=5),
    st.none() | st.floats(1, 100),
    st.dictionaries(st.text(max_size=5), st.integers() | st.booleans() | st.text(max_size=5), max_size=2),
)
JOBS = st.builds(lambda job, companion: replace(job, companion=companion), PLAIN, st.none() | PLAIN)


@settings(max_examples=25)
@given(st.lists(JOBS, max_size=4))
def test_jobs_arrive_as_they_were_sent(jobs: list[Job]):
    arrived = unpack(*pack(jobs))
    assert [job.key for job in arrived] == [job.key for job in jobs], "the key covers all that decides a result"
    assert [(job.name, job.deadline_s) for job in arrived] == [(job.name, job.deadline_s) for job in jobs]


def test_a_model_in_two_precisions_travels_once_and_what_is_large_travels_by_itself():
    large, small = b"m" * LARGE_BYTES, np.zeros(4, np.float32)
    jobs = [Job(large, ((small,),), precision) for precision in Precision]
    parcel, beside = pack(jobs)
    assert list(beside.values()) == [large]
    assert parcel.large == tuple(beside)
    assert len(parcel.small) == 1, "both are fed the same array"


def test_bytes_that_are_not_what_their_hash_names_are_refused():
    parcel, beside = pack([Job(b"m" * LARGE_BYTES, ())])
    with pytest.raises(DeviceFailed, match="is something else"):
        unpack(parcel, dict.fromkeys(beside, b"n" * LARGE_BYTES))


def test_the_bytes_of_a_job_count_its_companion_s():
    one = Job(b"1234", ((np.zeros(2, np.float32),),))
    assert job_bytes(replace(one, companion=one)) == 2 * job_bytes(one) == 24
