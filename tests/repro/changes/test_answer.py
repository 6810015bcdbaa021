"""An answer says what and where; a side lists where it has answers."""

from __future__ import annotations

from repro.changes.answer import Place
from repro.verdicts.verdict import Status
from tests.repro.changes.sides import answer, side


def test_an_answer_says_its_status_with_its_signature():
    assert answer(status=Status.FAIL, signature="alias(x)").said == "FAIL alias(x)"
    assert answer().said == "PASS"


def test_the_places_of_a_side_are_listed_once_and_in_order():
    both = side(answer(), answer(output=1))
    assert both.places == (Place("gpu:a", "2.3.0"),)
    assert str(both.places[0]) == "gpu:a LiteRT 2.3.0"
