"""Graphviz's layout: what is asked, what is understood, and our own layout for everything else."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from repro.drawings import graphviz
from repro.drawings.layered import layered
from repro.drawings.picture import Picture, picture_of
from tests.repro.drawings.graphs import add_bug, pictures

ANSWER = """graph 1 3.5 2.5
node n0 1.0 2.25 1.5 0.4 "" solid box black lightgrey
node n1 2.5 2.25 1.5 0.4 "" solid box black lightgrey
edge n0 n1 4 1.0 2.0 1.2 1.9 1.4 1.8 1.5 1.7 solid black
stop
"""


def two(count: int = 1) -> Picture:
    picture = picture_of(add_bug())
    return Picture(picture.nodes[:2], (type(picture.edges[0])("n0", "n1"),) * count)


def test_an_answer_is_turned_upside_down_into_our_units():
    placed = graphviz.from_plain(two(), ANSWER)
    assert placed is not None
    assert placed.bent
    assert placed.centres["n0"] == (72.0 + 12, 0.25 * 72 + 12)
    assert len(placed.routes[0]) == 4
    assert placed.routes[0][0] == (72.0 + 12, 0.5 * 72 + 12)


@pytest.mark.parametrize(
    "answer",
    ["", "graph", ANSWER.replace("node n1", "node n7"), ANSWER.replace("edge", "egde"), ANSWER.replace("2.25", "x")],
)
def test_an_answer_that_places_not_all_is_no_answer(answer: str):
    assert graphviz.from_plain(two(), answer) is None


@given(st.text(max_size=80))
def test_no_answer_ends_in_a_traceback(answer: str):
    assert graphviz.from_plain(two(), answer) is None


def test_no_text_of_a_model_is_in_the_question():
    asked = graphviz.question(picture_of(add_bug('"]; x [label="evil')))
    assert "evil" not in asked
    assert asked.count("->") == 5


@pytest.mark.parametrize("script", [None, "exit 3", "echo nonsense"])
def test_without_a_dot_that_answers_our_own_layout_is_taken(script: str | None, tmp_path: Path, monkeypatch):
    if script is not None:
        (tmp_path / "dot").write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
        (tmp_path / "dot").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    picture = picture_of(add_bug())
    assert graphviz.placed(picture) == layered(picture)


@pytest.mark.skipif(shutil.which("dot") is None, reason="Graphviz is not installed (apt-get install graphviz)")
@given(pictures())
def test_the_dot_of_this_machine_places_every_box_and_arrow(picture: Picture):
    placed = graphviz.placed(picture)
    assert placed.bent
    assert set(placed.centres) == {node.id for node in picture.nodes}
    assert all(0 <= x <= placed.width and 0 <= y <= placed.height for x, y in placed.centres.values())
