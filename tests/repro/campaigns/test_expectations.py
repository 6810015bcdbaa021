"""Comparing verdicts with expectations: every kind of news has its own message."""

from __future__ import annotations

from pathlib import Path

import pytest

from repro.campaigns import expectations
from repro.campaigns.expectations import Standing, compare
from repro.records.folders import EXPECTATIONS
from repro.verdicts.verdict import Status, Verdict
from runner.errors import BadInput

ENTRY = """
[[expect]]
case = "a/b"
output = 1
precision = "{precision}"
status = "FAIL"
signature = "unwritten"
finding = "some-finding"
reason = "F2"
workaround = "emit-x2"
{more}
"""


def entry(precision: str = "any", more: str = "") -> str:
    return ENTRY.format(precision=precision, more=more)


def write(folder: Path, stem: str, precision: str = "any", more: str = "") -> None:
    (folder / f"{stem}.toml").write_text(entry(precision, more), encoding="utf-8")


def verdict(status: Status = Status.FAIL, signature: str = "unwritten") -> Verdict:
    return Verdict(1, "y", status, signature if status is Status.FAIL else "", reason="why", holds="")


def said(folder: Path, found: Verdict, case: str = "a/b", runtime: str = "2.3.0"):
    known = expectations.load("gpu:lavapipe", folder, runtime=runtime)
    return compare(found, case, "fp32", "gpu:lavapipe", runtime, known)


def test_a_known_bug_that_shows_is_expected(tmp_path: Path):
    write(tmp_path, "gpu")
    assert said(tmp_path, verdict()).standing is Standing.KNOWN


def test_an_unexpected_pass_says_which_finding_and_workaround_can_go(tmp_path: Path):
    write(tmp_path, "gpu")
    result = said(tmp_path, verdict(Status.PASS))
    assert result.standing is Standing.FIXED
    assert result.standing.is_news
    assert result.message.startswith("fixed in 2.3.0 on gpu:lavapipe")
    assert "finding some-finding can be closed, workaround emit-x2 can go" in result.message


def test_an_unexpected_pass_without_a_finding_says_what_can_go(tmp_path: Path):
    text = entry("any", "").replace('finding = "some-finding"', 'finding = ""').replace('workaround = "emit-x2"', "")
    (tmp_path / "gpu.toml").write_text(text, encoding="utf-8")
    message = said(tmp_path, verdict(Status.PASS)).message
    assert message.endswith("fp32 on gpu:lavapipe: what was expected of it (FAIL unwritten) can go")


def test_a_run_that_ended_names_no_output(tmp_path: Path):
    ended = Verdict(-1, "", Status.CRASH, reason="the worker was killed by SIGSEGV")
    message = said(tmp_path, ended, case="x.tflite").message
    assert message == "new failure: x.tflite fp32 on gpu:lavapipe: CRASH: the worker was killed by SIGSEGV"


def test_a_changed_signature_is_as_loud_as_a_new_failure(tmp_path: Path):
    write(tmp_path, "gpu")
    changed = said(tmp_path, verdict(signature="stale"))
    new = said(tmp_path, verdict(), case="other/case")
    assert (changed.standing, new.standing) == (Standing.CHANGED, Standing.NEW_FAILURE)
    assert changed.standing.is_news
    assert new.standing.is_news
    assert "expected FAIL unwritten, got FAIL stale" in changed.message


def test_invalid_where_a_pass_is_expected_is_news(tmp_path: Path):
    assert said(tmp_path, verdict(Status.INVALID)).standing is Standing.NO_POWER


def test_a_specific_file_wins_over_the_shared_one(tmp_path: Path):
    write(tmp_path, "gpu")
    write(tmp_path, "gpu-lavapipe")
    own = tmp_path / "gpu-lavapipe.toml"
    own.write_text(own.read_text(encoding="utf-8").replace("unwritten", "stale"), encoding="utf-8")
    assert said(tmp_path, verdict(signature="stale")).standing is Standing.KNOWN


def test_a_specific_file_can_take_back_an_inherited_failure(tmp_path: Path):
    write(tmp_path, "gpu")
    write(tmp_path, "gpu-lavapipe")
    own = tmp_path / "gpu-lavapipe.toml"
    own.write_text(
        own.read_text(encoding="utf-8").replace('"FAIL"', '"PASS"').replace('"unwritten"', '""'), encoding="utf-8"
    )
    assert said(tmp_path, verdict(Status.PASS)).standing is Standing.PASSED


