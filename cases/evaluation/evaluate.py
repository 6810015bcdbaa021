"""A graph evaluated in numpy, in float64 or in an emulation of what a delegate's arithmetic may do to it.

No torch and no runtime: this is the noise floor of any .tflite, its reference where there is no torch source,
and the source of the intermediates that a wrong output is compared with. Semantics are TFLite's.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial

import numpy as np

from cases.evaluation.arithmetic import (
    FLOAT16,
    FLOAT16_ACC32,
    FLOAT16_TRUNCATED,
    FLOAT32,
    FLOAT32_NATIVE,
    FLOAT64,
    INTEGER_KERNELS,
    Arithmetic,
)
from cases.evaluation.bodies import with_bodies_in_place
from cases.evaluation.footprint import require_room
from cases.evaluation.handlers import handler_of, unsupported
from cases.evaluation.quantised import HOLDING_DTYPES, WEIGHT_DTYPES, Grid, constant_of, grid_of
from cases.evaluation.step import Step, Value, Variables, is_read_in_parts
from cases.evaluation.variables import is_stateful
from cases.graph import Graph, GraphError, Op, Tensor

__all__ = [
    "FLOAT16",
    "FLOAT16_ACC32",
    "FLOAT16_TRUNCATED",
    "FLOAT32",
    "FLOAT32_NATIVE",
    "FLOAT64",
    "INTEGER_KERNELS",
    "Arithmetic",
    "evaluate",
    "evaluate_run",
    "evaluate_runs",
    "quantised_activations",
    "quantises_at_run_time",
    "unsupported",
]

Watch = Callable[[Step, Mapping[str, Value]], None]
"""Is shown an op, and what it gives by the tensors' names."""


_WEIGHTED = frozenset({"FULLY_CONNECTED", "CONV_2D", "DEPTHWISE_CONV_2D", "BATCH_MATMUL"})


def evaluate(
    graph: Graph,
    feed: Sequence[np.ndarray],
    arithmetic: Arithmetic = FLOAT64,
    keep: Sequence[str] = (),
    *,
    strict_shapes: bool = False,
    watch: Watch | None = None,
    variables: Variables | None = None,
) -> dict[str, np.ndarray]:
    """Values of the graph's outputs and of the tensors named in `keep`, by name; floats as float64.

    A quantised tensor is given and returned as its integers; between the ops it is the real numbers that they stand
    for.

    feed: the graph's inputs in order. watch: is shown each op with its operands and results, before they are dropped.
    variables: what earlier runs have left behind, and this one changes; None is a first run, before which state tensors
    are zero and variables what their initialiser says.
    strict_shapes: as many elements in another shape than declared do not fit
    either; else they take the declared one. Constants and inputs are rounded to the arithmetic's stored format
    first, as a delegate uploads them. Raises GraphError for an op that `unsupported` names or a feed
    or a shape that does not fit, and TooMuchMemory, before anything is computed, for what would not fit the limit.
    """
    unknown = unsupported(graph)
    if unknown:
        raise GraphError(f"cannot evaluate {', '.join(unknown)}")
    graph = with_bodies_in_place(graph, unsupported)
    if len(feed) != len(graph.inputs):
        raise GraphError(f"{len(feed)} inputs given, the graph has {len(graph.inputs)}")
    require_room(graph, keep)
    variables = variables or Variables()
    wanted = set(graph.outputs) | set(keep)
    grids = _grids(graph)
    values: dict[str, Value] = {}
    for name, array in zip(graph.inputs, feed, strict=True):
        if tuple(np.shape(array)) != tuple(graph.tensors[name].shape):
            raise GraphError(f"input '{name}' has shape {np.shape(array)}, not {graph.tensors[name].shape}")
        values[name] = _loaded(np.asarray(array), grids.get(name), arithmetic)
    last_use = {name: index for index, op in enumerate(graph.ops) for name in op.inputs}
    for index, op in enumerate(graph.ops):
        for name in op.inputs:
            if name in variables.states and name not in values:
                values[name] = variables.states[name]
            elif name and name not in values and is_read_in_parts(graph, name):
                values[name] = np.asarray(graph.tensors[name].data)
            elif name and name not in values:
                at_rest = _at_rest_in_kernel if _is_turned_in_kernel(graph, name) else _at_rest
                values[name] = at_rest(graph.tensors[name], grids.get(name), arithmetic)
        results = _computed(op, index, graph, values, grids, arithmetic, strict_shapes, variables)
        if watch is not None:
            watch(Step(op, graph, values, arithmetic), results)
        values |= results
        for name in set(op.inputs):
            if name and last_use[name] == index and name not in wanted:
                del values[name]
    for name in wanted - values.keys():
        values[name] = _at_rest(graph.tensors[name], grids.get(name), arithmetic)
    return {name: _handed_out(values[name], grids.get(name), graph.tensors[name].dtype) for name in wanted}


