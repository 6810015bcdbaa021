"""Shards of a hunt: each graph is drawn by one of them, and merged they know each bug once."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from repro.campaigns.shards import Shard
from repro.cli import main
from repro.fuzzer.corpus import Corpus, State
from repro.fuzzer.hunt import Bug
from repro.fuzzer.parts import Part, merge, read_part
from repro.fuzzer.sources import BLOCK, own_index
from repro.records.journal import Journal
from runner.errors import BadInput


@given(st.integers(1, 7), st.integers(0, 20 * BLOCK))
def test_every_graph_is_of_one_shard_and_a_hunt_meets_all_of_its_own(of: int, index: int):
    shards = [Shard(number, of) for number in range(1, of + 1)]
    assert [own_index(shard, index) for shard in shards].count(index) == 1
    for shard in shards:
        mine = own_index(shard, index)
        assert index <= mine < index + of * BLOCK
        assert own_index(shard, mine) == mine, "what is its own it stays at"
        assert all(own_index(shard, between) == mine for between in range(index, mine, 97)), "it passes none over"


def bug(index: int, pattern: str = "ADD -> SUM", known: str = "") -> Bug:
    return Bug("alias", pattern, known, index, "grown", "")


def part(number: int, *bugs: Bug, of: int = 2) -> Part:
    return Part(Path(f"{number}"), State(3, "gpu:a|1", f"{number}/{of}", graphs=10), bugs)


def test_a_bug_that_two_shards_found_is_one_and_of_the_lower_graph():
    merged = merge([part(1, bug(900), bug(7, "MUL -> FC")), part(2, bug(300))])
    assert [(one.pattern, one.graph_index) for one in merged.bugs] == [("MUL -> FC", 7), ("ADD -> SUM", 300)]
    assert (merged.graphs, merged.missing) == (20, ())


def test_what_may_not_be_mixed_is_refused_with_both_folders():
    one, two = part(1), part(2)
    for other, said in (
        (replace(two, state=replace(two.state, seed=4)), "different seeds"),
        (replace(two, state=replace(two.state, identity="gpu:b|1")), "different targets, drivers, runtimes"),
        (part(2, of=3), "not of one number of shards"),
        (part(2, bug(1, known="add-reduce")), "by different names"),
    ):
        with pytest.raises(BadInput, match=said) as error:
            merge([replace(one, bugs=(bug(2),)), other])
        assert "1" in str(error.value)
        assert "2" in str(error.value)


@pytest.fixture
def folders(tmp_path: Path) -> list[Path]:
    """The corpora of shards 1/3 and 2/3, with what was met and is no find."""
    made = []
    for number in (1, 2):
        corpus = Corpus(tmp_path / f"{number}", 3, "gpu:a|1", shard=Shard(number, 3))
        corpus.save()
        with Journal(corpus.bugs_file) as journal:
            journal.add("alias ADD -> SUM", {**bug(number).__dict__, "note": ""})
            journal.add("doubtful x", {"signature": "doubtful", "pattern": "x", "graph_index": 1, "note": "y"})
            journal.add("unstable x", {**replace(bug(1), signature="unstable").__dict__, "note": "y"})
        made.append(corpus.folder)
    return made


def test_the_command_shows_the_bugs_and_names_the_shard_that_is_missing(folders: list[Path], tmp_path: Path):
    out = tmp_path / "bugs.sqlite"
    words = ["merge", *map(str, folders), "--json", "-o", str(out)]
    result = CliRunner().invoke(main, words)
    *bugs, summary = [json.loads(line) for line in result.stdout.splitlines()]
    assert [one["graph_index"] for one in bugs] == [1]
    assert (summary["distinct"], summary["new"], summary["missing"]) == (1, 1, ["shard 3/3"])
    assert result.exit_code == 1
    with Journal(out) as journal:
        assert list(journal) == ["alias ADD -> SUM"]
    assert "is there already" in str(CliRunner().invoke(main, words).exception)


def test_a_corpus_goes_on_as_the_shard_that_it_is(folders: list[Path]):
    assert read_part(folders[0]).state.shard == "1/3"
    with pytest.raises(BadInput, match=r"holds a hunt of seed 3 on gpu:a\|1, shard 1/3; this one is .* shard 2/3"):
        Corpus(folders[0], 3, "gpu:a|1", shard=Shard(2, 3))
    with pytest.raises(BadInput, match="no corpus of a hunt"):
        read_part(folders[0] / "suspects")
