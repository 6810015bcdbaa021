"""What a hunt keeps on disk: it goes on where it stopped, and belongs to one seed on one target."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from cases.builder import GraphBuilder
from cases.tflite.read import read_tflite
from repro.findings.reader import showing_models
from repro.fuzzer.corpus import Corpus, State, known_patterns, only_hunt_in
from repro.fuzzer.pattern import role_pattern
from repro.records.folders import FINDINGS
from repro.reducer.problem import Specimen
from runner.errors import BadInput


def specimen() -> Specimen:
    g = GraphBuilder()
    graph = g.build([g.unary("NEG", g.input("x", (3,)), "y")])
    return Specimen(graph, ((np.ones(3, np.float32),),), "y")


def test_what_is_saved_is_where_the_next_one_goes_on(tmp_path: Path):
    first = Corpus(tmp_path, 3, "target|fp32")
    first.state.next_index, first.state.graphs = 64, 70
    first.state.counts["PASS"] += 5
    first.save()
    second = Corpus(tmp_path, 3, "target|fp32")
    assert second.state == first.state
    second.state.counts["FAIL"] += 1  # a Counter again, not a dict
    assert second.state.counts["FAIL"] == 1


@pytest.mark.parametrize(("seed", "identity"), [(4, "target|fp32"), (3, "target|fp16")])
def test_a_corpus_of_another_hunt_is_refused(tmp_path: Path, seed: int, identity: str):
    Corpus(tmp_path, 3, "target|fp32").save()
    with pytest.raises(BadInput, match="give another --corpus"):
        Corpus(tmp_path, seed, identity)


def test_candidates_of_one_name_stand_beside_each_other(tmp_path: Path):
    corpus = Corpus(tmp_path, 3, "target")
    one = specimen()
    places = [corpus.write_candidate("wrong-neg", one, one.graph, {"seed": 3}) for _ in range(3)]
    assert [place.name for place in places] == ["wrong-neg", "wrong-neg-2", "wrong-neg-3"]
    assert json.loads((places[2] / "candidate.json").read_text(encoding="utf-8")) == {"seed": 3}
    assert [op.kind for op in read_tflite((places[2] / "model.tflite").read_bytes()).ops] == ["NEG"]


def test_suspects_are_kept_by_their_number(tmp_path: Path):
    corpus = Corpus(tmp_path, 3, "target")
    corpus.keep_suspect(7, specimen())
    assert (tmp_path / "suspects" / "000007" / "model.tflite").exists()


def test_patterns_are_known_from_models_that_are_wrong_and_from_no_control():
    known = known_patterns(showing_models())
    place = FINDINGS / "add-output-feeds-reduction" / "models"
    minimal, control = (read_tflite((place / f"{name}.tflite").read_bytes()) for name in ("minimal", "control"))
    assert known[role_pattern(minimal)] == "add-output-feeds-reduction"
    assert role_pattern(control) not in known


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "7",
        '{"seed": 3}',
        '{"seed": "3", "identity": "target|fp32"}',
        '{"seed": 3, "identity": "target|fp32", "next_index": 64.5}',
        '{"seed": 3, "identity": "target|fp32", "counts": {"PASS": "many"}}',
        '{"seed": 3, "identity": "target|fp32", "colour": "red"}',
        "[" * 100_000,
    ],
)
def test_a_damaged_state_is_said_and_the_hunt_begins_again(tmp_path: Path, text: str):
    (tmp_path / "state.json").write_text(text, encoding="utf-8")
    said: list[str] = []
    assert Corpus(tmp_path, 3, "target|fp32", said.append).state == State(3, "target|fp32")
    (line,) = said
    assert "state.json is damaged: the hunt begins at graph 0 again" in line
    corpus = Corpus(tmp_path, 3, "target|fp32", said.append)
    corpus.save()
    said.clear()
    Corpus(tmp_path, 3, "target|fp32", said.append)
    assert said == []


HOLD = """
import sys
from pathlib import Path
from repro.fuzzer.corpus import only_hunt_in
with only_hunt_in(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_second_hunt_is_refused_until_the_first_has_ended_however_it_ends(tmp_path: Path):
    first = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, encoding="utf-8"
    )
    assert first.stdout is not None
    assert first.stdout.readline() == "held\n"
    with pytest.raises(BadInput, match=r"another hunt is at work in .*; wait until it ends, or give another --corpus"):
        hunt_in(tmp_path)
    hunt_in(tmp_path / "another")
    first.kill()
    first.wait()
    hunt_in(tmp_path)


def hunt_in(folder: Path) -> None:
    with only_hunt_in(folder):
        assert (folder / "lock").exists()