def test_from_the_runtime_that_fixed_it_a_pass_is_expected_again(tmp_path: Path):
    write(tmp_path, "gpu", more='fixed_in = "2.4.0"')
    assert said(tmp_path, verdict(), runtime="2.3.0").standing is Standing.KNOWN
    assert said(tmp_path, verdict(Status.PASS), runtime="2.4.0").standing is Standing.PASSED
    assert said(tmp_path, verdict(), runtime="2.4.1").standing is Standing.NEW_FAILURE


def test_a_flake_is_expected_both_ways(tmp_path: Path):
    (tmp_path / "flakes.toml").write_text(
        '[[flake]]\ncase = "a/b"\noutput = 1\nprecision = "any"\ntarget = "gpu"\nrate = 0.25\nreason = "race"\n',
        encoding="utf-8",
    )
    assert said(tmp_path, verdict()).standing is Standing.FLAKE
    assert said(tmp_path, verdict(Status.PASS)).standing is Standing.FLAKE
    assert said(tmp_path, verdict(Status.CRASH)).standing is Standing.NEW_FAILURE


def test_a_reported_claim_that_passes_is_not_confirmed_rather_than_fixed(tmp_path: Path):
    write(tmp_path, "adb-pixel-8a", more='origin = "reported"\nlink = "LiteRT#8599"')
    known = expectations.load("adb:XYZ", tmp_path, device_model="Pixel 8a")
    result = compare(verdict(Status.PASS), "a/b", "fp16", "adb:XYZ", "2.3.0", known)
    assert "not confirmed" in result.message
    assert "LiteRT#8599" in result.message


@pytest.mark.parametrize(
    ("broken", "says"),
    [
        ("[[expect", "not readable TOML"),
        ('[[expect]]\ncase = "a"\n', "is missing"),
        (entry(precision="fp8"), r"\[expect 1 'a/b'\] precision: 'fp8' is none of"),
        (entry(more='colour = "red"'), "colour: unknown key; known are case, output"),
        (entry(more='confrimed = "2.3.0"'), "confrimed: unknown key; did you mean 'confirmed'"),
        (entry(more='origin = "measurd"'), "origin: 'measurd' is none of .*; did you mean 'measured'"),
        (entry(more='fixed_in = "soon"'), "fixed_in: 'soon' is no version"),
        (entry().replace("output = 1", "output = '1'"), "output: must be an integer, not '1'"),
        (entry().replace("output = 1", "output = -2"), "output: must be the index .* not -2"),
        (entry().replace("[[expect]]", "[expect]"), r"expect: must be an array of tables, written \[\[expect\]\]"),
        ("expect = [3]", "expect: must be an array of tables, .*; item 1 is 3"),
        (entry().replace("FAIL", "BAD"), "status: 'BAD' is none of"),
        (entry().replace("FAIL", "FIAL"), "'FIAL' is none of .*; did you mean 'FAIL'"),
        (entry().replace('"F2"', '" "'), "reason: says nothing yet"),
    ],
)
def test_a_broken_file_is_one_clear_line(tmp_path: Path, broken: str, says: str):
    (tmp_path / "gpu.toml").write_text(broken, encoding="utf-8")
    with pytest.raises(BadInput, match=says) as error:
        expectations.load("gpu:lavapipe", tmp_path)
    assert "gpu.toml" in str(error.value)


@pytest.mark.parametrize("rate", [0.0, 1.0, -1.0])
def test_a_flake_needs_a_rate_that_is_one(tmp_path: Path, rate: float):
    (tmp_path / "flakes.toml").write_text(
        f'[[flake]]\ncase = "a"\noutput = 0\nprecision = "any"\ntarget = "gpu"\nrate = {rate}\nreason = "r"\n',
        encoding="utf-8",
    )
    with pytest.raises(BadInput, match=r"must be inside \(0, 1\)"):
        expectations.load("gpu", tmp_path)


def test_a_renamed_adapter_is_still_its_driver(tmp_path: Path):
    write(tmp_path, "gpu-lavapipe")
    known = expectations.load("gpu:lavapipe@Mali-G610", tmp_path)
    assert known.lookup("a/b", 1, "fp16") is not None


def test_every_shipped_file_is_readable():
    for path in sorted(EXPECTATIONS.glob("*.toml")):
        if path.stem == "flakes":
            assert all(flake.reason for flake in expectations.read_flakes(path))
        else:
            assert all(entry.reason for entry in expectations.read_entries(path))


def test_garbage_that_varies_is_known_by_any_signature_but_a_pass_is_still_news(tmp_path: Path):
    write(tmp_path, "gpu")
    path = tmp_path / "gpu.toml"
    path.write_text(path.read_text(encoding="utf-8").replace('"unwritten"', '"any"'), encoding="utf-8")
    assert said(tmp_path, verdict(signature="wrong")).standing is Standing.KNOWN
    assert said(tmp_path, verdict(signature="nonfinite")).standing is Standing.KNOWN
    assert said(tmp_path, verdict(Status.PASS)).standing is Standing.FIXED


