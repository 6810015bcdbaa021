"""The choices of a table's filters are what its rows have."""

from __future__ import annotations

from repro.pages.page import Row, Table, Text, choices


def test_each_filter_offers_what_the_rows_have_in_order():
    rows = tuple(Row((Text("x"),), tags) for tags in (("b", "1"), ("a", "1"), ("b", "")))
    assert choices(Table("t", ("x",), rows, ("f", "g"))) == [["a", "b"], ["", "1"]]
    assert choices(Table("t", ("x",), (), ())) == []
