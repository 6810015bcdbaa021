"""Plain data, as JSON and TOML hold it, made into a dataclass, strictly.

Key insight: what a document may hold is a type. The dataclass says which keys there are, of what types, and which may
be absent; pydantic holds the data against it and says what does not fit. It is asked as for JSON: a list may become a
tuple and a string an enum or a path, because JSON has no other way to write them, but a number never becomes a string,
a string never a number, and a key that the type does not know is a mistake.
"""

from __future__ import annotations

import dataclasses
import functools
import json
import reprlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, ConfigDict, TypeAdapter, ValidationError

from runner.encoding import file_name

Schema = TypeVar("Schema")
_UNKNOWN_KEY = "unexpected_keyword_argument"
LONGEST_NAME = 1000
"""Characters of a name in a document: the longest tensor names of converters have some 300."""
_CALLED = {"string": "a string", "integer": "an integer", "number": "a number", "boolean": "true or false"}


@dataclass(frozen=True)
class Mistake:
    """One thing that does not fit. place: the keys and positions (from 0) that lead to it. problem: one line."""

    place: tuple[str | int, ...]
    problem: str


class Misfit(ValueError):
    """The data is not of the type. mistakes: at least one, unknown keys first, because they explain missing ones."""

    def __init__(self, mistakes: Sequence[Mistake]) -> None:
        super().__init__(mistakes)
        self.mistakes = tuple(mistakes)


def _says_something(text: str) -> str:
    text = " ".join(text.split())
    if not text or text.startswith("TODO"):
        raise ValueError("says nothing yet; write it")
    if not text.isprintable():
        raise ValueError(f"{reprlib.repr(text)} holds what cannot be printed; leave it out")
    return text


def _names_something(text: str) -> str:
    if not text.strip():
        raise ValueError("is empty; write it")
    if not text.isprintable():
        raise ValueError(f"{reprlib.repr(text)} is no name; use characters that can be printed, on one line")
    if len(text) > LONGEST_NAME:
        raise ValueError(f"has {len(text):,} characters; a name has at most {LONGEST_NAME:,}")
    return text


Said = Annotated[str, AfterValidator(_says_something)]
"""A text that people wrote: not empty and no TODO; on one line, whose words are one space apart."""


def _names_a_file(text: str) -> str:
    if file_name(text) != text:
        raise ValueError(f"{text!r} is no plain name of a file; leave out paths and what cannot be printed")
    return text


Word = Annotated[str, AfterValidator(_names_something)]
"""A name: not empty, and on one line."""

FileWord = Annotated[Word, AfterValidator(_names_a_file)]
"""A name that a file or a folder gets: it leads nowhere else."""


def fitted(schema: type[Schema], data: object, context: dict[str, Any] | None = None) -> Schema:
    """The data as an instance of the dataclass `schema`. context: what its validators may look up.

    Raises Misfit. A ValueError of a validator is a mistake with its text as the problem; one of a dataclass's
    `__post_init__` begins with the key that it is about: `files: give either ...`.
    """
    kind: Any = schema
    try:
        return _validated(kind, data, context)
    except ValidationError as error:
        raise Misfit(_mistakes(_shape(kind), error)) from error
    except RecursionError as error:
        raise Misfit([Mistake((), "is nested too deeply")]) from error


def fitted_or_none(schema: type[Schema], data: object) -> Schema | None:
    """The data as an instance of `schema`, or None where it does not fit: for what can be made again."""
    try:
        return _validated(schema, data, None)
    except (ValidationError, Misfit, RecursionError):
        return None


def _validated(schema: Any, data: object, context: dict[str, Any] | None) -> Any:
    return _adapter(schema).validate_json(json.dumps({"data": data}, default=_no_json), context=context).data


@functools.cache
def _adapter(schema: Any) -> TypeAdapter[Any]:
    # A dataclass around it carries the configuration, which nested dataclasses inherit: theirs stay free of it.
    strictly = {"__pydantic_config__": ConfigDict(extra="forbid", strict=True)}
    return TypeAdapter(dataclasses.make_dataclass("Held", [("data", schema)], namespace=strictly))


def _no_json(value: object) -> object:
    raise Misfit([Mistake((), f"{value} is a date or a time; write it as a string, in quotes")])


def nearest(word: object, among: Sequence[str]) -> str:
    """What to write instead of a word that is none of these: the nearest one, or all."""
    near = get_close_matches(str(word), among, 1)
    return f"did you mean '{near[0]}'?" if near else f"known are {', '.join(among)}"