def test_a_target_over_opencl_inherits_from_all_that_are_and_from_its_driver(tmp_path: Path):
    def write(stem: str, *cases: str) -> None:
        text = "".join(
            f'[[expect]]\ncase = "{case}"\noutput = 0\nprecision = "any"\nstatus = "FAIL"\nsignature = "{stem}"\n'
            f'reason = "r"\nconfirmed = "lm-0.18.1"\n'
            for case in cases
        )
        (tmp_path / f"{stem}.toml").write_text(text, encoding="utf-8")

    write("gpu", "a", "b", "c", "d", "e")
    write("gpu-opencl", "b", "c", "d", "e")
    write("gpu-pocl", "c", "d", "e")
    write("gpu-pocl-mali-g610", "d", "e")
    write("gpu-pocl-textures-mali-g610", "e")
    said = {
        target: "".join(str(expectations.load(target, tmp_path).entries[c, 0, "any"].signature) + " " for c in "abcde")
        for target in ("gpu:lavapipe", "gpu:oclgrind", "gpu:pocl+textures", "gpu:pocl+textures@Mali-G610")
    }
    assert said["gpu:lavapipe"].split() == ["gpu"] * 5
    assert said["gpu:oclgrind"].split() == ["gpu"] + ["gpu-opencl"] * 4
    assert said["gpu:pocl+textures"].split() == ["gpu", "gpu-opencl"] + ["gpu-pocl"] * 3
    assert said["gpu:pocl+textures@Mali-G610"].split() == [
        "gpu",
        "gpu-opencl",
        "gpu-pocl",
        "gpu-pocl-mali-g610",
        "gpu-pocl-textures-mali-g610",
    ]


def test_a_fix_in_one_numbering_of_runtimes_says_nothing_of_the_other(tmp_path: Path):
    (tmp_path / "gpu.toml").write_text(
        '[[expect]]\ncase = "a"\noutput = 0\nprecision = "any"\nstatus = "FAIL"\nsignature = "wrong"\nreason = "r"\n'
        'fixed_in = "2.2.0"\n',
        encoding="utf-8",
    )
    assert not expectations.load("gpu:lavapipe", tmp_path, runtime="2.3.0").entries
    assert expectations.load("gpu:pocl", tmp_path, runtime="lm-0.18.1").entries


def test_what_lay_in_memory_is_expected_whatever_it_was_but_not_that_nothing_wrote(tmp_path: Path):
    write(tmp_path, "gpu", more="memory = true")
    path = tmp_path / "gpu.toml"
    path.write_text(path.read_text(encoding="utf-8").replace('"unwritten"', '"alias(x)"'), encoding="utf-8")
    for signature in ("alias(x)", "alias(z)", "stale", "constant", "nonfinite", "wrong"):
        assert said(tmp_path, verdict(signature=signature)).standing is Standing.KNOWN
    assert said(tmp_path, verdict(signature="stale")).expected == "FAIL memory"
    for signature in ("unwritten", "uncompiled"):
        assert said(tmp_path, verdict(signature=signature)).standing is Standing.CHANGED
    assert said(tmp_path, verdict(Status.CRASH)).standing is Standing.CHANGED
    assert said(tmp_path, verdict(Status.PASS)).standing is Standing.FIXED


@pytest.mark.parametrize(
    ("target", "covered"),
    [
        ("gpu:lavapipe@NVIDIA H100", True),
        ("gpu:swiftshader+buffers@Mali-G715", True),
        ("gpu:lavapipe@Mali-G71", False),
        ("gpu:lavapipe@Adreno (TM) 740", False),
        ("gpu:nvidia-h100-80gb-hbm3", True),
        ("gpu:nvidia-h100-80gb-hbm3+buffers@Adreno (TM) 740", False),
        ("gpu:lavapipe", False),
        ("cpu", False),
    ],
)
def test_an_expectation_of_adapters_holds_under_their_names_only(tmp_path: Path, target: str, covered: bool):
    write(tmp_path, "gpu-named", more='adapters = ["nvidia", "mali-g715"]')
    assert bool(expectations.load(target, tmp_path).entries) is covered


@pytest.mark.parametrize(
    ("more", "says"),
    [("memory = true", "'unwritten' is not what memory decides"), ('adapters = ["NVIDIA"]', "in lower case")],
)
def test_a_kind_or_an_adapter_that_cannot_be_is_one_line(tmp_path: Path, more: str, says: str):
    write(tmp_path, "gpu", more=more)
    with pytest.raises(BadInput, match=says):
        expectations.load("gpu:lavapipe", tmp_path)
