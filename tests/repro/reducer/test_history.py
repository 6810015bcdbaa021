"""What a reduction leaves on disk can be loaded, replayed and read again, whatever its tensors are called."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import zipfile
from pathlib import Path

import numpy as np
import pytest

from cases.builder import GraphBuilder
from cases.graph import Graph
from cases.inputs import StandardFeeds
from cases.tflite.read import read_tflite
from repro.reducer import history
from repro.reducer.problem import Failure, Specimen
from repro.reducer.search import Need, Reduced, Response, Step
from repro.trials.given_feeds import feed_from_npz
from runner.run import Precision


def graph(x: str = "x", z: str = "z") -> Graph:
    g = GraphBuilder()
    y = g.add(g.input(x, (1, 4, 8)), g.input(z, (1, 4, 8)), name="y")
    return g.build([g.mean(y, [2], name="mean"), y])


def specimen(one: Graph | None = None, made_by: str = "original", output: str = "y") -> Specimen:
    one = one or graph()
    feeds = StandardFeeds(0, again=True).make([one.tensors[name] for name in one.inputs])
    return Specimen(one, feeds, output, frozenset({"mean"}), made_by=made_by)


FAILURE = Failure("unwritten", graph().role("y"))
STEP = Step(3, specimen(made_by="ddmin: 2 of 4 ops cut"), Response(FAILURE, "FAIL unwritten"), runs=17)
REDUCED = Reduced(specimen(), FAILURE, (Need("ADD", "passes"),), 40, 5, "read by MEAN", complete=True)


def test_a_step_is_a_folder_with_the_model_and_each_feed_once(tmp_path: Path):
    place = history.write_step(tmp_path, STEP, "gpu:lavapipe", Precision.FP16)
    assert place == tmp_path / "reductions" / "0003"
    names = {"model.tflite", "inputs.npz", "inputs_2.npz", "inputs_3.npz", "verdict.json", "replay.sh"}
    assert {path.name for path in place.iterdir()} == names
    kept = read_tflite((place / "model.tflite").read_bytes())
    assert (kept.inputs, kept.outputs) == (("x", "z"), ("mean", "y"))
    declared = [kept.tensors[name] for name in kept.inputs]
    for name, feed in zip(("inputs.npz", "inputs_2.npz", "inputs_3.npz"), STEP.specimen.feeds, strict=False):
        for array, wanted in zip(feed_from_npz(place / name, declared), feed, strict=True):
            np.testing.assert_array_equal(array, wanted)


def test_the_verdict_says_what_was_done_and_what_still_fails(tmp_path: Path):
    place = history.write_step(tmp_path, STEP, "gpu:lavapipe", Precision.FP16)
    assert json.loads((place / "verdict.json").read_text(encoding="utf-8")) == {
        "number": 3,
        "by": "ddmin: 2 of 4 ops cut",
        "ops": 2,
        "output": "y",
        "verdict": "FAIL unwritten",
        "signature": "unwritten",
        "role": {"rank": 3, "producer": "ADD", "consumers": ["MEAN"], "is_output": True},
        "roles_changed": ["mean"],
        "runs": 17,
    }


def test_a_failure_of_the_run_as_a_whole_has_no_role(tmp_path: Path):
    step = Step(0, specimen(output=""), Response(Failure("CRASH", None), "CRASH"), runs=1)
    record = json.loads(
        (history.write_step(tmp_path, step, "gpu", Precision.FP32) / "verdict.json").read_text(encoding="utf-8")
    )
    assert (record["signature"], record["role"], record["output"]) == ("CRASH", None, "")


HOSTILE = [("../../x", "z"), ("/etc/x", "z"), ("a\0b", "a\0c"), ("x" * 70_000, "z"), ("", "z"), ("\x1b[2J\n", "\u202e")]


@pytest.mark.parametrize("names", [("file", "z"), ("allow_pickle", "a b"), ("args_0:0", "stem/conv"), *HOSTILE])
def test_inputs_of_any_name_are_kept(tmp_path: Path, names: tuple[str, str]):
    one = specimen(graph(*names))
    history.write_specimen(tmp_path, one)
    members = zipfile.ZipFile(tmp_path / "inputs.npz").namelist()
    assert members == (["arr_0.npy", "arr_1.npy"] if names in HOSTILE else sorted(f"{name}.npy" for name in names))
    feed = feed_from_npz(tmp_path / "inputs.npz", [one.graph.tensors[name] for name in names])
    for array, wanted in zip(feed, one.feeds[0], strict=True):
        np.testing.assert_array_equal(array, wanted)


def test_a_step_of_the_same_number_is_replaced(tmp_path: Path):
    history.write_step(tmp_path, STEP, "gpu", Precision.FP32)
    history.write_step(tmp_path, Step(3, specimen(graph("a", "b")), STEP.answer, 18), "gpu", Precision.FP32)
    kept = read_tflite((tmp_path / "reductions" / "0003" / "model.tflite").read_bytes())
    assert kept.inputs == ("a", "b")


def test_a_replay_calls_check_from_wherever_it_is_started(tmp_path: Path):
    """`repro` is a stand-in here that prints its folder and its words."""
    place = history.write_step(tmp_path / "out of the way", STEP, "gpu:lavapipe@Mali-G610 MC4", Precision.FP16)
    stand_in = tmp_path / "bin" / "repro"
    stand_in.parent.mkdir()
    stand_in.write_text('#!/bin/sh\npwd\nprintf "%s\\n" "$@"\nexit 1\n', encoding="utf-8")
    stand_in.chmod(0o755)
    path = {**os.environ, "PATH": f"{stand_in.parent}:{os.environ['PATH']}"}
    done = subprocess.run(
        ["sh", str(place / "replay.sh")], env=path, cwd="/", capture_output=True, encoding="utf-8", check=False
    )
    folder, *words = done.stdout.splitlines()
    assert (done.returncode, Path(folder).resolve()) == (1, place.resolve())
    assert words == [
        *("check", "model.tflite", "--inputs", "inputs.npz"),
        *("--inputs", "inputs_2.npz", "--inputs", "inputs_3.npz"),
        *("--target", "gpu:lavapipe@Mali-G610 MC4", "--precision", "fp16"),
    ]


def test_a_result_lies_beside_its_history_and_its_summary_is_read_back(tmp_path: Path):
    record = history.summary(REDUCED, "gpu", Precision.FP32, tmp_path, seed=4)
    history.write_result(tmp_path, REDUCED, record)
    assert history.read_summary(tmp_path) == json.loads(json.dumps(record))
    assert {path.name for path in tmp_path.iterdir()} == {
        *("reduced.tflite", "inputs.npz", "inputs_2.npz", "inputs_3.npz", "summary.json"),
    }
    assert Path(record["model"]).read_bytes() == (tmp_path / "reduced.tflite").read_bytes()
    assert (record["ops"], record["runs"], record["signature"], record["output"]) == (2, 40, "unwritten", 1)
    assert (record["steps"], record["role_steps"], record["complete"], record["seed"]) == (5, "read by MEAN", True, 4)
    assert record["needs"] == [{"op": "ADD", "without": "passes"}]
    words = shlex.split(record["replay"])
    assert words[:3] == ["repro", "check", str(tmp_path / "reduced.tflite")]


def test_a_run_level_failure_has_no_output_in_the_summary(tmp_path: Path):
    whole = Reduced(specimen(output=""), Failure("HANG", None), (), 1, 0, "", complete=False)
    record = history.summary(whole, "gpu", Precision.FP32, tmp_path, seed=0)
    assert (record["output"], record["role"], record["complete"]) == (-1, None, False)
