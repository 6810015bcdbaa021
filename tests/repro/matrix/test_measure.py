"""The matrix: cells measured with their controls, resumed from the journal, byte-identical when nothing changed."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from cases import catalogue
from cases.findings.add_output_feeds_reduction import add_reduce
from cases.inputs import StandardFeeds
from cases.tflite.write import write_tflite
from repro.cli import main
from repro.matrix import measure
from repro.matrix.bisect import bisect
from repro.matrix.document import from_document, to_document
from repro.matrix.rows import SHOWS, UNCLEAR, rows_of
from repro.matrix.subjects import failing_cases
from repro.records.canonical_json import canonical, is_canonical, plain
from repro.records.journal import Journal
from repro.trials.load import open_installed_cpu
from repro.verdicts.references import OwnOps
from repro.verdicts.subject import Subject, case_subject, model_subject
from runner.errors import BadInput, NothingRan, TargetUnavailable
from runner.run import Fingerprint, Outcome, Run

VERSIONS = ("2.1.3", "2.1.6", "2.2.0", "2.3.0", "2.4.0.dev20261026")


def written(name: str, model: bytes, control_of: str = "") -> Subject:
    return model_subject(name, model, StandardFeeds(0), OwnOps(open_installed_cpu), control_of=control_of)


def record(case: str, runtime: str, verdict: str = "PASS", *, control_of: str = "", target: str = "gpu:a") -> dict:
    signature = "stale" if verdict == "FAIL" else ""
    output = {"output": 0, "name": "y", "verdict": verdict, "signature": signature, "holds": "", "reason": ""}
    return {
        "case": case,
        "control_of": control_of,
        "runtime": runtime,
        "target": target,
        "adapter": "A",
        "driver": "D 1",
        "libraries": {"lib.so": "0" * 64},
        "device": {},
        "precision": "fp32",
        "model_sha256": case * 2,
        "fully_accelerated": True,
        "outputs": [output, {**output, "output": 1, "name": "z", "verdict": "PASS", "signature": ""}],
    }


def only_row(records: list[dict]) -> dict:
    (row,) = rows_of(records)
    return row


def test_a_failure_with_healthy_controls_shows_and_says_since_when():
    records = [record("c", v, "FAIL") for v in VERSIONS] + [record("ok", v, control_of="c") for v in VERSIONS]
    row = only_row(records)
    assert (row["since"], row["since_oldest"], row["fixed_in"], row["unclear"]) == ("2.1.3", True, "", 0)
    assert "shows in 5 of 5 cells" in row["sentence"]
    assert "not fixed in 2.4.0.dev20261026" in row["sentence"]


def test_a_failing_control_in_the_same_cell_makes_the_cell_unclear_and_only_that_one():
    records = [record("c", v, "FAIL") for v in VERSIONS]
    records += [record("ok", v, "FAIL" if v == "2.2.0" else "PASS", control_of="c") for v in VERSIONS]
    row = only_row(records)
    states = {cell["runtime"]: cell["state"] for cell in row["cells"]}
    assert states["2.2.0"] == UNCLEAR
    assert [v for v in VERSIONS if states[v] == SHOWS] == [v for v in VERSIONS if v != "2.2.0"]
    assert "1 cells cannot tell" in row["sentence"]


def test_fixed_in_needs_every_target_to_pass():
    fixed = {"2.3.0", "2.4.0.dev20261026"}
    records = [record("c", v, "PASS" if v in fixed else "FAIL") for v in VERSIONS]
    assert only_row(records)["fixed_in"] == "2.3.0"
    records += [record("c", v, "FAIL", target="gpu:b") for v in VERSIONS]
    assert only_row(records)["fixed_in"] == ""


def test_since_is_the_first_runtime_that_shows_it_and_a_nightly_sorts_after_the_release_before_it():
    records = [record("c", v, "FAIL" if v.startswith("2.4") else "PASS") for v in VERSIONS]
    row = only_row(records)
    assert (row["since"], row["since_oldest"]) == ("2.4.0.dev20261026", False)
    assert "oldest" not in row["sentence"]


def test_a_case_that_passes_everywhere_has_one_row_that_says_so():
    assert only_row([record("c", v) for v in VERSIONS])["sentence"] == "passes in all 5 cells"


def test_a_failure_on_one_driver_only_is_said():
    records = [record("c", v, "FAIL") for v in VERSIONS] + [record("c", v, target="gpu:b") for v in VERSIONS]
    assert "only on gpu:a" in only_row(records)["sentence"]


def test_a_stored_matrix_gives_its_records_back():
    records = [record("c", v, "FAIL") for v in VERSIONS] + [record("ok", v, control_of="c") for v in VERSIONS]
    refused = {**record("r", "2.1.3"), "outputs": [{**records[0]["outputs"][0], "output": -1, "verdict": "REFUSED"}]}
    records.append(refused)
    records.append(record("r", "2.2.0"))
    fields = ("runtime", "target", "adapter", "driver", "libraries", "device")
    environments = [{k: r[k] for k in fields} for r in records[:5]]
    stored = json.loads(canonical(to_document(records, environments, [])))
    assert from_document(stored) == records


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text() | st.floats(allow_nan=False, allow_infinity=False),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
        max_leaves=20,
    )
)
def test_canonical_bytes_are_a_fixed_point(value):
    data = canonical(value)
    assert is_canonical(data)
    assert json.loads(data) == plain(value)


def test_canonical_refuses_what_json_cannot_say():
    for value in (float("nan"), float("inf"), {1: 2}, object()):
        with pytest.raises((ValueError, TypeError)):
            canonical({"a": value} if not isinstance(value, dict) else value)


def test_canonical_forgets_digits_that_depend_on_summation_order():
    assert canonical(0.1 + 0.2) == canonical(0.3)
    assert canonical(-0.0) == canonical(0.0)
    assert canonical(1.23456) != canonical(1.23457)
    assert not is_canonical(b'{"b":1,"a":2}')


@given(st.integers(2, 40), st.data())
def test_bisect_finds_the_change_with_few_runs(count, data):
    versions = [f"2.{i}.0" for i in range(count)]
    change = data.draw(st.integers(1, count - 1))
    asked = []

    def verdict(version: str) -> str:
        asked.append(version)
        return "PASS" if versions.index(version) < change else "FAIL stale"

    found = bisect(versions, verdict)
    assert (found.last_before, found.first_changed) == (versions[change - 1], versions[change])
    assert len(asked) == len(set(asked)) <= 2 + count.bit_length()


def test_bisect_with_equal_ends_says_what_it_cannot_see():
    found = bisect(["2.1.3", "2.3.0"], lambda version: "FAIL stale")
    assert found.first_changed == ""
    assert "nothing to bisect" in found.sentence


def test_bisect_needs_two_runtimes():
    with pytest.raises(BadInput, match="at least two"):
        bisect(["2.3.0"], lambda version: "PASS")


@pytest.mark.gpu
def test_cells_are_measured_once_and_the_second_answer_is_byte_identical(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    bad, good = write_tflite(add_reduce()), write_tflite(add_reduce(first="SUB"))
    subjects = [
        written("bad", bad),
        written("good", good, control_of="bad"),
    ]
    environments = measure.environments_for([measure.runtime_of(None).version], ["gpu:lavapipe"])
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
    environments = measure.environments_for([measure.runtime_of(None).version], ["gpu:lavapipe"])
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
    environments = measure.environments_for([measure.runtime_of(None).version], ["cpu"])
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
    environments = measure.environments_for([measure.runtime_of(None).version], ["gpu:lavapipe"])

    def stop(record) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), Journal(tmp_path / "j.sqlite") as journal:
        measure.measure(subjects, environments, "fp32", journal, on_record=stop)
    with Journal(tmp_path / "j.sqlite") as journal:
        assert len(journal) == 1
        measured = measure.measure(subjects, environments, "fp32", journal)
    assert (measured.cached, len(measured.records)) == (1, 2)


@pytest.mark.gpu
def test_the_command_names_what_shows_and_stores_canonical_json(tmp_path):
    model = tmp_path / "bad.tflite"
    model.write_bytes(write_tflite(add_reduce()))
    version = measure.runtime_of(None).version
    out = tmp_path / "matrix.json"
    options = ["--runtime", version, "--target", "gpu:lavapipe", "--precision", "fp32", "--out", str(out), "--json"]
    result = CliRunner().invoke(main, ["matrix", str(model), *options])
    assert result.exit_code == 0, result.output
    (row,) = [json.loads(line) for line in result.stdout.splitlines()]
    assert (row["case"], row["output"], row["since"]) == ("bad.tflite", 0, version)
    assert is_canonical(out.read_bytes())


def test_an_unknown_case_and_an_unknown_runtime_are_refused_in_one_line(tmp_path):
    result = CliRunner().invoke(main, ["matrix", "no-such-case-anywhere"])
    assert isinstance(result.exception, BadInput)
    with pytest.raises(BadInput, match="is no LiteRT version"):
        measure.environments_for(["two-point-three"], ["gpu:lavapipe"])


def test_a_runtime_that_cannot_be_had_is_reported_and_the_rest_goes_on(tmp_path, monkeypatch):
    def nothing(name: str, **options):
        raise TargetUnavailable(f"{name} is not here")

    monkeypatch.setattr(measure.targets, "open_target", nothing)
    subject = written("bad", write_tflite(add_reduce()))
    with Journal(tmp_path / "j.sqlite") as journal:
        asked = [measure.Environment("2.3.0", "gpu:x"), measure.Environment("2.3.0", "gpu:y")]
        measured = measure.measure([subject], asked, "fp32", journal)
    assert measured.records == ()
    assert [gone["target"] for gone in measured.unavailable] == ["gpu:x", "gpu:y"]


def test_a_matrix_without_a_cell_is_no_pass(tmp_path, monkeypatch):
    def nothing(name: str, **options):
        raise TargetUnavailable(f"{name} is not here")

    monkeypatch.setattr(measure.targets, "open_target", nothing)
    monkeypatch.setattr("repro.commands.matrix.journal_path", lambda: tmp_path / "j.jsonl")
    (tmp_path / "bad.tflite").write_bytes(write_tflite(add_reduce()))
    version = measure.runtime_of(None).version
    options = ["--runtime", version, "--target", "cpu", "--out", str(tmp_path / "matrix.json")]
    result = CliRunner().invoke(main, ["matrix", str(tmp_path / "bad.tflite"), *options])
    assert isinstance(result.exception, NothingRan)
    assert result.exception.exit_code == 3
    assert "cpu is not here" in result.output


def test_no_case_that_is_expected_to_fail_leaves_nothing_to_measure():
    with pytest.raises(NothingRan, match="no case is expected to fail on cpu"):
        failing_cases(catalogue.catalogue(), "cpu")
