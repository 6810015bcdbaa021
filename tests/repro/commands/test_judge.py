"""`repro judge`: bare arrays, saved runs, other thresholds, and one line for bad input."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from cases.inputs import GivenFeeds
from repro.commands.judge import command
from repro.verdicts.references import Given
from repro.verdicts.saved_run import save_judgeable
from runner.errors import BadInput, NothingRan
from tests.repro.verdicts.judging import scene


def invoke(*args: object):
    return CliRunner().invoke(command, [str(a) for a in args], standalone_mode=True)


def write(folder: Path, name: str, **arrays: np.ndarray) -> Path:
    np.savez(folder / name, **arrays)
    return folder / name


def test_arrays_pair_by_name_and_each_gets_a_line(tmp_path: Path):
    rng = np.random.default_rng(0)
    a, b = rng.standard_normal((1, 64, 32)), rng.standard_normal((8, 8))
    broken = b.astype(np.float32)
    broken[3] = 0
    reference = write(tmp_path, "ref.npz", a=a, b=b, c=np.ones(9))
    actual = write(tmp_path, "out.npz", c=np.ones(9, np.float32), b=broken, a=a.astype(np.float32))
    result = invoke("--reference", reference, "--actual", actual, "--json")
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    assert result.exit_code == 1
    assert [(r["output"], r["name"], r["verdict"], r["signature"]) for r in lines] == [
        (0, "a", "PASS", ""),
        (1, "b", "FAIL", "wrong"),
        (2, "c", "INVALID", ""),
    ]
    assert lines[0]["pearson"] == pytest.approx(1)
    assert lines[0]["max_abs"] < 1e-6
    assert lines[2]["pearson"] is None


def test_in_words_a_run_is_named_once_and_the_judges_own_measures_stay_behind_v(tmp_path: Path):
    right = np.random.default_rng(0).standard_normal((8, 8))
    reference = write(tmp_path, "ref.npz", a=right, b=right)
    actual = write(tmp_path, "out.npz", a=right.astype(np.float32), b=(right + 1).astype(np.float32))
    floor = write(tmp_path, "floor.npz", a=np.array(1e-7), b=np.array(1e-7))
    words = ("--reference", reference, "--actual", actual, "--floor", floor, "--precision", "fp32")
    head, *rest = invoke(*words).stdout.splitlines()
    assert head == "out.npz fp32"
    assert rest[0].startswith("  output 0 'a' PASS an error of ")
    assert rest[1].startswith("  output 1 'b' FAIL wrong: ")
    more = set(invoke(*words, "-v").stdout.splitlines()) - {head, *rest}
    assert ["noise floors" in line for line in more] == [True]
    assert not any("noise floors" in line for line in rest)


@pytest.mark.parametrize("floor", ["emulation", "number", "sizes"])
def test_a_floor_may_be_an_emulation_a_number_or_sizes(tmp_path: Path, floor: str):
    reference = np.random.default_rng(0).standard_normal((1, 64, 32))
    healthy = reference.astype(np.float16).astype(np.float32)
    given = {"emulation": healthy, "number": np.array(3e-4), "sizes": np.full(reference.shape, 3e-4)}[floor]
    paths = [write(tmp_path, f"{n}.npz", y=v) for n, v in (("r", reference), ("a", healthy), ("f", given))]
    arguments = ["--reference", paths[0], "--actual", paths[1]]
    assert invoke(*arguments).exit_code == 1  # half precision is a failure where single was asked
    judged = invoke(*arguments, "--floor", paths[2], "--precision", "fp16", "--json")
    assert (judged.exit_code, json.loads(judged.stdout)["floor"]) == (0, "emulation")


def test_a_saved_run_is_judged_again_and_under_another_table(tmp_path: Path):
    made = scene()
    folder = tmp_path / "run"
    save_judgeable(folder, made.run(), made.subject)
    assert invoke(folder).exit_code == 0
    table = tmp_path / "strict.toml"
    table.write_text(
        '[floor_snr_db]\nvalue = 400\nreason = "nothing is that clean"\nsince = "2026-11-22"\n', encoding="utf-8"
    )
    strict = invoke(folder, "--thresholds", table, "--json")
    lines = [json.loads(line) for line in strict.stdout.splitlines()]
    assert strict.exit_code == 1
    assert {(r["verdict"], r["thresholds"]) for r in lines} == {("INVALID", "strict")}


def test_bad_arrays_are_one_line(tmp_path: Path):
    good = write(tmp_path, "good.npz", y=np.arange(8.0))
    other = write(tmp_path, "other.npz", z=np.arange(8.0))
    words = write(tmp_path, "words.npz", y=np.array(["a", "b"]))
    text = tmp_path / "text.npz"
    text.write_text("not an archive", encoding="utf-8")
    cut = tmp_path / "cut.npz"
    cut.write_bytes(good.read_bytes()[:40])
    for actual, said in ((other, "no array 'y'"), (words, "are float, integer or bool"), (text, "not a readable .npz"),
                         (cut, "npz"), (tmp_path / "none.npz", "no such file")):  # fmt: skip
        result = invoke("--reference", good, "--actual", actual)
        assert isinstance(result.exception, BadInput), result.exception
        assert said in str(result.exception)
        assert "\n" not in str(result.exception)
    assert invoke("--reference", good).exit_code == 2


def test_an_empty_folder_and_a_run_without_outputs_are_no_pass(tmp_path: Path):
    made = scene()
    empty = replace(made.subject, plan=GivenFeeds(()), reference=Given(()), given_floors={made.precision: ()})
    save_judgeable(tmp_path / "run", replace(made.run(), outputs=()), empty)
    (tmp_path / "empty").mkdir()
    for arguments in ((), (tmp_path / "empty",), (tmp_path / "run",)):
        result = invoke(*arguments)
        assert isinstance(result.exception, NothingRan), result.exception
        assert "nothing was judged" in str(result.exception)
