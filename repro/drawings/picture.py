"""What of a graph is drawn: nodes and edges, with the roles of tensors visible. Pure.

Key insight: the bugs live in roles, so a picture has to show who makes a tensor, who reads it and that it is an output.
An op is a box that names what it writes; each graph input and each graph output is a box of its own, so that an output
that is also read has two arrows, and the one that is wrong is red. Of a large graph only the neighbourhood of what is
wrong is drawn, and the ends that were cut are there to be seen.
"""

from __future__ import annotations

import enum
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from cases.graph import Graph, Op
from runner.encoding import one_line

MOST_OPS = 32
"""Ops that are drawn at most; of more, those nearest to what is wrong."""
NAME_LENGTH = 28
OPERANDS = 3


class NodeKind(enum.StrEnum):
    """What a box stands for."""

    INPUT = "input"
    OP = "op"
    OUTPUT = "output"
    CUT = "cut"
    """The graph goes on here and is not drawn."""


@dataclass(frozen=True)
class Node:
    """A box. id: `n0`, `n1`, ...: safe in any language. lines: its text, printable, in which a file's names stand.

    wrong: an output that is wrong, or the op that writes it. culprit: an op that is known to cause it.
    """

    id: str
    kind: NodeKind
    lines: tuple[str, ...]
    wrong: bool = False
    culprit: bool = False

    @property
    def note(self) -> str:
        """What is said of it, one line more of its text; empty where nothing is."""
        if self.culprit:
            return "culprit"
        return ("WRONG" if self.kind is NodeKind.OUTPUT else "writes the wrong output") if self.wrong else ""

    @property
    def text(self) -> tuple[str, ...]:
        """All its lines."""
        return (*self.lines, self.note) if self.note else self.lines


@dataclass(frozen=True)
class Edge:
    """An arrow from one box to another: a tensor on its way. wrong: that tensor is."""

    source: str
    target: str
    wrong: bool = False


@dataclass(frozen=True)
class Picture:
    """Nodes in execution order, the edges between them, and how many ops of the graph are not drawn."""

    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]
    hidden: int = 0

    @property
    def caption(self) -> str:
        """What the picture is, in a sentence."""
        ops = [node for node in self.nodes if node.kind is NodeKind.OP]
        wrong = [node.lines[0] for node in self.nodes if node.wrong and node.kind is NodeKind.OUTPUT]
        parts = [f"{len(ops)} op{'' if len(ops) == 1 else 's'}"]
        if self.hidden:
            parts.append(f"the nearest to what is wrong; {self.hidden} more are not drawn")
        if wrong:
            parts.append(f"wrong: {', '.join(wrong)}")
        culprits = list(dict.fromkeys(node.lines[0] for node in ops if node.culprit))
        if culprits:
            parts.append(f"culprit: {', '.join(culprits)}")
        return "; ".join(parts)


def picture_of(
    graph: Graph, wrong: Collection[str] = (), culprits: Collection[Op] = (), most_ops: int = MOST_OPS
) -> Picture:
    """The picture of a graph. wrong: names of tensors that are wrong; culprits: ops of the graph that cause it."""
    chosen = _nearest(graph, wrong, culprits, most_ops)
    return _Drawing(graph, wrong, {id(op) for op in culprits}, chosen).picture()


def _nearest(graph: Graph, wrong: Collection[str], culprits: Collection[Op], most: int) -> list[Op]:
    """The ops that are drawn: all, or those with the fewest steps to what is wrong, in execution order."""
    if len(graph.ops) <= most:
        return list(graph.ops)
    by_id = {id(op): op for op in graph.ops}
    first = [op for name in wrong if (op := graph.producers.get(name)) is not None]
    readers = [op for name in wrong for op in graph.uses.get(name, ())]
    outputs = [op for name in graph.outputs if (op := graph.producers.get(name)) is not None]
    front = [id(op) for op in (*first, *culprits, *readers)] or [id(op) for op in outputs[:1] or graph.ops[:1]]
    chosen: dict[int, Op] = {}
    while front and len(chosen) < most:
        reached: list[int] = []
        for key in dict.fromkeys(front):
            if key in by_id and key not in chosen and len(chosen) < most:
                chosen[key] = by_id[key]
                reached += [id(op) for op in _neighbours(graph, by_id[key])]
        front = reached
    return [op for op in graph.ops if id(op) in chosen]


def _neighbours(graph: Graph, op: Op) -> Iterable[Op]:
    for name in op.inputs:
        if name in graph.producers:
            yield graph.producers[name]
    for name in op.outputs:
        yield from graph.uses.get(name, ())


