"""The deadline grows with the model, and reading its size never fails, whatever the bytes are."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from cases.builder import GraphBuilder
from cases.tflite.write import write_tflite
from runner.deadline import BASE_S, PER_OP_S, count_ops, deadline_s
from runner.run import Job
from tests.runner.models import add_model, feed


def chain(length: int) -> bytes:
    b = GraphBuilder()
    x = b.input("x", (1, 8))
    for _ in range(length):
        x = b.unary("TANH", x)
    b.output(x)
    return write_tflite(b.build())


@given(st.integers(1, 60))
def test_ops_are_counted(length: int):
    assert count_ops(chain(length)) == length


@given(st.binary(max_size=200))
def test_any_bytes_have_a_count(data: bytes):
    assert 0 <= count_ops(data) <= len(data)


@given(st.data())
def test_any_damaged_model_has_a_count(data: st.DataObject):
    model = bytearray(add_model())
    for _ in range(data.draw(st.integers(1, 8))):
        model[data.draw(st.integers(0, len(model) - 1))] = data.draw(st.integers(0, 255))
    assert 0 <= count_ops(bytes(model)) <= len(model)


def test_deadline_grows_by_ops_and_bytes_and_obeys_the_job():
    small, large = Job(chain(2), ((np.zeros((1, 8), np.float32),),)), Job(chain(50), ((np.zeros((1, 8), np.float32),),))
    assert deadline_s(small) >= BASE_S
    assert deadline_s(large) - deadline_s(small) >= 48 * PER_OP_S
    assert deadline_s(Job(chain(50), (feed(0),), deadline_s=2.5)) == 2.5
