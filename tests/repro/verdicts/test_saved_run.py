"""A saved run is judged again as it was judged when it was measured, and a damaged one is one line."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from cases.builder import GraphBuilder
from cases.graph import Graph, Op, Tensor
from cases.inputs import GivenFeeds
from repro.verdicts.judge import judge
from repro.verdicts.noise_floor import Floor
from repro.verdicts.references import Given
from repro.verdicts.saved_run import BESIDE, folder_name, load_judgeable, save_judgeable
from repro.verdicts.subject import Subject, graph_subject
from runner.encoding import well_formed
from runner.errors import BadInput
from runner.run import Fingerprint, Outcome, Precision, Run
from tests.repro.verdicts.judging import scene


@pytest.mark.parametrize("precision", list(Precision))
def test_all_that_judging_needs_comes_back_and_gives_the_same_verdicts(tmp_path: Path, precision: Precision):
    made = scene(precision)

    def break_w(outputs: list[list[np.ndarray]]) -> None:
        for feed in outputs:
            feed[1] = feed[1] * np.float32(1.05)

    run = made.run(break_w)
    save_judgeable(tmp_path, run, made.subject)
    again, subject = load_judgeable(tmp_path)
    assert (again.name, subject.name) == ("test", "test")
    assert subject.model == made.subject.model
    assert subject.floors(precision) == made.floors
    for kept, wanted in ((subject.feeds, made.feeds), (subject.references, made.references)):
        for arrays, originals in zip(kept, wanted, strict=True):
            for array, original in zip(arrays, originals, strict=True):
                assert array.dtype == original.dtype
                np.testing.assert_array_equal(array, original)
    assert judge(again, subject, metrics="all") == judge(run, made.subject, metrics="all")


def test_an_output_without_dimensions_and_one_of_booleans_come_back(tmp_path: Path):
    tensors = {"x": Tensor("x", (3,)), "y": Tensor("y", ()), "above": Tensor("above", (3,), "bool")}
    graph = Graph(tensors, (Op("SPLIT_UP", ("x",), ("y", "above")),), ("x",), ("y", "above"))
    feeds = ((np.arange(3, dtype=np.float32),), (np.ones(3, np.float32),))
    references = ((np.array(3.0), np.array([False, True, True])), (np.array(4.0), np.array([True, False, True])))
    floors = (Floor(1e-6, "emulation", 1), Floor(0.0, "rule", 1))
    subject = dataclasses.replace(
        scene().subject,
        given_graph=graph,
        plan=GivenFeeds(feeds),
        reference=Given(references),
        given_floors={Precision.FP32: floors},
    )
    outputs = tuple((y.astype(np.float32), above) for y, above in references)
    run = dataclasses.replace(scene().run(), outputs=outputs, output_names=graph.outputs)
    save_judgeable(tmp_path, run, subject)
    again, kept = load_judgeable(tmp_path)
    assert [v.said for v in judge(again, kept)] == ["PASS", "PASS"]


def test_a_model_without_inputs_is_judged_again_too(tmp_path: Path):
    g = GraphBuilder()
    graph = g.build([g.unary("NEG", g.const(np.arange(12.0)), "y")])
    wanted = ((-np.arange(12.0),),) * 2
    subject = graph_subject("constant", graph, ((), ()), Given(wanted))
    fingerprint = Fingerprint("cpu", "0", {}, "", "", "fp32", "")
    run = Run("constant", Outcome.OK, fingerprint, tuple((y.astype(np.float32),) for (y,) in wanted), ("y",))
    save_judgeable(tmp_path, run, subject)
    again, kept = load_judgeable(tmp_path)
    assert kept.feeds == ((), ())
    assert [v.said for v in judge(again, kept)] == ["PASS"]


def test_a_run_that_crashed_is_saved_too(tmp_path: Path):
    made = scene()
    run = dataclasses.replace(made.run(), outcome=Outcome.CRASH, outputs=(), message="SIGSEGV")
    save_judgeable(tmp_path, run, made.subject)
    again, subject = load_judgeable(tmp_path)
    assert [(v.said, v.reason) for v in judge(again, subject)] == [("CRASH", "SIGSEGV")] * 2


def test_what_was_there_is_replaced(tmp_path: Path):
    made = scene()
    save_judgeable(tmp_path, made.run(lambda outputs: outputs[0].pop()), made.subject)
    save_judgeable(tmp_path, made.run(), made.subject)
    again, subject = load_judgeable(tmp_path)
    assert [v.said for v in judge(again, subject)] == ["PASS", "PASS"]


@pytest.mark.parametrize("name", BESIDE)
def test_a_missing_file_is_named(tmp_path: Path, name: str):
    save_judgeable(tmp_path, scene().run(), scene().subject)
    (tmp_path / name).unlink()
    with pytest.raises(BadInput, match=rf"{name} is missing, so this run cannot be judged"):
        load_judgeable(tmp_path)


@pytest.mark.parametrize("name", ["feeds.npz", "reference.npz", "floors.json", "arrays.npz", "meta.json"])
@pytest.mark.parametrize("damage", [b"", b"PK\x03\x04 damaged", b"{}"], ids=["empty", "cut archive", "other JSON"])
def test_a_damaged_file_is_one_line(tmp_path: Path, name: str, damage: bytes):
    save_judgeable(tmp_path, scene().run(), scene().subject)
    (tmp_path / name).write_bytes(damage)
    with pytest.raises(BadInput) as error:
        load_judgeable(tmp_path)
    assert str(tmp_path) in str(error.value)
    assert "\n" not in str(error.value)


def test_files_of_two_runs_do_not_belong_together(tmp_path: Path):
    made = scene()
    save_judgeable(tmp_path, made.run(), made.subject)
    shorter = dataclasses.replace(made.subject, plan=GivenFeeds(made.feeds[:2]))
    save_judgeable(tmp_path / "other", made.run(), shorter)
    (tmp_path / "feeds.npz").write_bytes((tmp_path / "other" / "feeds.npz").read_bytes())
    with pytest.raises(BadInput, match="do not belong together: 2 feeds, 4 references of 2 outputs"):
        load_judgeable(tmp_path)


def test_a_folder_that_is_not_there_is_one_line(tmp_path: Path):
    with pytest.raises(BadInput, match="no such folder; give a folder that --save wrote"):
        load_judgeable(tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("name", "target", "folder"),
    [
        ("fanout/add-to-2", "gpu:lavapipe", "fanout--add-to-2--fp32--gpu-lavapipe"),
        ("mine.tflite", "cpu", "mine--fp32--cpu"),
        ("mine.tflite", "gpu:lavapipe@Mali-G610", "mine--fp32--gpu-lavapipe@Mali-G610"),
    ],
)
def test_a_folder_is_called_after_subject_precision_and_target(name: str, target: str, folder: str):
    run = scene().run()
    run = dataclasses.replace(run, fingerprint=dataclasses.replace(run.fingerprint, target=target))
    assert folder_name(Subject(name, b"", GivenFeeds(()), Given(())), run) == folder


@pytest.mark.parametrize("name", ["../../x", "/etc/x", ".hidden", "a\nb\x1b[2J", "m\udcff.tflite", "x" * 300, ""])
@pytest.mark.parametrize("target", ["gpu:lavapipe", "gpu:lavapipe@Mali/../../G"])
def test_a_run_is_saved_in_one_folder_whatever_its_names_are(tmp_path: Path, name: str, target: str):
    made = scene(Precision.FP32)
    fingerprint = dataclasses.replace(made.run().fingerprint, target=target)
    run = dataclasses.replace(made.run(), name=name, output_names=(name, "b"), fingerprint=fingerprint)
    folder = tmp_path / folder_name(dataclasses.replace(made.subject, name=name), run)
    save_judgeable(folder, run, made.subject)
    assert list(tmp_path.iterdir()) == [folder]
    assert load_judgeable(folder)[0].output_names == (well_formed(name), "b")