class _Drawing:
    """One picture in the making: names of nodes are given as they come."""

    def __init__(self, graph: Graph, wrong: Collection[str], culprits: Collection[int], chosen: list[Op]) -> None:
        self.graph = graph
        self.wrong = set(wrong)
        self.culprits = culprits
        self.chosen = chosen
        self.nodes: list[Node] = []
        self.edges: dict[tuple[str, str], Edge] = {}

    def picture(self) -> Picture:
        makers: dict[str, str] = {}
        drawn = {id(op) for op in self.chosen}
        read = {name for op in self.chosen for name in op.inputs}
        for index, name in enumerate(self.graph.inputs):
            if name in read or name in self.graph.outputs:
                makers[name] = self._add(NodeKind.INPUT, f"input {index} {_named(self.graph, name)}")
        for op in self.chosen:
            node = self._op(op)
            for name in op.inputs:
                if name in self.graph.producers and name not in makers:
                    makers[name] = self._add(NodeKind.CUT, "...")
                if name in makers:
                    self._link(makers[name], node, name)
            makers |= dict.fromkeys(op.outputs, node)
        for op in self.chosen:
            beyond = [n for n in op.outputs if any(id(user) not in drawn for user in self.graph.uses.get(n, ()))]
            for name in beyond:
                self._link(makers[name], self._add(NodeKind.CUT, "..."), name)
        for index, name in enumerate(self.graph.outputs):
            if name in makers:
                is_wrong = name in self.wrong
                said = f"output {index} {_named(self.graph, name)}"
                self._link(makers[name], self._add(NodeKind.OUTPUT, said, wrong=is_wrong), name)
        return Picture(tuple(self.nodes), tuple(self.edges.values()), len(self.graph.ops) - len(self.chosen))

    def _add(self, kind: NodeKind, *lines: str, wrong: bool = False, culprit: bool = False) -> str:
        self.nodes.append(Node(f"n{len(self.nodes)}", kind, lines, wrong, culprit))
        return self.nodes[-1].id

    def _op(self, op: Op) -> str:
        activation = op.attrs.get("fused_activation_function", "NONE")
        head = _short(op.kind) + (f" + {activation}" if activation != "NONE" else "")
        constants = [_constant(self.graph, n) for n in op.inputs if n and self.graph.tensors[n].is_constant]
        with_constants = ("with " + ", ".join(constants[:OPERANDS]) + (", ..." if constants[OPERANDS:] else ""),)
        made = tuple(_named(self.graph, name) for name in op.outputs[:OPERANDS])
        lines = (head, *(with_constants if constants else ()), *made, *(("...",) if op.outputs[OPERANDS:] else ()))
        is_wrong = bool(self.wrong & set(op.outputs))
        return self._add(NodeKind.OP, *lines, wrong=is_wrong, culprit=id(op) in self.culprits)

    def _link(self, source: str, target: str, name: str) -> None:
        known = self.edges.get((source, target))
        is_wrong = name in self.wrong or (known is not None and known.wrong)
        self.edges[source, target] = Edge(source, target, is_wrong)


def _named(graph: Graph, name: str) -> str:
    """`'y' [1,64,16]`; of a long name its end, where converters put what tells it apart."""
    return f"'{_short(name)}' {_shape(graph.tensors[name].shape)}"


def _short(name: str) -> str:
    """As it is shown, so that a box is as wide as its text."""
    shown = one_line(name)
    return shown if len(shown) <= NAME_LENGTH else f"...{shown[3 - NAME_LENGTH :]}"


def _constant(graph: Graph, name: str) -> str:
    tensor = graph.tensors[name]
    if tensor.data is not None and tensor.data.size == 1:
        return f"{tensor.data.item():g}"
    if tensor.data is not None and tensor.dtype.startswith("int") and tensor.data.size <= 4:
        return str(tensor.data.tolist()).replace(" ", "")
    return f"constant {_shape(tensor.shape)}"


def _shape(shape: tuple[int, ...]) -> str:
    return "[" + ",".join(map(str, shape)) + "]"


def neighbours_by_node(picture: Picture) -> tuple[Mapping[str, list[str]], Mapping[str, list[str]]]:
    """(node -> the nodes behind its arrows, node -> the nodes whose arrows end in it)"""
    after: dict[str, list[str]] = {node.id: [] for node in picture.nodes}
    before: dict[str, list[str]] = {node.id: [] for node in picture.nodes}
    for edge in picture.edges:
        after[edge.source].append(edge.target)
        before[edge.target].append(edge.source)
    return after, before
