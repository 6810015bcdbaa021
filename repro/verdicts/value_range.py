"""Which tensors of a graph have right values that a precision cannot hold.

Key insight: where the right value of a tensor is infinite, or no number at all, a target may return anything, and what
looks like the failure that is searched for is another one. So whatever changes a graph or its inputs in search of
something (the reducer, the fuzzer, a workaround) asks which tensors have gone out of range by the change.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np

from cases.graph import Graph
from runner.run import FP16_MAX, Precision

LARGEST = {Precision.FP32: float(np.finfo(np.float32).max), Precision.FP16: FP16_MAX}
"""The largest number of each precision."""
FP16_LAST_POWER = 2.0**15
"""From here on float16 has one power of two left: a relative error of less than 1 may round beyond its range."""


def out_of_range(values: Mapping[str, np.ndarray], precision: Precision) -> frozenset[str]:
    """Names of the float arrays of which some element is NaN, infinite or beyond the precision's largest number."""
    return frozenset(name for name, array in values.items() if not _is_in_range(array, LARGEST[precision]))


def constants(graph: Graph) -> Mapping[str, np.ndarray]:
    """The constants that some op reads."""
    read: Iterable[str] = dict.fromkeys(name for op in graph.ops for name in op.inputs if name)
    return {name: data for name in read if (data := graph.tensors[name].data) is not None}


def _is_in_range(array: np.ndarray, largest: float) -> bool:
    # `<=` is false for a NaN, which numpy's maximum hands on. As a float: float16 cannot hold what it is compared with.
    return array.dtype.kind != "f" or array.size == 0 or float(np.max(np.abs(array))) <= largest
