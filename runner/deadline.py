"""How long a job may take before it is a hang: 10 s, plus what compiling and running a large graph needs.

The dominant cost is shader compilation, proportional to the number of ops: D-FINE's Graph A (308
ops) takes about 60 s cold on two cores with a software driver, so 0.2 s per op. The allowance is
three times that, because the machine may be shared and a hang that is called late costs less than
a slow model that is called a hang.
"""

from __future__ import annotations

import struct

from runner.flatbuffer import root, tables, vector
from runner.run import Job

BASE_S = 10.0
PER_OP_S = 0.6
PER_MEGABYTE_S = 0.5


def deadline_s(job: Job) -> float:
    """Wall seconds for the whole job; the job's own number if it has one."""
    if job.deadline_s is not None:
        return job.deadline_s
    feed_bytes = sum(array.nbytes for feed in job.feeds for array in feed)
    return BASE_S + PER_OP_S * count_ops(job.model) + PER_MEGABYTE_S * (len(job.model) + feed_bytes) / 1e6


def count_ops(model: bytes) -> int:
    """Operators of all subgraphs, read straight from the flatbuffer; 0 where the bytes make no sense.

    A full reader is not wanted here: this runs for every job, before anything else looks at the file.
    Field numbers are of tensorflow/compiler/mlir/lite/schema/schema.fbs: Model.subgraphs is field 2,
    SubGraph.operators is field 3.
    """
    try:
        total = sum(vector(model, subgraph, 3)[0] for subgraph in tables(model, root(model), 2)[:1000])
    except (struct.error, ValueError, IndexError):
        return 0
    # A corrupted length must not turn into a deadline of years: an operator takes at least 4 bytes.
    return min(total, len(model) // 4)
