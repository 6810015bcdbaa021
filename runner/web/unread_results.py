"""Results of a model that nobody reads: no op of it, and not who runs it.

Key insight: the delegate makes a buffer for such a result as it does for an output, so that what is counted of one has
to count the other.
"""

from __future__ import annotations

import struct

from runner.flatbuffer import ints, root, tables


def unread_results(model: bytes) -> int:
    """How many there are in the main graph, read straight from the flatbuffer; 0 where the bytes make no sense.

    Field numbers are of tensorflow/compiler/mlir/lite/schema/schema.fbs: Model.subgraphs is field 2; of a SubGraph,
    outputs is 2 and operators 3; of an Operator, inputs is 1 and outputs 2.
    """
    try:
        graph = tables(model, root(model), 2)[0]
        ops = tables(model, graph, 3)
        read = set(ints(model, graph, 2)).union(*(ints(model, op, 1) for op in ops))
        return len({result for op in ops for result in ints(model, op, 2)} - read)
    except (struct.error, ValueError, IndexError):
        return 0
