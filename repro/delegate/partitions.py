"""Which ops of a graph go to the GPU where the cpu may have the rest: TFLite's partitions, on paper.

Key insight: TFLite divides a graph by one rule: as long as ops of one side can run, they are put together, then those
of the other side; the delegate asks for the largest of its parts and no other. So which ops are supported decides all.
Ops that may change what others read (of variables, and those that run subgraphs) stay in the order of the file.

Source: TFLite's `graph_info.cc` (PartitionGraphIntoIndependentNodeSubsets) and LiteRT's `delegate_webgpu.cc` and
`delegate_opencl.cc` (max_delegated_partitions is 1); `subgraph.cc` (OpMightHaveSideEffect).
"""

from __future__ import annotations

from collections.abc import Collection

from cases.graph import Graph, Op


def delegated_ops(graph: Graph, refused: Collection[int]) -> frozenset[int]:
    """Places of the ops that the GPU gets. refused: places of those that the delegate does not take."""
    parts = [frozenset(part) for part in _parts(graph, refused) if part[0] not in refused]
    return max(parts, key=len) if parts else frozenset()


def border_tensors(graph: Graph, on_gpu: Collection[int]) -> tuple[str, ...]:
    """Tensors that one side writes and the other reads, in execution order."""
    writer = {name: place for place, op in enumerate(graph.ops) for name in op.outputs}
    crossing = {
        name
        for place, op in enumerate(graph.ops)
        for name in op.inputs
        if name in writer and (writer[name] in on_gpu) != (place in on_gpu)
    }
    return tuple(name for op in graph.ops for name in op.outputs if name in crossing)


def _may_have_side_effects(graph: Graph, op: Op) -> bool:
    has_handle = any(name and graph.tensors[name].dtype == "resource" for name in (*op.inputs, *op.outputs))
    return has_handle or op.kind in ("IF", "WHILE", "CALL_ONCE")


def _parts(graph: Graph, refused: Collection[int]) -> list[list[int]]:
    """The ops in parts of one side each, in the order in which the parts run."""
    waiting = {name for op in graph.ops for name in op.outputs}
    in_order = [place for place, op in enumerate(graph.ops) if _may_have_side_effects(graph, op)]
    left = list(range(len(graph.ops)))
    parts: list[list[int]] = []
    while left:
        part: list[int] = []
        before = -1
        while len(part) != before:
            before = len(part)
            for place in list(left):
                op = graph.ops[place]
                is_ready = not waiting.intersection(op.inputs) and (place not in in_order or place == in_order[0])
                if is_ready and (not part or (place in refused) == (part[0] in refused)):
                    part.append(place)
                    left.remove(place)
                    in_order = [other for other in in_order if other != place]
                    waiting.difference_update(op.outputs)
        if not part:
            break  # a graph that is no order of execution
        parts.append(part)
    return parts
