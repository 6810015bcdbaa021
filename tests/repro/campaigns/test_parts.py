"""Parts of a run: merged they are the whole, record for record, and what does not belong together has a name."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from repro.campaigns.parts import Part, merge, read_part, write_part
from repro.cli import main
from repro.verdicts.fitness import FailedControl, Fitness
from repro.verdicts.verdict import Status
from runner.errors import BadInput

PATTERN = "public-reports/litert-8*"


def run(*words: str) -> list[dict[str, object]]:
    result = CliRunner().invoke(main, [*words, "--json"], standalone_mode=False)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return [json.loads(line) for line in result.stdout.splitlines()]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The whole run on the cpu as `0.results`, and three shards of it."""
    folder = tmp_path_factory.mktemp("parts")
    common = ("run", PATTERN, "--target", "cpu")
    run(*common, "--results", str(folder / "0.results"))
    for number in (1, 2, 3):
        run(*common, "--shard", f"{number}/3", "--results", str(folder / f"{number}.results"))
    return folder


@pytest.fixture
def parts(folder: Path) -> list[Part]:
    return [read_part(folder / f"{number}.results") for number in (1, 2, 3)]


def test_three_shards_are_the_whole_run_record_for_record(folder: Path, parts: list[Part]):
    whole = read_part(folder / "0.results")
    merged = merge(parts)
    assert merged.missing == ()
    assert merged.head == whole.head
    assert len(whole.results) > 10
    for mine, right in zip(merged.results, whole.results, strict=True):
        assert replace(mine, stages={}) == replace(right, stages={})


def test_the_order_of_the_files_does_not_matter(parts: list[Part]):
    assert merge(parts[::-1]) == merge(parts)


def test_the_command_says_what_one_run_would_have_said(folder: Path, tmp_path: Path):
    files = [str(folder / f"{number}.results") for number in (2, 3, 1)]
    whole = {(r["case"], r["output"], r["precision"]): r["verdict"] for r in run("merge", str(folder / "0.results"))}
    records = run("merge", *files, "-o", str(tmp_path / "all"), "--junit", str(tmp_path / "all.xml"))
    assert {(r["case"], r["output"], r["precision"]): r["verdict"] for r in records} == whole
    assert read_part(tmp_path / "all").head.shard == "1/1"
    assert run("merge", str(tmp_path / "all")) == records
    assert (tmp_path / "all.xml").read_text(encoding="utf-8").count("<testcase ") == len(records)


def test_a_missing_shard_is_named_and_is_no_pass(folder: Path):
    result = CliRunner().invoke(main, ["merge", str(folder / "1.results"), str(folder / "3.results")])
    assert result.exit_code == 3
    assert "missing: shard 2/3" in result.output


def test_a_missing_result_is_named(parts: list[Part]):
    lost = parts[0].results[0]
    merged = merge([replace(parts[0], results=parts[0].results[1:]), *parts[1:]])
    assert merged.missing == (f"{lost.case} on cpu {lost.precision}",)


def other_judge(part: Part) -> Part:
    return replace(part, head=replace(part.head, judge="another"))


def other_cases(part: Part) -> Part:
    return replace(part, head=replace(part.head, cases=part.head.cases[1:]))


def other_inputs(part: Part) -> Part:
    return replace(part, head=replace(part.head, asked={"inputs": "wide", "seed": "7"}))


def other_count(part: Part) -> Part:
    return replace(part, head=replace(part.head, shard="2/4"))


def other_driver(part: Part) -> Part:
    results = tuple(replace(r, fingerprint={**r.fingerprint, "driver": "Mesa 99"}) for r in part.results)
    return replace(part, results=results)


def other_libraries(part: Part) -> Part:
    results = tuple(replace(r, fingerprint={**r.fingerprint, "libraries": {"lib": "00"}}) for r in part.results)
    return replace(part, results=results)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (other_judge, "different judges"),
        (other_cases, "different lists of cases"),
        (other_inputs, "different inputs"),
        (other_count, "not of one number of shards"),
        (other_driver, "differ in their driver: '' and 'Mesa 99'"),
        (other_libraries, "differ in their libraries; results of two environments may not be mixed"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_what_may_not_be_mixed_is_refused_with_both_files(parts: list[Part], change: Callable[[Part], Part], said: str):
    with pytest.raises(BadInput, match=said) as error:
        merge([parts[0], change(parts[1]), parts[2]])
    assert all(str(part.path) in str(error.value) for part in parts[:2])


def test_a_contradiction_is_named(parts: list[Part]):
    first = parts[0].results[0]
    wrong = replace(first, verdicts=tuple(replace(v, status=Status.FAIL, signature="stale") for v in first.verdicts))
    with pytest.raises(BadInput, match="say different things of") as error:
        merge([*parts, replace(parts[0], path=Path("again"), results=(wrong,))])
    assert "PASS and FAIL stale" in str(error.value)
    assert merge([*parts, parts[0]]).missing == (), "the same thing twice is no contradiction"


def test_what_is_unfit_anywhere_is_unfit(parts: list[Part]):
    one = Fitness("gpu:x", "2.3.0", "fp32", 42, (FailedControl("findings/a-control", "FAIL stale"),))
    merged = merge([replace(part, head=replace(part.head, unfit=(one,))) for part in parts])
    assert merged.head.unfit == (one,)


def test_a_file_of_results_is_never_overwritten_and_nothing_else_is_taken_for_one(folder: Path, tmp_path: Path):
    again = ["run", PATTERN, "--target", "cpu", "--results", str(folder / "1.results")]
    assert "is there already" in str(CliRunner().invoke(main, again, standalone_mode=False).exception)
    other = tmp_path / "other"
    other.write_bytes(b"nothing")
    for file in (other, tmp_path / "absent"):
        with pytest.raises(BadInput):
            read_part(file)
    assert "no file was given" in str(CliRunner().invoke(main, ["merge"], standalone_mode=False).exception)


def test_a_merged_run_shows_what_differs_between_presented_names_as_the_run_does(parts: list[Part], tmp_path: Path):
    first = parts[0].results[0]
    wrong = replace(
        first, verdicts=tuple(replace(v, status=Status.FAIL, signature="unwritten") for v in first.verdicts)
    )
    results = [replace(one, target=f"cpu@{name}") for name, one in (("A", first), ("B", wrong))]
    named = {f"cpu@{name}": ("fp32",) for name in "AB"}
    under = dict.fromkeys(named, ("cpu", ""))
    head = replace(parts[0].head, shard="1/1", cases=(first.case,), precisions=named, expectations=under)
    write_part(tmp_path / "named", head, results)
    (names,) = [record for record in run("merge", str(tmp_path / "named")) if "names" in record]
    assert names["names"] == ["A", "B"]
    assert len(names["differ"]) == len(first.verdicts)  # type: ignore[arg-type]
    shown = CliRunner().invoke(main, ["merge", str(tmp_path / "named")]).output
    assert "between names  cpu under 2: A, B" in shown
