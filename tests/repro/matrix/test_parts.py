"""Shards of a matrix are the whole, byte for byte, and what does not belong together has a name."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from repro.campaigns.shards import Shard
from repro.cli import main
from repro.matrix.parts import Part, merge, read_part, subjects_of
from repro.verdicts.fitness import FailedControl, Fitness
from repro.verdicts.references import OWN_OPS_ONLY
from repro.verdicts.subject import Subject
from runner.errors import BadInput

CASES = ("public-reports/litert-8*", "fanout/add-to-2")


def matrix(out: Path, *words: str) -> list[dict[str, object]]:
    arguments = ["matrix", *CASES, "--target", "cpu", "--runtime", "2.3.0", "--out", str(out), "--json", *words]
    result = CliRunner().invoke(main, arguments, standalone_mode=False)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return [json.loads(line) for line in result.stdout.splitlines()]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The whole matrix on the cpu as `0.json`, and three shards of it."""
    folder = tmp_path_factory.mktemp("matrices")
    matrix(folder / "0.json")
    for number in (1, 2, 3):
        matrix(folder / f"{number}.json", "--shard", f"{number}/3")
    return folder


@pytest.fixture
def parts(folder: Path) -> list[Part]:
    return [read_part(folder / f"{number}.json") for number in (1, 2, 3)]


def test_three_shards_are_the_whole_matrix_byte_for_byte(folder: Path, tmp_path: Path):
    out = tmp_path / "all.json"
    files = [str(folder / f"{number}.json") for number in (3, 1, 2)]
    result = CliRunner().invoke(main, ["merge", *files, "-o", str(out), "--json"], standalone_mode=False)
    assert out.read_bytes() == (folder / "0.json").read_bytes()
    whole = json.loads(out.read_text(encoding="utf-8"))
    assert len(whole["cells"]) > 5
    assert [json.loads(line) for line in result.stdout.splitlines()] == whole["rows"]


NAMES = st.lists(st.tuples(st.sampled_from("abcdef"), st.integers(0, 2)), unique=True, min_size=1)


@given(NAMES, st.integers(1, 5))
def test_a_case_and_its_controls_are_in_one_shard_and_every_model_is_in_one(names: list[tuple[str, int]], of: int):
    def subject(name: str, control: int) -> Subject:
        return Subject(f"{name}{control or ''}", b"", None, OWN_OPS_ONLY, name if control else "")  # type: ignore[arg-type]

    every = [subject(*one) for one in names]
    shards = [subjects_of(Shard(number, of), every) for number in range(1, of + 1)]
    assert sorted(s.name for shard in shards for s in shard) == sorted(s.name for s in every)
    homes = [{(s.control_of or s.name) for s in shard} for shard in shards]
    assert sum(map(len, homes)) == len(set().union(*homes))


def other(name: str, value: object) -> Callable[[Part], Part]:
    return lambda part: replace(part, head=replace(part.head, **{name: value}))


def other_driver(part: Part) -> Part:
    return replace(part, environments=tuple({**one, "driver": "Mesa 99"} for one in part.environments))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (other("judge", "older"), "different judges"),
        (other("cases", ("a",)), "different models"),
        (other("environments", (("gpu:a", "2.3.0"),)), "different targets or runtimes"),
        (other("precision", "fp16"), "different precisions"),
        (other("seed", 9), "different inputs"),
        (other("shard", "2/4"), "not of one number of shards"),
        (other_driver, "differ in their driver; results of two environments may not be mixed"),
    ],
)
def test_what_may_not_be_mixed_is_refused_with_both_files(parts: list[Part], change: Callable[[Part], Part], said: str):
    with pytest.raises(BadInput, match=said) as error:
        merge([parts[0], change(parts[1]), parts[2]])
    assert all(str(part.path) in str(error.value) for part in parts[:2])


def test_a_contradiction_is_named_and_the_same_thing_twice_is_none(parts: list[Part]):
    first = next(part for part in parts if part.records)
    record = first.records[0]
    wrong = {**record, "outputs": [{**one, "verdict": "FAIL", "signature": "stale"} for one in record["outputs"]]}
    with pytest.raises(BadInput, match=f"say different things of {record['case']}"):
        merge([*parts, replace(first, path=Path("again"), records=(wrong,))])  # type: ignore[arg-type]
    assert merge([*parts, first]) == merge(parts)


def test_a_missing_shard_is_named_and_is_no_pass(folder: Path):
    result = CliRunner().invoke(main, ["merge", str(folder / "1.json"), str(folder / "3.json")])
    assert result.exit_code == 3
    assert "missing: shard 2/3" in result.output


def test_what_is_unfit_anywhere_is_unfit(parts: list[Part]):
    one = Fitness("cpu", "2.3.0", "fp32", 42, (FailedControl("findings/a-control", "FAIL stale"),))
    assert merge([parts[0], other("unfit", (one,))(parts[1]), parts[2]]).measured.unfit == (one,)


def test_a_whole_matrix_a_run_and_what_is_neither_are_no_shards(folder: Path, tmp_path: Path):
    for text in ("{}", '{"part": 1}', "[]", "{", ""):
        (tmp_path / "x.json").write_text(text, encoding="utf-8")
        with pytest.raises(BadInput, match="no shard of a matrix"):
            read_part(tmp_path / "x.json")
    with pytest.raises(BadInput, match="no shard of a matrix"):
        read_part(folder / "0.json")
    result = CliRunner().invoke(main, ["merge", str(folder / "1.json"), str(tmp_path)])
    assert isinstance(result.exception, BadInput)
    assert "cannot be merged with each other" in str(result.exception)
    result = CliRunner().invoke(main, ["merge", str(folder / "1.json"), "--junit", str(tmp_path / "j.xml")])
    assert isinstance(result.exception, BadInput)
    assert "--junit is of shards of" in str(result.exception)