def evaluate_runs(
    graph: Graph,
    feeds: Sequence[Sequence[np.ndarray]],
    arithmetic: Arithmetic = FLOAT64,
    keep: Sequence[str] = (),
    *,
    strict_shapes: bool = False,
) -> list[dict[str, np.ndarray]]:
    """`evaluate` after each feed, one run after the other in one interpreter.

    Where a graph keeps nothing from run to run, a feed that comes again (the same object) is computed once and shared.
    """
    if is_stateful(graph):
        variables = Variables()
        return [
            evaluate(graph, feed, arithmetic, keep, strict_shapes=strict_shapes, variables=variables) for feed in feeds
        ]
    known: dict[int, dict[str, np.ndarray]] = {}
    for feed in feeds:
        if id(feed) not in known:
            known[id(feed)] = evaluate(graph, feed, arithmetic, keep, strict_shapes=strict_shapes)
    return [known[id(feed)] for feed in feeds]


def evaluate_run(
    graph: Graph, feeds: Sequence[Sequence[np.ndarray]], k: int, keep: Sequence[str] = ()
) -> dict[str, np.ndarray]:
    """`evaluate` in float64 after feed k, with the runs before it where they matter."""
    needed = feeds[: k + 1] if is_stateful(graph) else feeds[k : k + 1]
    return evaluate_runs(graph, needed, FLOAT64, keep)[-1]


def quantised_activations(graph: Graph) -> frozenset[str]:
    """The tensors that ops write as integers which stand for real numbers."""
    return frozenset(_grids(graph).keys() & graph.producers.keys())


def quantises_at_run_time(graph: Graph) -> bool:
    """Whether an op multiplies floats by quantised weights (dynamic range): XNNPACK quantises those floats first."""
    return any(
        op.kind in _WEIGHTED
        and len(op.inputs) > 1
        and graph.tensors[op.inputs[0]].dtype == "float32"
        and graph.tensors[op.inputs[1]].dtype in WEIGHT_DTYPES
        for op in graph.ops
    )


def _grids(graph: Graph) -> dict[str, Grid]:
    """Of the quantised tensors that the graph touches."""
    grids = {}
    for name, tensor in graph.tensors.items():
        if tensor.raw is not None and (name in graph.uses or name in graph.producers or name in graph.outputs):
            grid = grid_of(tensor)
            if grid is not None:
                grids[name] = grid
    return grids


def _computed(
    op: Op,
    index: int,
    graph: Graph,
    values: Mapping[str, Value],
    grids: Mapping[str, Grid],
    arithmetic: Arithmetic,
    strict_shapes: bool,
    variables: Variables,
) -> dict[str, Value]:
    """What the op writes, by name, rounded to the stored format. Raises GraphError where it cannot be computed."""
    handler = handler_of(op)
    assert handler is not None, f"unsupported() let {op.kind} pass"
    try:
        # Overflow, division by zero and the like are what the emulation is asked to show.
        with np.errstate(all="ignore"):
            results = handler(Step(op, graph, values, arithmetic, partial(_run, arithmetic, variables), variables))
    except (ValueError, IndexError, KeyError, TypeError, ZeroDivisionError, OverflowError, MemoryError) as error:
        where = f"{op.kind} that writes '{op.outputs[0]}'" if op.outputs else op.kind
        # A damaged file can declare anything; what numpy then says is the reason, not a traceback.
        reason = " ".join(str(error).split())
        raise GraphError(f"{where} cannot be computed: {reason}") from error
    if len(results) != len(op.outputs):
        raise GraphError(f"{op.kind} gives {len(results)} results, the graph declares {len(op.outputs)}")
    stored: dict[str, Value] = {}
    for name, value in zip(op.outputs, results, strict=True):
        declared = tuple(graph.tensors[name].shape)
        if value.shape != declared and (strict_shapes or value.size != math.prod(declared)):
            raise GraphError(f"{op.kind} gives '{name}' the shape {value.shape}, declared {declared}")
        value = np.asarray(value if value.shape == declared else value.reshape(declared))
        grid = grids.get(name)
        if grid is None:
            dtype = graph.tensors[name].dtype
            if value.dtype.kind == "f" and not dtype.startswith(("float", "bfloat")):
                raise GraphError(f"{op.kind} gives '{name}' real numbers, declared {dtype} without a scale")
            stored[name] = arithmetic.stored(value)
        else:
            near = arithmetic.near_grid(value, grid.step_of(value.shape), index)
            in_kernel = _is_read_as_bytes(grid, arithmetic)
            if arithmetic.exact and np.isnan(value).any():
                raise GraphError(f"{op.kind} gives '{name}' what is no number, which has no integer")
            whole = grid.integers_as_written(near, arithmetic.stored) if in_kernel else grid.integers(near)
            stored[name] = _loaded(whole, grid, arithmetic)
    return stored


