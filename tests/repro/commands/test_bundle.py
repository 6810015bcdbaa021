"""`repro bundle` and `repro ingest`: the way there and back, what is kept of it, and what contradicts itself."""

from __future__ import annotations

import json
import platform
import zipfile
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from cases.catalogue import catalogue
from repro.campaigns.campaign import run_campaign
from repro.campaigns.controls import control_cases
from repro.campaigns.expectations import load, read_entries
from repro.campaigns.parts import read_part
from repro.commands.bundle import command as bundle
from repro.commands.ingest import command as ingest
from repro.matrix.document import from_document
from repro.records.journal import Journal
from runner.adb.loopback.device import LoopbackDevice
from runner.adb.target import AdbTarget
from runner.errors import BadInput, NothingRan, TargetUnavailable
from runner.run import Precision
from tests.runner.bundle.conftest import changed, run
from tests.runner.bundle.test_on_devices import over_adb

HERE = f"linux-{platform.machine()}"
CLAIMED = "public-reports/litert-8599-add-output-consumed"
CASES = ("fanout/add-to-2", CLAIMED)


def called(command: object, *words: object) -> Result:
    return CliRunner().invoke(command, [str(word) for word in words])  # type: ignore[arg-type]


@pytest.fixture(scope="session")
def came_back(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """results.zip of two cases on this machine's CPU, to which Android's properties are given."""
    folder = tmp_path_factory.mktemp("commands") / "unpacked"
    made = called(bundle, *CASES, "--device", HERE, "--cpu", "-o", folder.parent / "suite.zip")
    assert made.exit_code == 0, made.output
    with zipfile.ZipFile(folder.parent / "suite.zip") as archive:
        archive.extractall(folder)
    code, said = run(folder)
    assert code == 0, said
    return folder / "results.zip"


@pytest.fixture(scope="session")
def of_a_phone(came_back: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same as a Pixel 8a would have sent it: the CPU's right answers, with its delegate's word of residency."""

    def dressed(files: dict[str, bytes]) -> None:
        said = json.loads(files["bundle.json"])
        files["bundle.json"] = json.dumps({**said, "device": "android-arm64", "accelerator": "gpu"}).encode()
        files["device"] = b"[ro.product.model]: [Pixel 8a]\n[bundle.date]: [2026-01-31]\n"
        for name in [name for name in files if name.endswith("/results")]:
            lines = [json.loads(line) for line in files[name].splitlines()]
            took = "Replacing 2 out of 2 node(s) with delegate (LITERT_CL) node, yielding 1 partitions"
            files[name] = "".join(json.dumps({**line, "log": took}) + "\n" for line in lines).encode()

    return changed(came_back, tmp_path_factory.mktemp("phone"), dressed)


def test_what_comes_back_is_judged_as_a_run_here_is(came_back: Path, tmp_path: Path) -> None:
    files = ("--html", tmp_path / "page.html", "--junit", tmp_path / "report.xml")
    done = called(ingest, came_back, "--by", "A. Colleague", "--json", "-o", tmp_path / "kept", *files)
    assert CASES[0] in (tmp_path / "page.html").read_text(encoding="utf-8")
    assert CASES[0] in (tmp_path / "report.xml").read_text(encoding="utf-8")
    assert done.exit_code == 0, done.output
    assert {(o["case"], o["target"], o["verdict"]) for o in map(json.loads, done.stdout.splitlines())} == {
        (case, "cpu", "PASS") for case in CASES
    }
    assert "measured by A. Colleague on 20" in done.stderr
    part = read_part(tmp_path / "kept" / "results.sqlite")
    assert {result.case for result in part.results} == set(CASES)
    records = from_document(json.loads((tmp_path / "kept" / "matrix.json").read_text(encoding="utf-8")))
    assert {record["case"] for record in records} == set(CASES)


def crashed(files: dict[str, bytes]) -> None:
    """The first case ended its process."""
    lines = [json.loads(line) for line in files["batches/0001/results"].splitlines()]
    said = [{**line, "status": "crash", "message": "signal 11"} if line["id"] == 1 else line for line in lines]
    files["batches/0001/results"] = "".join(json.dumps(line) + "\n" for line in said).encode()


def test_what_fails_on_a_phone_whose_controls_did_not_run_counts_for_nothing(of_a_phone: Path, tmp_path: Path) -> None:
    done = called(
        ingest, changed(of_a_phone, tmp_path, crashed), "--by", "me", "-o", tmp_path / "kept", "--reason", "x"
    )
    assert done.exit_code == 3
    assert "adb:pixel-8a is UNFIT in fp32" in done.output
    entries = read_entries(tmp_path / "kept" / "adb-pixel-8a.toml")
    assert {entry.origin for entry in entries} == {"reported"}, "what others reported stays, and nothing is added"


def test_expectations_of_a_phone_say_who_measured_and_when(
    of_a_phone: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("repro.ingest.judged.control_cases", list)
    archive = changed(of_a_phone, tmp_path, crashed)
    refused = called(ingest, archive, "--by", "A.  Colleague", "-o", tmp_path / "refused")
    assert refused.exit_code == 1
    assert f"refused: {CASES[0]} output 0 fp32: CRASH" in refused.output
    done = called(ingest, archive, "--by", "A.  Colleague", "-o", tmp_path / "kept", "--reason", "it ends there")
    assert done.exit_code == 1
    entries = {entry.case: entry for entry in read_entries(tmp_path / "kept" / "adb-pixel-8a.toml")}
    new = entries[CASES[0]]
    assert (new.status, new.reason, new.origin) == ("CRASH", "it ends there", "measured")
    assert (new.measured_by, new.measured_on) == ("A. Colleague", "2026-01-31")
    assert new.confirmed == read_part(tmp_path / "kept" / "results.sqlite").results[0].runtime
    assert all(entry.measured_by == "" for case, entry in entries.items() if case != CASES[0])


def test_each_claim_of_others_is_answered(of_a_phone: Path) -> None:
    done = called(ingest, of_a_phone, "--by", "A. Colleague")
    lines = [line for line in done.output.splitlines() if line.startswith("claim: ")]
    known = load("adb", device_model="Pixel 8a")
    claims = [
        (e.case, p) for e in known.entries.values() for p in (Precision if e.precision == "any" else [e.precision])
    ]
    assert len(lines) == len(claims) > 2
    refuted = [line for line in lines if ": not confirmed: passes here with LiteRT " in line]
    assert [CLAIMED in line for line in refuted] == [True]
    assert sum(line.endswith("no verdict: did not run") for line in lines) == len(lines) - 1


def test_a_run_that_did_not_end_there_is_named(came_back: Path, tmp_path: Path) -> None:
    def cut(files: dict[str, bytes]) -> None:
        files["batches/0001/results"] = files["batches/0001/results"].splitlines(keepends=True)[0]

    done = called(ingest, changed(came_back, tmp_path, cut), "--by", "A. Colleague")
    assert done.exit_code == 3
    assert f"missing: 1 run did not end there: {CASES[1]} fp32" in done.output


def test_what_is_of_another_catalogue_is_left_out_and_named(came_back: Path, tmp_path: Path) -> None:
    def other(files: dict[str, bytes]) -> None:
        files["bundle.json"] = files["bundle.json"].replace(CASES[0].encode(), b"fanout/unknown")

    done = called(ingest, changed(came_back, tmp_path, other), "--by", "A. Colleague")
    assert done.exit_code == 3
    assert "left out: fanout/unknown fp32" in done.output

    def none(files: dict[str, bytes]) -> None:
        other(files)
        files["bundle.json"] = files["bundle.json"].replace(CASES[1].encode(), b"fanout/*")

    done = called(ingest, changed(came_back, tmp_path, none), "--by", "A. Colleague")
    assert isinstance(done.exception, NothingRan)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--device", "linux-x86_64", "--from-pypi"], "about Android's libraries"),
        (["--device", "android-arm64", "--from-pypi", "--url", "there"], "give one of them"),
        (["--device", "linux-x86_64", "--cpu", "--precision", "fp16"], "fp32 only"),
        (["--device", "linux-aarch64", "--runtime", "lm-0.18.1"], "library for Android"),
    ],
)
def test_what_contradicts_itself_is_refused_before_anything_is_built(
    words: list[str], says: str, tmp_path: Path
) -> None:
    done = called(bundle, *words, "-o", tmp_path / "suite.zip")
    assert isinstance(done.exception, BadInput)
    assert says in str(done.exception)
    assert not list(tmp_path.iterdir())


def test_a_runner_that_nothing_here_can_build_is_said_before_anything_is_fetched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("REPRO_ANDROID_RUNNER", "ANDROID_NDK_HOME", "ANDROID_NDK_ROOT", "ANDROID_HOME", "ANDROID_SDK_ROOT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("runner.adb.build.zig_compiler", lambda: None)
    monkeypatch.setattr("repro.commands.bundle.provide", lambda *given: pytest.fail("it was fetched"))
    done = called(bundle, "--device", "android-arm64", "--from-pypi", "-o", tmp_path / "suite.zip")
    assert isinstance(done.exception, TargetUnavailable)
    assert "no runner for the phone" in str(done.exception)


def test_nothing_that_is_there_is_written_over(came_back: Path, tmp_path: Path) -> None:
    for done in (
        called(bundle, "--device", HERE, "-o", came_back),
        called(ingest, came_back, "--by", "A. Colleague", "-o", tmp_path),
        called(ingest, came_back, "--by", " "),
    ):
        assert isinstance(done.exception, BadInput)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_bundle_over_the_loopback_has_the_verdicts_of_the_loopback_itself(tmp_path: Path) -> None:
    """The minimal model of each finding in both precisions: known bugs of each signature, and their controls."""
    made = called(bundle, "findings/*-minimal", "--device", HERE, "-o", tmp_path / "suite.zip")
    assert made.exit_code == 0, made.output
    with zipfile.ZipFile(tmp_path / "suite.zip") as archive:
        archive.extractall(tmp_path / "unpacked")
    minimal = [case for case in catalogue() if case.family == "findings" and case.name.endswith("-minimal")]
    cases = [*minimal, *control_cases()]
    with LoopbackDevice() as device:
        code, said = over_adb(tmp_path / "unpacked", device)
        assert code == 0, said
        with AdbTarget(device.serial, loopback=device) as attached, Journal(tmp_path / "journal.sqlite") as journal:
            known = load(attached.expectations_name)
            right = run_campaign(cases, attached, tuple(Precision), known, journal)
    done = called(ingest, tmp_path / "unpacked" / "results.zip", "--by", "A. Colleague", "-o", tmp_path / "kept")
    assert done.exit_code == 0, done.output
    found = read_part(tmp_path / "kept" / "results.sqlite").results
    assert {(r.case, r.precision): [(v.output, v.said) for v in r.verdicts] for r in found} == {
        (r.case, r.precision): [(v.output, v.said) for v in r.verdicts] for r in right
    }
    assert len(found) == 2 * len(cases) > 100
