"""Plain data becomes a dataclass, or a mistake that says where, what, and what to write instead."""

from __future__ import annotations

import enum
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import Field

from repro.records.strict import FileWord, Misfit, Said, Word, fitted, fitted_or_none
from runner.encoding import file_name, well_formed
from tests.hostile_names import LONG, any_names


class Colour(enum.StrEnum):
    RED = "red"
    DEEP_BLUE = "blue, deep"


@dataclass(frozen=True)
class Wheel:
    name: Word
    spokes: Annotated[int, Field(ge=1, description="a positive integer")] = 1
    colour: Colour = Colour.RED

    def __post_init__(self) -> None:
        if self.spokes == 13:
            raise ValueError("spokes: nobody rides on thirteen")


@dataclass(frozen=True)
class Bicycle:
    about: Said
    weight: float
    frame: Literal["steel", "wood"]
    wheel: tuple[Wheel, ...]
    basket: Wheel | None = None
    bell: bool = False
    book: Path | None = None
    sizes: Mapping[str, tuple[int, ...]] = field(default_factory=dict)


def bicycle(**changes: object) -> dict[str, object]:
    wheels = [{"name": "front", "spokes": 28}, {"name": "back", "colour": "blue, deep"}]
    return {"about": "mine", "weight": 9, "frame": "steel", "wheel": wheels, **changes}


def without(key: str) -> dict[str, object]:
    return {name: value for name, value in bicycle().items() if name != key}


def test_what_fits_has_the_types_that_the_dataclass_says():
    made = fitted(Bicycle, bicycle(sizes={"saddle": [1, 2]}, book="a.pdf", basket={"name": "b"}))
    assert made.wheel[1] == Wheel("back", 1, Colour.DEEP_BLUE)
    assert (made.weight, type(made.weight)) == (9.0, float)
    assert (made.sizes, made.book, made.basket) == ({"saddle": (1, 2)}, Path("a.pdf"), Wheel("b"))


def test_numbers_that_are_none_survive():
    assert fitted(Bicycle, bicycle(weight=math.inf)).weight == math.inf
    assert math.isnan(fitted(Bicycle, bicycle(weight=math.nan)).weight)


MISTAKES = {
    "unknown key": (bicycle(wieght=3), ("wieght",), "unknown key; did you mean 'weight'?"),
    "unknown key, nothing near": (bicycle(xyz=3), ("xyz",), "unknown key; known are about, weight, frame, wheel"),
    "unknown key below": (bicycle(wheel=[{"nmae": "a"}]), ("wheel", 0, "nmae"), "unknown key; did you mean 'name'?"),
    "missing key": (without("weight"), ("weight",), "is missing; it is a number"),
    "missing choice": (without("frame"), ("frame",), "is missing; it is one of steel, wood"),
    "missing tables": (without("wheel"), ("wheel",), "is missing; it is an array of tables, written [[wheel]]"),
    "string for a number": (bicycle(weight="9"), ("weight",), "must be a number, not '9'"),
    "number for a string": (bicycle(about=9), ("about",), "must be a string, not 9"),
    "truth for a number": (bicycle(weight=True), ("weight",), "must be a number, not True"),
    "number for truth": (bicycle(bell=1), ("bell",), "must be true or false, not 1"),
    "string for a table": (bicycle(basket="b"), ("basket",), "must be a table, not 'b'"),
    "table for tables": (bicycle(wheel={}), ("wheel",), "must be an array of tables, written [[wheel]], not a table"),
    "tables for a table": (bicycle(basket=[{}]), ("basket",), "must be a table, not an array of tables"),
    "wrong item": (bicycle(wheel=[3]), ("wheel",), "must be an array of tables, written [[wheel]]; item 1 is 3"),
    "wrong item of a key of one's own": (
        bicycle(sizes={"saddle": [1, "2"]}),
        ("sizes", "saddle"),
        "must be a list of integers; item 2 is '2'",
    ),
    "fraction for an integer": (
        bicycle(wheel=[{"name": "a", "spokes": 1.5}]),
        ("wheel", 0, "spokes"),
        "must be an integer, not 1.5",
    ),
    "out of range": (
        bicycle(wheel=[{"name": "a", "spokes": 0}]),
        ("wheel", 0, "spokes"),
        "must be a positive integer, not 0",
    ),
    "bad choice": (bicycle(frame="steal"), ("frame",), "'steal' is none of steel, wood; did you mean 'steel'?"),
    "bad choice with commas": (
        bicycle(wheel=[{"name": "a", "colour": "green"}]),
        ("wheel", 0, "colour"),
        "'green' is none of red; blue, deep",
    ),
    "empty text": (bicycle(about=" "), ("about",), "says nothing yet; write it"),
    "text to do": (bicycle(about="TODO: why"), ("about",), "says nothing yet; write it"),
    "empty name": (bicycle(basket={"name": ""}), ("basket", "name"), "is empty; write it"),
    "name of two lines": (bicycle(basket={"name": "a\nb"}), ("basket", "name"), r"'a\nb' is no name; use"),
    "keys that contradict": (
        bicycle(wheel=[{"name": "a"}, {"name": "b", "spokes": 13}]),
        ("wheel", 1, "spokes"),
        "nobody rides on thirteen",
    ),
}


