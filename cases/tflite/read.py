"""A .tflite file as a graph. Reading never runs anything, and damaged bytes end in one clear line.

Key insight: the generated accessors trust every offset, so each vector's length is checked against the file's size
and counted (`cases.tflite.visits`) before it is walked, and whatever they raise on damaged bytes becomes BadInput.
Bytes of buffers are not copied: constants are views, and where a copy is needed, tensors that share a buffer share it.
A signature is a graph: its subgraph, and inside its ops the subgraphs that they run. What belongs to other signatures
is not read.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import replace
from functools import cached_property
from typing import Any, TypeVar

from ai_edge_litert import schema_py_generated as schema

from cases.graph import Graph, GraphError
from cases.tflite.extras import FileExtras
from cases.tflite.file_buffers import FileBuffers
from cases.tflite.schema import OPERATOR_NAME
from cases.tflite.subgraph import SubgraphReader
from cases.tflite.visits import Visits
from runner.errors import BadInput

_DAMAGE = (struct.error, IndexError, ValueError, TypeError, OverflowError, AttributeError, MemoryError, KeyError)
_REMEDY = "give a .tflite file written by a converter"
DEFAULT_SIGNATURE = "serving_default"
"""What a signature without a name is called, and the only one of a file that has none."""
MAX_DEPTH = 32
"""Subgraphs inside each other. A WHILE in a WHILE in a composite is 3."""

Answer = TypeVar("Answer")


def read_tflite(data: bytes, where: str = "model", signature: str | None = None) -> Graph:
    """The graph of one signature of a .tflite. Constants are read-only views into `data`.

    where: how the model is called in errors. signature: its key; None reads the first. Raises BadInput for a file that
    is empty, no .tflite, truncated or damaged, or that has no such signature; TooMuchMemory for one that unpacks to
    more than the limit.
    """
    return _read(data, where, lambda file: file.graph(signature))


def read_signatures(data: bytes, where: str = "model") -> tuple[str, ...]:
    """The keys of a file's signatures, in its order; one, `serving_default`, where it has none. Raises BadInput."""
    return _read(data, where, lambda file: file.signatures)


def _read(data: bytes, where: str, ask: Callable[[_File], Answer]) -> Answer:
    if not data:
        raise BadInput(f"{where}: empty file; {_REMEDY}")
    if len(data) < 8 or data[4:8] != b"TFL3":
        raise BadInput(f"{where}: not a .tflite file (no TFL3 identifier); {_REMEDY}")
    try:
        return ask(_File(data, where))
    except BadInput:
        raise
    except GraphError as error:
        raise BadInput(f"{where}: damaged .tflite: {error}; {_REMEDY}") from error
    except _DAMAGE as error:
        raise BadInput(f"{where}: truncated or damaged .tflite ({_in_words(error, data)}); {_REMEDY}") from error


def _in_words(error: Exception, data: bytes) -> str:
    """What is wrong with the bytes. A library's message is about its own arguments, and says nothing to a reader."""
    if isinstance(error, struct.error) or "buffer is smaller" in str(error):
        return f"it points behind its own end, byte {len(data)}"
    if isinstance(error, ValueError):
        return " ".join(str(error).split())[:120]
    return "a number in it points nowhere"


class _File:
    """One file while it is read."""

    def __init__(self, data: bytes, where: str) -> None:
        self.where = where
        self.visits = Visits(data)
        self.model = schema.Model.GetRootAs(data, 0)
        self.buffers = FileBuffers(data, self.model, self.visits)
        count = self.visits.vector(self.model.SignatureDefsLength(), "signatures")
        self._signatures = [self.model.SignatureDefs(i) for i in range(count)]
        self.signatures = (
            *(self.visits.text(one.SignatureKey(), DEFAULT_SIGNATURE) for one in self._signatures),
            *([] if count else [DEFAULT_SIGNATURE]),
        )
        self._subgraphs: dict[int, Graph | None] = {}
        self._depth = 0

    def graph(self, signature: str | None) -> Graph:
        """The graph of a signature, with the file's extras."""
        if signature is not None and signature not in self.signatures:
            has = ", ".join(f"'{key}'" for key in self.signatures)
            raise BadInput(f"{self.where}: has no signature '{signature}'; it has {has}; give one of them")
        number = 0 if signature is None else self.signatures.index(signature)
        chosen = self._signatures[number] if self._signatures else None
        index = chosen.SubgraphIndex() if chosen else 0
        self._subgraphs[index] = None
        reader = self._reader()
        graph = reader.graph(self._subgraph(index))
        return replace(graph, extras=self._extras(number, chosen, reader.names))

    def _reader(self) -> SubgraphReader:
        return SubgraphReader(self.buffers, self._codes, self.where, self._body)

    def _subgraph(self, index: int) -> Any:
        if not 0 <= index < self.visits.vector(self.model.SubgraphsLength(), "subgraphs"):
            raise IndexError(f"subgraph {index}")
        return self.model.Subgraphs(index)

    def _body(self, index: int) -> Graph | None:
        """The subgraph that an op runs; None for one that runs itself, directly or through another."""
        if index not in self._subgraphs:
            self._subgraphs[index] = None
            if self._depth == MAX_DEPTH:
                raise GraphError(f"more than {MAX_DEPTH} subgraphs inside each other")
            self._depth += 1
            self._subgraphs[index] = self._reader().graph(self._subgraph(index))
            self._depth -= 1
        return self._subgraphs[index]

    @cached_property
    def _codes(self) -> list[tuple[str, str, int]]:
        count = self.visits.vector(self.model.OperatorCodesLength(), "operator codes")
        return [self._code(self.model.OperatorCodes(i)) for i in range(count)]

    def _code(self, code: Any) -> tuple[str, str, int]:
        number = max(code.BuiltinCode(), code.DeprecatedBuiltinCode())
        return OPERATOR_NAME[number], self.visits.text(code.CustomCode()), code.Version()

    def _extras(self, number: int, signature: Any, names: list[str]) -> FileExtras:
        model, visits = self.model, self.visits
        inputs: list[tuple[str, str]] = []
        outputs: list[tuple[str, str]] = []
        if signature is not None:
            for length, get, found in (
                (signature.InputsLength(), signature.Inputs, inputs),
                (signature.OutputsLength(), signature.Outputs, outputs),
            ):
                for i in range(visits.vector(length, "signature")):
                    pair = get(i)
                    found.append((names[pair.TensorIndex()], visits.text(pair.Name())))
        metadata = []
        for i in range(visits.vector(model.MetadataLength(), "metadata")):
            entry = model.Metadata(i)
            blob = self.buffers.blob(entry.Buffer())
            metadata.append((visits.text(entry.Name()), b"" if blob is None else self.buffers.copy(blob)))
        others = (*self.signatures[:number], *self.signatures[number + 1 :])
        return FileExtras(
            self.signatures[number],
            tuple(inputs),
            tuple(outputs),
            visits.text(model.Description()),
            tuple(metadata),
            others,
        )
