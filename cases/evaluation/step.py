"""One op of an evaluation as its handler sees it: the values of its operands, its options and the arithmetic."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from cases.evaluation.arithmetic import Arithmetic
from cases.graph import Graph, GraphError, Op

Value = np.ndarray
Handler = Callable[["Step"], Sequence[Value]]
"""Computes the outputs of one op in their order; their values are not yet rounded to the stored format."""
RunBody = Callable[[Graph, Sequence[Value]], list[Value]]
"""Evaluates a graph with these inputs; gives its outputs, in the arithmetic's container."""
PART_ELEMENTS = 1 << 22
"""Of a weight matrix that are loaded at a time, where it is larger than that and `is_read_in_parts`."""


def is_read_in_parts(graph: Graph, name: str) -> bool:
    """Whether a constant is so large that it is never loaded whole: as weights of FULLY_CONNECTEDs and nothing else.

    Its value is then what the file holds, not yet rounded, and `Step.parts` loads it.
    """
    tensor = graph.tensors[name]
    return (
        tensor.data is not None
        and tensor.data.dtype.kind == "f"
        and tensor.data.size > PART_ELEMENTS
        and name not in graph.outputs
        and all(
            op.kind == "FULLY_CONNECTED" and name not in (op.inputs[0], *op.inputs[2:])
            for op in graph.uses.get(name, ())
        )
    )


class Variables:
    """What one interpreter keeps from run to run; evaluating a graph changes it.

    values: of the resource variables, by the number of their handle. states: of the state tensors, by name.
    """

    def __init__(self) -> None:
        self.values: dict[int, Value] = {}
        self.states: dict[str, Value] = {}
        self._names: dict[str, int] = {}
        self._begun: list[Graph] = []

    def number_of(self, name: str) -> int:
        """The handle of a variable."""
        return self._names.setdefault(name, len(self._names))

    def has_begun(self, body: Graph) -> bool:
        """Whether it was asked before of this subgraph, which is run once in an interpreter's life."""
        begun = any(one is body for one in self._begun)
        if not begun:
            self._begun.append(body)
        return begun


class Step:
    """One op, to be computed now. `step[0]` is the value of its first operand.

    values: tensor name -> value, in the arithmetic's container and already rounded to its stored format. run: evaluates
    a subgraph of the op. variables: what the interpreter keeps, for ops that read or change it.
    """

    def __init__(
        self,
        op: Op,
        graph: Graph,
        values: Mapping[str, Value],
        arithmetic: Arithmetic,
        run: RunBody | None = None,
        variables: Variables | None = None,
    ) -> None:
        self._run = run
        self.variables = variables or Variables()
        self.op = op
        self.graph = graph
        self.values = values
        self.arithmetic = arithmetic
        self.attrs: Mapping[str, Any] = op.attrs

    def __getitem__(self, index: int) -> Value:
        return self.values[self.op.inputs[index]]

    def run(self, body: Graph, operands: Sequence[Value]) -> list[Value]:
        """What a subgraph of the op gives for these operands, in its order. Raises GraphError where none can be run."""
        if self._run is None:
            raise GraphError(f"{self.op.kind} is evaluated as a part of a graph only")
        return self._run(body, operands)

    def parts(self, index: int) -> Iterator[Value]:
        """The value of an operand that may be read in parts: so many of its rows at a time, then the next."""
        value, rows = self[index], len(self[index])
        step = rows if value.size <= PART_ELEMENTS else max(1, PART_ELEMENTS * rows // value.size)
        for first in range(0, rows, max(1, step)):
            part = value[first : first + step]
            is_whole = step == rows
            yield part if is_whole else self.arithmetic.stored(part.astype(self.arithmetic.container))

    def optional(self, index: int) -> Value | None:
        """The value of an operand that the op may have; None where it is absent."""
        present = index < len(self.op.inputs) and self.op.inputs[index]
        return self.values[self.op.inputs[index]] if present else None

    def ints(self, index: int) -> list[int]:
        """An operand that holds axes, sizes, a permutation or the like, flat."""
        return [int(v) for v in np.asarray(self[index]).reshape(-1)]

    def option_2(self, field: str) -> Any:
        """A field of the op's second options record (StableHLO's), by the schema's name; None where it is absent."""
        return getattr(getattr(self.op.raw, "options_2", None), field, None)

    @property
    def version(self) -> int:
        """The op's version in its file."""
        return getattr(self.op.raw, "version", 1)

    def shape(self, index: int = 0) -> tuple[int, ...]:
        """The shape that the graph declares for an output."""
        return self.graph.tensors[self.op.outputs[index]].shape

    def dtype(self, index: int = 0) -> str:
        """The dtype that the graph declares for an output, by numpy's name."""
        return self.graph.tensors[self.op.outputs[index]].dtype