@pytest.mark.parametrize(("data", "place", "problem"), MISTAKES.values(), ids=MISTAKES)
def test_what_does_not_fit_is_one_mistake_with_its_place(data, place, problem):
    with pytest.raises(Misfit) as caught:
        fitted(Bicycle, data)
    (mistake,) = caught.value.mistakes
    assert (mistake.place, mistake.problem[: len(problem)]) == (place, problem)
    assert fitted_or_none(Bicycle, data) is None


def test_all_mistakes_are_found_and_a_misspelt_key_is_not_also_missing():
    data = {**without("weight"), "wieght": 3, "bell": "ding", "frame": "clay"}
    with pytest.raises(Misfit) as caught:
        fitted(Bicycle, data)
    assert [mistake.place for mistake in caught.value.mistakes] == [("wieght",), ("frame",), ("bell",)]


@pytest.mark.parametrize("data", [None, 3, "text", [], [[]]])
def test_data_that_is_no_table_at_all_is_a_misfit(data):
    assert fitted_or_none(Bicycle, data) is None


def test_data_nested_without_end_is_a_misfit():
    deep: list[object] = []
    for _ in range(100_000):
        deep = [deep]
    assert fitted_or_none(Bicycle, bicycle(about=deep)) is None


@given(any_names())
@example(LONG)
def test_a_file_word_is_the_name_of_one_file(name: str):
    name = well_formed(name)
    if name and file_name(name) == name:
        assert fitted(Filed, {"name": name}).name == name
        return
    with pytest.raises(Misfit) as refused:
        fitted(Filed, {"name": name})
    assert refused.value.mistakes[0].place == ("name",)


@dataclass(frozen=True)
class Filed:
    name: FileWord


@given(st.lists(st.sampled_from(["a", "`b`", "TODO"]), min_size=1), st.sampled_from([" ", "\n", "\t\n  ", "\u2028"]))
def test_a_text_that_people_wrote_is_on_one_line(words: list[str], between: str):
    wanted = " ".join(words)
    if wanted.startswith("TODO"):
        return
    assert fitted(Told, {"text": between.join(words)}).text == wanted


@dataclass(frozen=True)
class Told:
    text: Said


@pytest.mark.parametrize("text", ["a\x1b[2Jb", "a\u202eb", "a\0"])
def test_a_text_with_what_cannot_be_printed_is_refused(text: str):
    with pytest.raises(Misfit) as refused:
        fitted(Told, {"text": text})
    assert "cannot be printed" in refused.value.mistakes[0].problem
