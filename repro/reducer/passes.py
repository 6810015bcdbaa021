"""Reduction passes: small pure functions from a specimen to smaller candidates.

Key insight: a pass does not know what is wrong. It only proposes; the search tries all proposals of a
round in one batch and keeps the smallest that still fails the same way, so a pass may be bold.
Passes propose well-formed graphs, or graphs that the reference rejects; they never run anything.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from cases import edit
from cases.graph import Graph, Op, Tensor
from repro.records.lines import counted
from repro.reducer.problem import ReferenceValues, Specimen, cut, map_feeds, with_graph

Propose = Callable[[Specimen, ReferenceValues], Iterator[Specimen]]


@dataclass(frozen=True)
class Pass:
    """A named pass. Its docstring-like `does` is what the history says of a step that it made."""

    name: str
    does: str
    propose: Propose


# -- which ops: windows around the failing output ------------------------------------------------


def failing_op(specimen: Specimen) -> int:
    """Position of the op that makes the failing output (the last op where the run as a whole fails)."""
    if not specimen.output:
        return len(specimen.graph.ops) - 1
    producer = specimen.graph.producers.get(specimen.output)
    return next((i for i, op in enumerate(specimen.graph.ops) if op is producer), 0)


def _positions(graph: Graph) -> dict[int, int]:
    return {id(op): index for index, op in enumerate(graph.ops)}


def _readers(graph: Graph, op: Op, where: dict[int, int]) -> set[int]:
    return {where[id(reader)] for name in op.outputs for reader in graph.uses.get(name, ())}


def _makers(graph: Graph, op: Op, where: dict[int, int]) -> set[int]:
    return {where[id(graph.producers[name])] for name in op.inputs if name in graph.producers}


def nearest_upstream(graph: Graph, start: int) -> list[int]:
    """Ops that the one at `start` depends on, itself first, then by distance, nearer to the end first."""
    where = _positions(graph)
    order, seen, queue = [], {start}, deque([start])
    while queue:
        index = queue.popleft()
        order.append(index)
        for maker in sorted(_makers(graph, graph.ops[index], where) - seen, reverse=True):
            seen.add(maker)
            queue.append(maker)
    return order


def ball(graph: Graph, start: int, radius: int) -> set[int]:
    """Ops at most `radius` steps away from the one at `start`, up or down the graph."""
    where = _positions(graph)
    found, edge = {start}, {start}
    for _ in range(radius):
        edge = {
            near
            for index in edge
            for near in _makers(graph, graph.ops[index], where) | _readers(graph, graph.ops[index], where)
        } - found
        found |= edge
    return found


def windows(specimen: Specimen, values: ReferenceValues) -> Iterator[Specimen]:
    """The failing op with its readers and ever more of what is before and around it, doubling each time."""
    graph = specimen.graph
    start = failing_op(specimen)
    where = _positions(graph)
    core = {start} | _readers(graph, graph.ops[start], where)
    upstream = nearest_upstream(graph, start)
    tried: set[frozenset[int]] = set()
    of = f"'{specimen.output}'" if specimen.output else f"a {graph.ops[start].kind}"
    count = 1
    while count < 2 * len(upstream):
        chosen = frozenset(core | set(upstream[:count]))
        count *= 2
        if chosen not in tried and len(chosen) < len(graph.ops):
            tried.add(chosen)
            yield cut(specimen, chosen, values, f"window of {counted(len(chosen), 'op')} before {of}")
    for radius in range(1, 6):
        near = frozenset(ball(graph, start, radius))
        if near not in tried and len(near) < len(graph.ops):
            tried.add(near)
            yield cut(specimen, near, values, f"{counted(len(near), 'op')} within {counted(radius, 'step')} of {of}")


def without_op(specimen: Specimen, values: ReferenceValues) -> Iterator[Specimen]:
    """One op less. What it made is fed to its readers, or is no output any more."""
    everything = set(range(len(specimen.graph.ops)))
    protected = failing_op(specimen) if specimen.output else -1
    for index in sorted(everything - {protected}):
        name = specimen.graph.ops[index].kind
        yield cut(specimen, everything - {index}, values, f"cut off {name} (op {index})")


# -- roles: outputs and bypasses -----------------------------------------------------------------


def without_output(specimen: Specimen, _: ReferenceValues) -> Iterator[Specimen]:
    """An output that is also read stops being an output."""
    graph = specimen.graph
    for name in graph.outputs:
        if name != specimen.output and graph.uses.get(name):
            yield with_graph(specimen, edit.without_output(graph, name), f"'{name}' is no output any more")


def bypassed(specimen: Specimen, _: ReferenceValues) -> Iterator[Specimen]:
    """An op is removed by letting its readers read its input, where shape and dtype are the same."""
    graph = specimen.graph
    for index, op in enumerate(graph.ops):
        if len(op.outputs) != 1 or op.outputs[0] == specimen.output:
            continue
        made = graph.tensors[op.outputs[0]]
        for name in dict.fromkeys(n for n in op.inputs if n and not graph.tensors[n].is_constant):
            source = graph.tensors[name]
            if (source.shape, source.dtype) != (made.shape, made.dtype):
                continue
            rename = {made.name: name}
            ops = [edit.renamed(other, rename) for other in graph.ops if other is not op]
            # Where the op's output was a graph output, its input becomes one; an input cannot.
            if made.name in graph.outputs and name in graph.inputs:
                continue
            outputs = tuple(dict.fromkeys(rename.get(n, n) for n in graph.outputs))
            edited = Graph(graph.tensors, tuple(ops), graph.inputs, outputs)
            yield with_graph(specimen, edit.without_unread_inputs(edited), f"bypassed {op.kind} (op {index})")


def output_moved_up(specimen: Specimen, values: ReferenceValues) -> Iterator[Specimen]:
    """The failing output is an op further up: for values that are wrong before they reach the output.

    This changes which output is watched, so the search accepts it only with the same signature, and says so.
    """
    graph = specimen.graph
    producer = graph.producers.get(specimen.output)
    if producer is None or graph.uses.get(specimen.output):
        return
    keep = {index for index, op in enumerate(graph.ops) if op is not producer}
    for name in dict.fromkeys(producer.inputs):
        if name in graph.producers:
            smaller = cut(specimen, keep, values, f"watch '{name}' instead of '{specimen.output}'")
            outputs = smaller.graph.outputs if name in smaller.graph.outputs else (*smaller.graph.outputs, name)
            moved = replace(smaller.graph, outputs=outputs)
            yield replace(smaller, graph=moved, output=name, about_role=True)


def unread_output(specimen: Specimen, values: ReferenceValues) -> Iterator[Specimen]:
    """The readers of the failing output go: does it fail at all because it is read?"""
    graph = specimen.graph
    readers = {id(op) for op in graph.uses.get(specimen.output, ())}
    if readers:
        keep = {index for index, op in enumerate(graph.ops) if id(op) not in readers}
        smaller = cut(specimen, keep, values, f"'{specimen.output}' is not read any more")
        yield replace(smaller, about_role=True)


# -- chains --------------------------------------------------------------------------------------


def merged_chains(specimen: Specimen, _: ReferenceValues) -> Iterator[Specimen]:
    """Two RESHAPEs, TRANSPOSEs or additions or multiplications of constants in a row become one."""
    graph = specimen.graph
    for first in graph.ops:
        if len(first.outputs) != 1:
            continue
        middle = first.outputs[0]
        readers = graph.uses.get(middle, ())
        if middle in graph.outputs or len(readers) != 1 or middle == specimen.output:
            continue
        second = readers[0]
        if second.kind != first.kind or second.inputs[0] != middle or len(second.outputs) != 1:
            continue
        parameter = _merged_parameter(graph, first, second)
        if parameter is None:
            continue
        inputs = (first.inputs[0], parameter.name)
        merged = replace(second, inputs=inputs)
        ops = tuple(merged if op is second else op for op in graph.ops if op is not first)
        tensors = {**graph.tensors, parameter.name: parameter}
        edited = Graph(tensors, ops, graph.inputs, graph.outputs)
        yield with_graph(specimen, edited, f"merged two {first.kind}")


def _merged_parameter(graph: Graph, first: Op, second: Op) -> Tensor | None:
    if first.kind == "RESHAPE" and len(second.inputs) > 1:
        return graph.tensors[second.inputs[1]]
    if len(first.inputs) != 2 or len(second.inputs) != 2:
        return None
    a, b = graph.tensors[first.inputs[1]].data, graph.tensors[second.inputs[1]].data
    if a is None or b is None:
        return None
    activation = first.attrs.get("fused_activation_function", "NONE")
    name = f"{second.inputs[1]}_merged"
    if first.kind == "TRANSPOSE":
        data = a[b]
    elif first.kind in ("ADD", "MUL") and activation == "NONE":
        data = (a + b if first.kind == "ADD" else a * b).astype(a.dtype)
    else:
        return None
    return Tensor(name, tuple(data.shape), str(data.dtype), data)


# -- sizes ---------------------------------------------------------------------------------------

# Inputs of these ops that hold sizes, so that a shrunk dimension has to be shrunk there as well.
SIZE_PARAMETERS = {
    "RESHAPE": (1,),
    "SLICE": (1, 2),
    "STRIDED_SLICE": (1, 2),
    "BROADCAST_TO": (1,),
    "RESIZE_BILINEAR": (1,),
    "RESIZE_NEAREST_NEIGHBOR": (1,),
    "SPLIT_V": (1,),
    "TRANSPOSE_CONV": (0,),
}
SMALL_SIZES = (2, 3, 4, 8, 16)


def shrunk(specimen: Specimen, _: ReferenceValues) -> Iterator[Specimen]:
    """Every dimension of one size becomes smaller, everywhere at once; multiples may follow in proportion."""
    graph = specimen.graph
    sizes = sorted(
        {s for name in edit.touched_tensors(graph) for s in graph.tensors[name].shape if s > 2}, reverse=True
    )
    seen: set[tuple[tuple[int, int], ...]] = set()
    for size in sizes:
        for target in dict.fromkeys((*SMALL_SIZES, size // 2)):
            if target >= size:
                continue
            follow = {s: s // size * target for s in sizes if s % size == 0}
            divide = {s: target // (size // s) for s in sizes if size % s == 0 and target % (size // s) == 0}
            for sizing in ({size: target}, follow, {**divide, **follow}):
                key = tuple(sorted(sizing.items()))
                smaller = None if key in seen else resized(specimen, sizing)
                seen.add(key)
                if smaller is not None:
                    yield smaller


def resized(specimen: Specimen, sizing: dict[int, int]) -> Specimen | None:
    """The specimen with every dimension mapped, constants and inputs cropped; None where that changes nothing."""
    graph = specimen.graph
    if any(new < 1 for new in sizing.values()):
        return None
    parameters = {
        op.inputs[place]
        for op in graph.ops
        for place in SIZE_PARAMETERS.get(op.kind, ())
        if place < len(op.inputs) and op.inputs[place]
    }
    tensors = {}
    for name, tensor in graph.tensors.items():
        shape = tuple(sizing.get(size, size) for size in tensor.shape)
        data = tensor.data
        if data is not None and name in parameters:
            shape, data = tensor.shape, np.vectorize(lambda v: sizing.get(int(v), int(v)))(data).astype(data.dtype)
        elif data is not None and shape != tensor.shape:
            data = np.asarray(data[tuple(slice(0, size) for size in shape)], order="C")
        tensors[name] = replace(tensor, shape=shape, data=data)
    ops = tuple(_resized_op(op, sizing) for op in graph.ops)
    crop = [tuple(slice(0, size) for size in tensors[name].shape) for name in graph.inputs]
    feeds = map_feeds(
        specimen.feeds,
        lambda _, feed: tuple(np.asarray(a[c], order="C") for a, c in zip(feed, crop, strict=True)),
    )
    text = ", ".join(f"{old} -> {new}" for old, new in sorted(sizing.items()) if old != new)
    edited = Graph(tensors, ops, graph.inputs, graph.outputs)
    return replace(specimen, graph=edited, feeds=feeds, made_by=f"shrank {text}") if text else None


def _resized_op(op: Op, sizing: dict[int, int]) -> Op:
    if "new_shape" not in op.attrs:
        return op
    shape = [sizing.get(int(size), int(size)) for size in np.ravel(op.attrs["new_shape"])]
    return edit.with_attributes(op, new_shape=shape)


# -- values --------------------------------------------------------------------------------------


def simpler_constants(specimen: Specimen, _: ReferenceValues) -> Iterator[Specimen]:
    """Weights and other float constants become ones, or a ramp of small whole numbers; biases go."""
    graph = specimen.graph
    ones: dict[str, Tensor] = {}
    ramps: dict[str, Tensor] = {}
    for name in sorted(edit.touched_tensors(graph)):
        tensor = graph.tensors[name]
        if tensor.data is None or tensor.data.dtype.kind != "f" or not tensor.data.size:
            continue
        ones[name] = replace(tensor, data=np.ones_like(tensor.data))
        ramp = (np.arange(tensor.data.size) % 7 - 3).reshape(tensor.shape).astype(tensor.data.dtype)
        ramps[name] = replace(tensor, data=ramp)
    proposals = [({name: tensor}, f"'{name}' is all ones") for name, tensor in ones.items()]
    proposals += [({name: tensor}, f"'{name}' is a ramp of whole numbers") for name, tensor in ramps.items()]
    if len(ones) > 1:
        proposals.insert(0, (ones, "all constants are ones"))
        proposals.insert(1, (ramps, "all constants are ramps of whole numbers"))
    for changed, text in proposals:
        edited = replace(graph, tensors={**graph.tensors, **changed})
        if not _same_constants(graph, edited, changed):
            yield replace(specimen, graph=edited, made_by=text)


def _same_constants(before: Graph, after: Graph, names: dict[str, Tensor]) -> bool:
    return all(np.array_equal(_data(before, name), _data(after, name)) for name in names)


def _data(graph: Graph, name: str) -> np.ndarray:
    data = graph.tensors[name].data
    return np.zeros(0) if data is None else data


def without_options(specimen: Specimen, _: ReferenceValues) -> Iterator[Specimen]:
    """Fused activations and biases go."""
    graph = specimen.graph
    for index, op in enumerate(graph.ops):
        edits = []
        if op.attrs.get("fused_activation_function", "NONE") != "NONE":
            edits.append((edit.with_attributes(op, fused_activation_function="NONE"), "activation"))
        if op.kind in ("FULLY_CONNECTED", "CONV_2D", "DEPTHWISE_CONV_2D") and len(op.inputs) > 2 and op.inputs[2]:
            edits.append((edit.with_operand(op, 2, ""), "bias"))
        for edited, what in edits:
            yield with_graph(specimen, edit.with_op(graph, index, edited), f"{op.kind} (op {index}) without {what}")


# -- names ---------------------------------------------------------------------------------------


def canonical(specimen: Specimen) -> Specimen:
    """Names that say what a tensor is: x0.. for inputs, y for the failing output, out0.., c0.., t0.. for the rest."""
    graph = specimen.graph
    names: dict[str, str] = {}
    outputs = [name for name in graph.outputs if name != specimen.output]
    constants = [name for op in graph.ops for name in op.inputs if name and graph.tensors[name].is_constant]
    inner = [name for op in graph.ops for name in op.outputs if name]
    if specimen.output:
        names[specimen.output] = "y"
    for prefix, group in (("x", graph.inputs), ("out", outputs), ("c", constants), ("t", inner)):
        fresh = [name for name in dict.fromkeys(group) if name not in names]
        names |= {name: f"{prefix}{index}" for index, name in enumerate(fresh)}
    renamed = edit.with_names(graph, names)
    return replace(specimen, graph=renamed, output=names.get(specimen.output, ""), made_by="canonical names")


FINE_PASSES = (
    Pass("cut", "cut an op off", without_op),
    Pass("outputs", "an output that is read is no output any more", without_output),
    Pass("bypass", "bypass an op", bypassed),
    Pass("merge", "merge a chain", merged_chains),
    Pass("unread", "nobody reads the failing output", unread_output),
    Pass("move", "watch a tensor further up", output_moved_up),
    Pass("options", "drop activations and biases", without_options),
    Pass("shrink", "shrink dimensions", shrunk),
    Pass("constants", "simplify constants", simpler_constants),
)
