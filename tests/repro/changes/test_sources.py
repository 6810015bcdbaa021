"""Where answers are kept: the same results give the same answers from each kind of file, and all else is refused."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from repro.campaigns.campaign import CaseResult, to_record
from repro.changes.sources import read_side
from repro.display.json_lines import dump, result_objects, unfit_object
from repro.matrix.document import to_document
from repro.records.canonical_json import canonical
from repro.records.journal import Journal
from repro.verdicts.fitness import FailedControl, Fitness
from repro.verdicts.saved_run import save_judgeable
from repro.verdicts.subject import Subject
from repro.verdicts.verdict import Status, Verdict
from runner.errors import BadInput
from runner.run import Fingerprint, Outcome, Run
from tests.repro.display.results import RESULTS
from tests.repro.matrix.cells import matrices, record


def whole(result: CaseResult) -> CaseResult:
    """A made-up result with all that a fingerprint has."""
    fingerprint = Fingerprint(result.target, result.runtime, {}, "driver 1", result.adapter, result.precision, "0" * 64)
    return dataclasses.replace(result, fingerprint=dataclasses.asdict(fingerprint))


WHOLE = [whole(result) for result in RESULTS]


def lines_file(path: Path, results: list[CaseResult] = WHOLE) -> Path:
    text = "".join(dump(record) + "\n" for result in results for record in result_objects(result))
    path.write_text(text, encoding="utf-8")
    return path


def journal_file(path: Path, results: list[CaseResult] = WHOLE) -> Path:
    with Journal(path) as journal:
        for number, result in enumerate(results):
            journal.add(str(number), to_record(result))
    return path


def test_lines_and_journal_of_one_campaign_hold_the_same_answers(tmp_path: Path):
    lines, journal = read_side(lines_file(tmp_path / "x")), read_side(journal_file(tmp_path / "y"))
    assert lines.answers == journal.answers
    assert [(a.case, a.output, a.said) for a in lines.answers] == [
        (r.case, v.output, v.said) for r in WHOLE for v in r.verdicts
    ]
    assert (lines.kind, journal.kind) == ("lines of --json", "a journal")


@given(matrices)
def test_a_matrix_journal_and_its_document_hold_the_same_answers(tmp_path_factory, records):
    folder = tmp_path_factory.mktemp("matrix")
    environments = [
        {k: r[k] for k in ("target", "runtime", "adapter", "driver", "libraries", "device")}
        for r in {(r["target"], r["runtime"]): r for r in records}.values()
    ]
    (folder / "document").write_bytes(canonical(to_document(records, environments, [])))
    with Journal(folder / "journal") as journal:
        for number, one in enumerate(records):
            journal.add(str(number), one)
    document, kept = read_side(folder / "document"), read_side(folder / "journal")
    assert sorted(map(repr, document.answers)) == sorted(map(repr, kept.answers))
    assert len(document.answers) == sum(len(r["outputs"]) for r in records)


def test_the_newest_record_of_a_journal_counts(tmp_path: Path):
    first = WHOLE[0]
    later = dataclasses.replace(first, verdicts=(Verdict(-1, "", Status.CRASH, reason="gone"),))
    (answer,) = read_side(journal_file(tmp_path / "j", [first, later])).answers
    assert (answer.output, answer.status) == (-1, Status.CRASH)
    (back,) = read_side(journal_file(tmp_path / "k", [later, first])).answers
    assert (back.output, back.status) == (0, Status.PASS)


def test_reading_a_journal_leaves_it_as_it_was(tmp_path: Path):
    path = journal_file(tmp_path / "folder" / "j")
    before = path.read_bytes()
    read_side(path)
    assert path.read_bytes() == before
    assert [p.name for p in path.parent.iterdir() if not p.name.endswith(("-wal", "-shm"))] == ["j"]


def test_saved_runs_are_judged_again(tmp_path: Path, subject: Subject):
    fingerprint = Fingerprint("gpu:a", "2.3.0", {}, "d", "A", "fp32", "1" * 64)
    right = tuple(tuple(np.asarray(output, np.float32) for output in outputs) for outputs in subject.references)
    for name, outputs in (("good", right), ("bad", (right[0],) * len(right))):
        run = Run(name, Outcome.OK, fingerprint, outputs, ("y",))
        save_judgeable(tmp_path / "saved" / name, run, subject)
    told: list[tuple[int, int]] = []
    side = read_side(tmp_path / "saved", lambda done, total: told.append((done, total)))
    assert {(a.case, a.status) for a in side.answers} == {("good", Status.PASS), ("bad", Status.FAIL)}
    assert (side.kind, told) == ("2 saved runs", [(0, 2), (1, 2)])
    (alone,) = read_side(tmp_path / "saved" / "bad").answers
    assert alone in side.answers


LINE = json.loads(dump(next(iter(result_objects(WHOLE[0])))))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "without a result"),
        ("\x00\x01", "no JSON"),
        ("no json", "line 1 is no JSON"),
        ("[1, 2]", "JSON of another kind"),
        ("{}", "JSON of another kind"),
        (json.dumps({**LINE, "verdict": "PAS"}), "line 1: verdict 'PAS' is none of PASS"),
        (json.dumps({**LINE, "output": "0"}), "line 1: output must be an integer"),
        (json.dumps(LINE) + "\n" + json.dumps(LINE)[:-9], "line 2 is no JSON"),
        (json.dumps(LINE) + "\n" + json.dumps({**LINE, "model_sha256": "2"}), "line 2: a second model called"),
        (json.dumps({"layout": "l", "check": "output", "answer": "PASS"}), "line 1: part is missing"),
        (json.dumps({"cells": [], "sentence": ""}), "the document that `matrix --out` wrote"),
        (json.dumps({"rule": "", "producer": "", "message": ""}), "lines of `lint --json`"),
        (json.dumps({"version": "2.1.0", "runs": []}), "a SARIF log"),
        (json.dumps({"ops": 1, "runs": 2, "signature": "x"}), "lines of `reduce --json`"),
        (json.dumps({"cells": [{}], "models": {}, "environments": []}), "a damaged matrix document"),
        (json.dumps({"cells": 3, "models": {}, "environments": []}), "a damaged matrix document"),
    ],
)
def test_what_holds_no_run_is_refused_in_one_line(tmp_path: Path, content: str, said: str):
    path = tmp_path / "given"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(BadInput) as refused:
        read_side(path)
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)


@given(st.binary(max_size=200))
def test_no_bytes_give_anything_but_answers_or_one_line(tmp_path_factory, data: bytes):
    path = tmp_path_factory.mktemp("bytes") / "given"
    for content in (data, b"SQLite format 3\0" + data):
        path.write_bytes(content)
        with pytest.raises(BadInput):
            read_side(path)


@given(st.data())
def test_a_damaged_document_is_refused_or_read(tmp_path_factory, data):
    """Any one value of a document exchanged for another: never a traceback."""
    records = [record("a", "2.1.3", "FAIL"), record("b", "2.1.6", "CRASH")]
    environments = [
        {k: r[k] for k in ("target", "runtime", "adapter", "driver", "libraries", "device")} for r in records
    ]
    document = to_document(records, environments, [])
    places = list(_places(document))
    place = data.draw(st.sampled_from(places))
    holder = document
    for part in place[:-1]:
        holder = holder[part]
    holder[place[-1]] = data.draw(st.sampled_from([None, 3, -1, "x", [], {}, [[]], True]))
    path = tmp_path_factory.mktemp("damaged") / "document"
    path.write_text(json.dumps(document), encoding="utf-8")
    try:
        side = read_side(path)
    except BadInput as error:
        said = str(error)
    else:
        said = f"{len(side.answers)} answers"
    assert said
    assert "\n" not in said


def _places(value, place=()):
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, part in items:
        yield (*place, key)
        yield from _places(part, (*place, key))


def test_a_folder_without_a_saved_run_and_a_file_that_is_not_there(tmp_path: Path):
    with pytest.raises(BadInput, match=r"a folder without a saved run \(meta.json\)"):
        read_side(tmp_path)
    with pytest.raises(BadInput, match="cannot be read"):
        read_side(tmp_path / "nothing")


def test_a_journal_of_another_command_is_refused(tmp_path: Path):
    with Journal(tmp_path / "tried") as journal:
        journal.add("k", {"answer": 1})
    with pytest.raises(BadInput, match="a journal without verdicts"):
        read_side(tmp_path / "tried")


def test_what_a_run_says_of_a_target_as_a_whole_is_no_answer(tmp_path: Path):
    plain = read_side(lines_file(tmp_path / "x"))
    unfit = Fitness("gpu:a", "2.3.0", "fp32", 38, (FailedControl("findings/x-control", "FAIL stale"),))
    with (tmp_path / "x").open("a", encoding="utf-8") as file:
        file.write(dump(unfit_object(unfit)) + "\n")
    assert read_side(tmp_path / "x").answers == plain.answers


GATE = {
    "layout": "split",
    "size": 160,
    "target": "gpu:a",
    "runtime": "2.3.0",
    "adapter": "A",
    "precision": "fp32",
    "part": "graph_a",
    "tensor": "enc_coord",
    "reason": "why",
    "numbers": {"max_abs": 0.5, "token_iou": 0.9},
}


def test_a_gate_is_read_check_by_check_and_a_refused_one_is_wrong(tmp_path: Path):
    lines = [
        {**GATE, "check": "output", "answer": "PASS"},
        {**GATE, "check": "output", "answer": "REFUSED"},
        {**GATE, "check": "residency", "answer": "REFUSED", "tensor": ""},
        {**GATE, "check": "baseline", "answer": "NOTE"},
        {"layout": "split", "check": "summary", "passed": False},
    ]
    path = tmp_path / "gate.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    side = read_side(path)
    assert side.kind == "lines of gate --json"
    assert [(a.case, a.output, a.said, a.numbers) for a in side.answers] == [
        ("split at 160 output graph_a enc_coord", 0, "PASS", {"max_abs": 0.5}),
        ("split at 160 output graph_a enc_coord", 1, "FAIL refused", {"max_abs": 0.5}),
        ("split at 160 residency graph_a", 0, "FAIL refused", {"max_abs": 0.5}),
    ]


def test_two_seeds_in_one_journal_stay_apart(tmp_path: Path):
    seeds = [dataclasses.replace(WHOLE[0], inputs=f"gaussian, seed {seed}") for seed in (0, 1)]
    lines = lines_file(tmp_path / "lines", seeds)
    with Journal(tmp_path / "journal.sqlite") as journal:
        for number, one in enumerate(seeds):
            journal.add(str(number), to_record(one))
    for path in (lines, tmp_path / "journal.sqlite"):
        side = read_side(path)
        assert len(side.answers) == 2 * len(WHOLE[0].verdicts)
        assert {answer.inputs for answer in side.answers} == {"gaussian, seed 0", "gaussian, seed 1"}
