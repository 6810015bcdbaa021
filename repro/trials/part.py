"""Which graph of a file is meant: one signature of several, at shapes that the file leaves open.

Key insight: a graph has one signature and fixed shapes, and everything here works on graphs. So a file with several
signatures is several models: the one that is chosen is written by itself, with all that its ops run. What is left open
needs no other file: whoever runs it gives it the shape. Only where a file does not say that its inputs have a rank,
LiteRT takes no other shape than theirs, and the graph is written with it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from cases.evaluation.resized import with_input_shapes
from cases.graph import Graph, GraphError
from cases.tflite.extras import FileExtras
from cases.tflite.read import read_tflite
from cases.tflite.write import write_tflite
from runner.encoding import shown_name
from runner.errors import BadInput


@dataclass(frozen=True)
class Part:
    """A choice in a file. signature: None takes the first. shapes: of inputs, by tensor name or the signature's."""

    signature: str | None = None
    shapes: Mapping[str, tuple[int, ...]] = field(default_factory=dict)

    def read(self, data: bytes, where: str) -> tuple[bytes, Graph]:
        """The bytes to run, and their graph: the file's own bytes unless it has other signatures too.

        Raises BadInput where the file has nothing like that.
        """
        graph = read_tflite(data, where, self.signature)
        if self.shapes:
            graph = self._resized(graph, where)
        is_one_of_several = isinstance(graph.extras, FileExtras) and bool(graph.extras.other_signatures)
        if not is_one_of_several and not (self.shapes and _has_unranked_input(graph)):
            return data, graph
        try:
            return write_tflite(graph), graph
        except GraphError as error:
            key = shown_name(graph.extras.signature_key) if isinstance(graph.extras, FileExtras) else ""
            raise BadInput(
                f"{where}: signature '{key}' cannot be written by itself: {error}; export it alone"
            ) from error

    @staticmethod
    def label(graph: Graph) -> str:
        """What of the file it is, for people, behind its name; empty where the file has nothing else."""
        extras = graph.extras
        several = isinstance(extras, FileExtras) and extras.other_signatures
        return f" signature '{extras.signature_key}'" if several else ""

    def _resized(self, graph: Graph, where: str) -> Graph:
        names = dict(extras.input_names) if isinstance(extras := graph.extras, FileExtras) else {}
        by_signature = {given: tensor for tensor, given in names.items()}
        shapes = {}
        for name, shape in self.shapes.items():
            tensor = name if name in graph.inputs else by_signature.get(name, "")
            if tensor not in graph.inputs:
                has = ", ".join(f"'{shown_name(one)}'" for one in graph.inputs)
                raise BadInput(f"{where}: has no input '{shown_name(name)}'; it has {has}; give one of them")
            declared = getattr(graph.tensors[tensor].raw, "shape_signature", None) or graph.tensors[tensor].shape
            fits = len(declared) == len(shape) and all(
                want in (-1, got) for want, got in zip(declared, shape, strict=True)
            )
            if not fits:
                raise BadInput(
                    f"{where}: input '{shown_name(name)}' is {list(declared)} (-1: open), which {list(shape)} does not "
                    "fit; change nothing but what is open"
                )
            shapes[tensor] = shape
        try:
            return with_input_shapes(graph, shapes)
        except GraphError as error:
            raise BadInput(f"{where}: at these shapes: {error}; give others") from error


def _has_unranked_input(graph: Graph) -> bool:
    """Whether LiteRT would take an input's shape as it stands, and refuse another."""
    return any(not getattr(graph.tensors[name].raw, "has_rank", True) for name in graph.inputs)


WHOLE = Part()
"""The first signature, at the file's own shapes."""