def near_one(word: str, among: Iterable[str]) -> str:
    """`; did you mean 'x'?`, or nothing where no word of many is near."""
    near = get_close_matches(word, list(among), 1)
    return f"; did you mean '{near[0]}'?" if near else ""


def choose(value: object, among: Sequence[str]) -> str:
    """The problem with a value that is none of the choices: all of them, and the nearest one."""
    separator = "; " if any("," in word for word in among) else ", "
    return f"{value!r} is none of {separator.join(among)}{near_one(str(value), among)}"


# --- mistakes in words -----------------------------------------------------------------------------------


@functools.cache
def _shape(schema: Any) -> Any:
    """The type as plain data, which has its keys, choices and descriptions: its JSON schema with all in place."""
    written = _adapter(schema).json_schema()

    def inlined(node: Any) -> Any:
        if not isinstance(node, dict):
            return node
        if "anyOf" in node:  # the other one is the null of what may be absent
            node = {**node["anyOf"][0], **node}
        if "$ref" in node:
            node = {**written["$defs"][node["$ref"].rpartition("/")[2]], "description": node.get("description", "")}
        return {key: inlined(part) for key, part in node.items() if key not in ("anyOf", "$defs")}

    return inlined(written["properties"]["data"])


def _at(shape: Any, place: Sequence[str | int]) -> Any:
    for part in place:
        if isinstance(part, int):
            shape = _item(shape)
        else:
            shape = shape["properties"][part] if part in shape.get("properties", ()) else shape["additionalProperties"]
    return shape


def _item(node: Any) -> Any:
    """What a list holds; of a list of fixed length, whose entries are alike here, its first."""
    return node["items"] if "items" in node else node["prefixItems"][0]


def _mistakes(shape: Any, error: ValidationError) -> list[Mistake]:
    """Unknown keys first, without the missing keys that they are misspellings of."""
    unknown, others, explained = [], [], set()
    for one in error.errors(include_url=False):
        # The first part is the dataclass around it; a mistake of a key of the user's own has a mark behind the key.
        place = tuple(part for part in one["loc"][1:] if part != "[key]")
        if one["type"] == _UNKNOWN_KEY:
            known = list(_at(shape, place[:-1])["properties"])
            unknown.append(Mistake(place, f"unknown key; {nearest(place[-1], known)}"))
            explained |= {(*place[:-1], near) for near in get_close_matches(str(place[-1]), known, 1)}
        else:
            others.append((place, one))
    return unknown + [_mistake(shape, *one) for one in others if one[1]["type"] != "missing" or one[0] not in explained]


def _mistake(shape: Any, place: tuple[str | int, ...], error: Mapping[str, Any]) -> Mistake:
    value, reason, item = error["input"], error["type"], ""
    if place and isinstance(place[-1], int):
        item, place = f"item {place[-1] + 1} ", place[:-1]
    node, key = _at(shape, place), str(place[-1]) if place else ""
    if reason == "missing":
        return Mistake(place, f"is missing; it is {_called(node, key)}")
    if reason in ("enum", "literal_error"):
        return Mistake(place, choose(value, (_item(node) if item else node)["enum"]))
    if reason == "value_error":
        problem = str(error["ctx"]["error"])
        if isinstance(value, dict):  # of a table as a whole
            about, _, problem = problem.partition(": ")
            place = (*error["loc"][1:], about)
        return Mistake(place, problem if isinstance(value, dict) else item + problem)
    # What has the wrong type is told the type; what has the right one and breaks its limit is told the limit.
    wanted = _called(node, key, limits=not reason.endswith("_type"))
    return Mistake(
        place, f"must be {wanted}; {item}is {_shown(value)}" if item else f"must be {wanted}, not {_shown(value)}"
    )


def _called(node: Mapping[str, Any], key: str, limits: bool = True) -> str:
    """A type in words, with its article. A description says its limits, or what a table is for."""
    about = node.get("description", "")
    if node["type"] == "object":
        return f"a table: {about}" if about else "a table"
    if about and limits:
        return about
    if node["type"] == "array" and _item(node)["type"] == "object":
        return f"an array of tables, written [[{key}]]"
    if node["type"] == "array":
        return f"a list of {_called(_item(node), key, limits).removeprefix('an ').removeprefix('a ')}s"
    return f"one of {', '.join(node['enum'])}" if "enum" in node else _CALLED[node["type"]]


def _shown(value: object) -> str:
    if isinstance(value, dict):
        return "a table"
    if isinstance(value, list) and value and isinstance(value[0], dict):
        return "an array of tables"
    return reprlib.repr(value)
