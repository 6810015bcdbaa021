"""A TOML document is read, or refused in one line, whatever it holds."""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import tomlkit
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from repro.campaigns.expectations import read_entries
from repro.findings.finding import MANIFEST
from repro.findings.reader import load
from repro.layouts.reader import read_layout
from repro.records.folders import EXPECTATIONS, FINDINGS
from repro.records.strict_toml import MAX_BYTES, read_toml
from runner.errors import BadInput, NothingRan

EXAMPLE = Path(__file__).parents[3] / "docs" / "examples" / "two_graphs"
FINDING = "add-output-feeds-reduction"


@dataclass(frozen=True)
class Entry:
    name: str = ""
    size: int = 0


@dataclass(frozen=True)
class Document:
    entry: tuple[Entry, ...] = ()


def refused(path: Path, data: bytes) -> str:
    path.write_bytes(data)
    with pytest.raises(BadInput) as caught:
        read_toml(path, Document, "document 'd'")
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"[[entry]]\n[[entry]]\nsize = '1'", "document 'd': [entry 2] size: must be an integer, not '1'"),
        (b"[[entry]]\nname = 'a'\nsize = '1'", "document 'd': [entry 1 'a'] size: must be an integer, not '1'"),
        (b"entrie = 1", "document 'd': entrie: unknown key; did you mean 'entry'?"),
        (b"entrie = 1\nx = 1", "document 'd': entrie: unknown key; did you mean 'entry'? (and 1 more)"),
        (b'"a\\nb\\u001b" = 1', "document 'd': a\\nb\\x1b: unknown key"),
        (b"entry = 2020-01-01", "document 'd': 2020-01-01 is a date or a time; write it as a string, in quotes"),
        (b"entry", "document 'd': not readable TOML (Expected '=' after a key"),
        (b"entry = '\xff'", "document 'd': not readable TOML (byte 9 is not UTF-8); save it as UTF-8"),
        (b"entry = " + b"[" * 9999, "document 'd': not readable TOML (nested too deeply)"),
        (b"#" * (MAX_BYTES + 1), "document 'd': is larger than 1 MiB, so it is no such document; name another file"),
    ],
    ids=["item", "named item", "near", "several", "line end", "date", "syntax", "not UTF-8", "deep", "huge"],
)
def test_what_does_not_fit_is_one_line_that_says_where(tmp_path, data, says):
    assert refused(tmp_path / "d.toml", data).startswith(says)


def test_an_absent_file_and_a_folder_are_one_line(tmp_path):
    for path, says in ((tmp_path / "none.toml", "no such file"), (tmp_path, "is a folder")):
        with pytest.raises(BadInput, match=says):
            read_toml(path, Document, "document 'd'")


def test_a_file_without_end_is_refused_and_not_read_to_its_end():
    with pytest.raises(BadInput, match="is larger than"):
        read_toml(Path("/dev/zero"), Document, "document 'd'")


# --- the three documents of this project, spoiled in any place -----------------------------------------

ODD = st.one_of(
    st.none(),  # the key goes
    st.booleans(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(),
    st.text(max_size=8),
    st.just("TODO"),
    st.lists(st.integers() | st.text(max_size=3), max_size=3),
    st.dictionaries(st.text("abc", min_size=1, max_size=3), st.integers(), max_size=2),
    st.lists(st.dictionaries(st.text("abc", min_size=1, max_size=3), st.integers()), max_size=2),
)


def places(node: Any, place: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    below = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    return [place, *(p for key, value in below for p in places(value, (*place, key)))]


def spoilt(text: str, data: st.DataObject) -> str:
    document = tomllib.loads(text)
    *way, last = data.draw(st.sampled_from(places(document)[1:]))
    node = document
    for part in way:
        node = node[part]
    odd = data.draw(ODD)
    if odd is None:
        del node[last]
    elif data.draw(st.booleans()) and isinstance(node, dict):
        node[data.draw(st.text("abcdefgh_", min_size=1, max_size=6))] = odd
    else:
        node[last] = odd
    return tomlkit.dumps(document)


def one_line_or_read(read: Callable[[], object]) -> None:
    problem = ""
    try:
        read()
    except (BadInput, NothingRan) as error:
        problem = str(error)
    assert "\n" not in problem


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("documents")
    (folder / FINDING).mkdir()
    for file in EXAMPLE.iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    return folder


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_spoilt_layout_is_read_or_refused_in_one_line(folder, data):
    (folder / "split.toml").write_text(
        spoilt((EXAMPLE / "split.toml").read_text(encoding="utf-8"), data), encoding="utf-8"
    )
    one_line_or_read(lambda: read_layout(folder / "split.toml"))


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_spoilt_finding_is_read_or_refused_in_one_line(folder, data):
    (folder / FINDING / MANIFEST).write_text(
        spoilt((FINDINGS / FINDING / MANIFEST).read_text(encoding="utf-8"), data), encoding="utf-8"
    )
    one_line_or_read(lambda: load(FINDING, folder))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_spoilt_expectations_are_read_or_refused_in_one_line(folder, data):
    text = "\n[[expect]]".join((EXPECTATIONS / "gpu.toml").read_text(encoding="utf-8").split("\n[[expect]]")[:4])
    (folder / "gpu.toml").write_text(spoilt(text, data), encoding="utf-8")
    one_line_or_read(lambda: read_entries(folder / "gpu.toml"))
