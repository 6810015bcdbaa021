"""The matrix: cells measured with their controls, resumed from the journal, byte-identical when nothing changed."""

from __future__ import annotations

import json

import pytest

from cases import catalogue
from cases.findings.add_output_feeds_reduction import add_reduce
from cases.inputs import StandardFeeds
from cases.tflite.write import write_tflite
from repro.matrix import measure
from repro.matrix.document import to_document
from repro.matrix.environments import Environment, environments_for, public_target
from repro.matrix.rows import SHOWS, rows_of
from repro.records.canonical_json import canonical
from repro.records.journal import Journal
from repro.trials.load import open_installed_cpu
from repro.verdicts.fitness import FailedControl, Fitness
from repro.verdicts.references import OwnOps
from repro.verdicts.subject import Subject, case_subject, model_subject
from runner.errors import DeviceFailed, TargetUnavailable
from runner.run import Fingerprint, Outcome, Run
from runner.runtimes import installed
from tests.repro.matrix.cells import record


def written(name: str, model: bytes, control_of: str = "") -> Subject:
    return model_subject(name, model, StandardFeeds(0), OwnOps(open_installed_cpu), control_of=control_of)


@pytest.mark.gpu
def test_cells_are_measured_once_and_the_second_answer_is_byte_identical(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    bad, good = write_tflite(add_reduce()), write_tflite(add_reduce(first="SUB"))
    subjects = [
        written("bad", bad),
        written("good", good, control_of="bad"),
    ]
    environments = environments_for([installed().version], ["gpu:lavapipe"])
    documents = []
    with Journal(tmp_path / "journal.sqlite") as journal:
        for known in (0, 4):
            measured = measure.measure(subjects, environments, "both", journal)
            assert measured.cached == known
            rows = rows_of(measured.records)
            documents.append(canonical(to_document(measured.records, measured.environments, measured.unavailable)))
    assert documents[0] == documents[1]
    (row,) = rows
    assert (row["case"], row["name"], row["unclear"]) == ("bad", "y", 0)
    assert [cell["state"] for cell in row["cells"]] == [SHOWS, SHOWS]


@pytest.mark.gpu
def test_a_failed_check_of_the_delegate_is_measured_once_and_reads_the_same_twice(tmp_path):
    (case,) = catalogue.select(["fuzzed/select-same-branches"])
    subjects = [case_subject(case)]
    environments = environments_for([installed().version], ["gpu:lavapipe"])
    with Journal(tmp_path / "journal.sqlite") as journal:
        first = measure.measure(subjects, environments, "fp32", journal, workers=1)
        kept = measure.measure(subjects, environments, "fp32", journal, workers=1)
        again = measure.measure(subjects, environments, "fp32", journal, workers=1, again=True)
    (output,) = first.records[0]["outputs"]
    assert output["verdict"] == "CRASH"
    assert "Check failed: !IsInput" in output["reason"]
    assert (first.cached, kept.cached, again.cached) == (0, 1, 0)
    assert canonical(list(first.records)) == canonical(list(kept.records)) == canonical(list(again.records))


@pytest.mark.parametrize(
    ("outcome", "message", "kept"),
    [
        (Outcome.OK, "", True),
        (Outcome.REFUSED, "unsupported op", True),
        (Outcome.CRASH, "its log ends: model.cc:217] Check failed: x", True),
        (Outcome.CRASH, "the worker was ended by SIGILL; its log ends: (empty)", True),
        (Outcome.CRASH, "the worker was ended by SIGKILL", False),
        (Outcome.CRASH, "the worker was ended by SIGSEGV", False),
        (Outcome.HANG, "no answer in 60 s", False),
    ],
)
def test_what_may_be_the_machines_fault_is_measured_anew(outcome, message, kept):
    empty = Fingerprint("t", "2.3.0", {}, "", "", "fp32", "0" * 64)
    run = Run(name="c", outcome=outcome, fingerprint=empty, message=message)
    assert measure.is_kept(run) is kept


@pytest.mark.parametrize(
    "spoil",
    [
        lambda record: record.pop("driver"),
        lambda record: record.update(fully_accelerated="yes"),
        lambda record: record["outputs"][0].pop("holds"),
        lambda record: record["outputs"][0].update(verdict="SPLENDID"),
    ],
)
def test_a_cell_that_cannot_be_read_back_is_measured_again(tmp_path, spoil):
    subjects = [written("m", write_tflite(add_reduce()))]
    environments = environments_for([installed().version], ["cpu"])
    with Journal(tmp_path / "j.sqlite") as journal:
        first = measure.measure(subjects, environments, "fp32", journal, workers=1)
        (key,) = journal
        spoilt = json.loads(json.dumps(journal.get(key)))
        spoil(spoilt)
        journal.add(key, spoilt)
        again = measure.measure(subjects, environments, "fp32", journal, workers=1)
        kept = measure.measure(subjects, environments, "fp32", journal, workers=1)
    assert (first.cached, again.cached, kept.cached) == (0, 0, 1)
    assert canonical(list(first.records)) == canonical(list(again.records)) == canonical(list(kept.records))


@pytest.mark.gpu
def test_an_interrupted_matrix_goes_on_where_it_was(tmp_path):
    subjects = [written(k, write_tflite(add_reduce(kind=k))) for k in ("MEAN", "SUM")]
    environments = environments_for([installed().version], ["gpu:lavapipe"])

    def stop(record) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), Journal(tmp_path / "j.sqlite") as journal:
        measure.measure(subjects, environments, "fp32", journal, on_record=stop)
    with Journal(tmp_path / "j.sqlite") as journal:
        assert len(journal) == 1
        measured = measure.measure(subjects, environments, "fp32", journal)
    assert (measured.cached, len(measured.records)) == (1, 2)