def _run(arithmetic: Arithmetic, variables: Variables, body: Graph, operands: Sequence[Value]) -> list[Value]:
    """A subgraph that an op runs, as a graph of its own."""
    values = evaluate(body, operands, arithmetic, variables=variables)
    results = (values[name] for name in body.outputs)
    return [value.astype(arithmetic.container) if value.dtype.kind == "f" else value for value in results]


def _loaded(array: np.ndarray, grid: Grid | None, arithmetic: Arithmetic) -> Value:
    """What an array of a file or a feed stands for."""
    if grid is not None:
        if _is_read_as_bytes(grid, arithmetic):
            array = grid.real_as_read(array, arithmetic.stored, fused=arithmetic.fuses)
        else:
            array = grid.real(array)
    with np.errstate(all="ignore"):
        return arithmetic.stored(array.astype(arithmetic.container)) if array.dtype.kind == "f" else array


def _is_read_as_bytes(grid: Grid, arithmetic: Arithmetic) -> bool:
    """Whether what is computed is what a delegate does, which turns bytes, and what is less, into numbers and back."""
    return grid.highest <= np.iinfo(np.uint8).max and not arithmetic.exact


def _at_rest(tensor: Tensor, grid: Grid | None, arithmetic: Arithmetic) -> Value:
    """The value of a tensor that no op writes: a constant's, or zero for a state. Raises GraphError for any other."""
    data = constant_of(tensor)
    if data is not None and grid is not None:
        # Of a constant only the scale is rounded as the kernels' numbers are.
        real = replace(grid, scale=arithmetic.stored(grid.scale)).real(data)
        return arithmetic.stored(real.astype(arithmetic.container))
    if data is not None:
        return _loaded(data, None, arithmetic)
    if not tensor.is_state:
        raise GraphError(f"'{tensor.name}' is neither written, nor an input, nor a constant")
    return np.zeros(tensor.shape, arithmetic.container if grid or tensor.dtype.startswith("float") else tensor.dtype)


def _is_turned_in_kernel(graph: Graph, name: str) -> bool:
    """Whether a tensor is the quantised weights of FULLY_CONNECTEDs and nothing else.

    To the delegate a CONV_2D by a window of one pixel is one (`Conv2DOperationParser::IsConvertibleToFC`).
    """
    tensor = graph.tensors[name]
    kinds = ("FULLY_CONNECTED", "CONV_2D") if tensor.shape[1:3] == (1, 1) else ("FULLY_CONNECTED",)
    return tensor.dtype in WEIGHT_DTYPES and all(
        op.kind in kinds and name == op.inputs[1] and op.inputs.count(name) == 1 for op in graph.uses.get(name, ())
    )


def _at_rest_in_kernel(tensor: Tensor, grid: Grid | None, arithmetic: Arithmetic) -> Value:
    data = constant_of(tensor)
    if data is None or grid is None or arithmetic.exact:
        return _at_rest(tensor, grid, arithmetic)
    return grid.real_in_kernel(data, arithmetic.stored).astype(arithmetic.container)


def _handed_out(value: Value, grid: Grid | None, dtype: str) -> np.ndarray:
    if grid is not None:
        return grid.integers(value).astype(HOLDING_DTYPES.get(dtype, dtype))
    return value.astype(np.float64) if value.dtype.kind == "f" else value
