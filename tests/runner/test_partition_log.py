"""What a log says of a model that two processors share."""

from __future__ import annotations

from runner.partition_log import Division, division

LOG = """INFO: before
ERROR: Following operations are not supported by GPU delegate:
CAST: Tensor type(INT64) is not supported. Cast
GATHER: Only support 1D indices
5 operations will run on the GPU, and the remaining 2 operations will run on the CPU.
I0000 after
"""


def test_numbers_and_reasons_are_read():
    assert division(LOG) == Division(
        5, 2, ("CAST: Tensor type(INT64) is not supported. Cast", "GATHER: Only support 1D indices")
    )


def test_nothing_on_the_gpu():
    text = LOG.replace(
        "5 operations will run on the GPU, and the remaining 2", "No operations will run on the GPU, and all 7"
    )
    assert division(text) == Division(0, 7, division(LOG).refused)


def test_a_log_without_these_words_says_nothing():
    assert division("INFO: Created a WebGPU environment.\n") is None
    assert division("Following operations are not supported by GPU delegate:\nGATHER: no\n") is None