def test_a_runtime_that_cannot_be_had_is_reported_and_the_rest_goes_on(tmp_path, monkeypatch):
    def nothing(name: str, **options):
        raise TargetUnavailable(f"{name} is not here")

    monkeypatch.setattr(measure.targets, "open_target", nothing)
    subject = written("bad", write_tflite(add_reduce()))
    with Journal(tmp_path / "j.sqlite") as journal:
        asked = [Environment("2.3.0", "gpu:x"), Environment("2.3.0", "gpu:y")]
        measured = measure.measure([subject], asked, "fp32", journal)
    assert measured.records == ()
    assert [gone["target"] for gone in measured.unavailable] == ["gpu:x", "gpu:y"]


def test_of_several_phones_a_lost_one_is_missing_and_the_others_are_measured(tmp_path, monkeypatch):
    def opened(name: str, **options):
        if name == "adb:GONE":
            raise DeviceFailed("device GONE was lost (the connection ended)")
        return open_target("cpu")

    open_target = measure.targets.open_target
    monkeypatch.setattr(measure.targets, "open_target", opened)
    subjects = [written("m", write_tflite(add_reduce()))]
    asked = [Environment("2.3.0", "adb:GONE"), Environment("2.3.0", "adb:HERE")]
    with Journal(tmp_path / "j.sqlite") as journal:
        measured = measure.measure(subjects, asked, "fp32", journal)
        assert len(journal) == 1
        with pytest.raises(DeviceFailed):
            measure.measure(subjects, asked[:1], "fp32", journal)
    assert len(measured.records) == 1
    (gone,) = measured.unavailable
    assert gone["target"] == public_target("adb:GONE")
    assert "was lost" in gone["reason"]
    assert "GONE" not in canonical(list(measured.unavailable)).decode()


def test_what_an_unfit_target_says_enters_no_evidence():
    kept, void = record("c", "2.2.0", "FAIL"), record("c", "2.3.0", "FAIL")
    unfit = Fitness("gpu:a", "2.3.0", "fp32", 38, (FailedControl("findings/x-control", "FAIL stale"),))
    measured = measure.Measured((kept, void), (), (), 0, (unfit,))  # type: ignore[arg-type]
    believed = measured.believed()
    assert believed.records == (kept,)
    (gone,) = believed.unavailable
    assert (gone["runtime"], gone["target"]) == ("2.3.0", "gpu:a")
    assert gone["reason"].startswith("UNFIT in fp32: 1 of 38 controls fails")
