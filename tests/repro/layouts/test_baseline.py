"""What was recorded is not undercut: errors may grow by a quarter, shares drop by a token, and no number may vanish."""

from __future__ import annotations

import dataclasses
import json
import math
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from cases.tflite.write import write_tflite
from repro.commands.gate import command
from repro.layouts import baseline
from repro.layouts.baseline import all_numbers, baseline_check, baseline_path, record_baseline
from repro.layouts.layout import Layout
from repro.layouts.result import GateAnswer, GateCheck, Report
from runner.errors import BadInput
from runner.run import Fingerprint
from tests.repro.layouts import two_graphs
from tests.repro.layouts.gating import layout_of, refusals, run_gate

ON = Fingerprint("gpu:lavapipe@Mali-G610", "2.3.0", {"lib.so": "0"}, "driver 1", "adapter", "fp16", "")


def test_the_baseline_catches_what_got_worse(example, cpu, monkeypatch):
    result = CliRunner().invoke(command, [str(example / "split.toml"), "--target", "cpu", "--update-baseline"])
    assert result.exit_code == 0, result.output
    (recorded,) = example.glob("baselines/two-graphs/cpu--litert-*--fp32.json")
    content = json.loads(recorded.read_text(encoding="utf-8"))
    assert set(content["numbers"]) == {
        "encoder.features_x2.rmse",
        "encoder.summary.rmse",
        "head.y.rmse",
        "chain.chain_snr_db",
    }
    assert any(c.kind == "baseline" and c.answer is GateAnswer.PASS for c in run_gate(example, cpu).checks)
    content["numbers"]["chain.chain_snr_db"] += 20
    content["numbers"]["head.y.rmse"] /= 2
    recorded.write_text(json.dumps(content), encoding="utf-8")
    report = run_gate(example, cpu)
    assert refusals(report) == [("baseline", "", "")]
    assert "chain.chain_snr_db was" in report.refusals[0].reason
    assert "head.y.rmse was" in report.refusals[0].reason
    recorded.write_text("[]", encoding="utf-8")
    with pytest.raises(BadInput, match="record it again"):
        run_gate(example, cpu)


def test_a_refused_layout_records_no_baseline(example, cpu):
    (example / "head.tflite").write_bytes(write_tflite(two_graphs.head(factor=1.0)))
    arguments = [str(example / "split.toml"), "--target", "cpu", "--update-baseline"]
    result = CliRunner().invoke(command, arguments)
    assert isinstance(result.exception, BadInput)
    assert not (example / "baselines").exists()


def layout_in(folder: Path) -> Layout:
    return dataclasses.replace(layout_of(), baselines=folder)


def output(rmse: float) -> GateCheck:
    return GateCheck("output", "head", "y", GateAnswer.PASS, "", {"rmse": rmse})


def chain(**numbers: float) -> list[GateCheck]:
    return [GateCheck("chain", "chain", "y", GateAnswer.PASS, "", {name: value}) for name, value in numbers.items()]


def recorded(layout: Layout, *checks: GateCheck) -> Path:
    return record_baseline(layout, Report(layout.name, ON.target, "fp16", 640, ON, checks, 1.0, 0.5))


def answer(layout: Layout, *checks: GateCheck) -> GateAnswer:
    return baseline_check(layout, ON, 640, checks).answer


def test_a_file_for_each_target_runtime_precision_and_size(tmp_path: Path):
    layout = layout_in(tmp_path)
    path = baseline_path(layout, ON, 640)
    assert path == tmp_path / "two-graphs" / "gpu-lavapipe@Mali-G610--litert-2.3.0--fp16--640.json"
    assert baseline_path(layout, ON, None).name == "gpu-lavapipe@Mali-G610--litert-2.3.0--fp16.json"


def test_targets_that_differ_in_settings_or_presented_name_have_baselines_of_their_own(tmp_path: Path):
    targets = [
        "gpu:lavapipe",
        "gpu:lavapipe+buffers",
        "gpu:lavapipe@Mali-G610",
        "gpu:lavapipe+buffers@Mali-G610",
        "cpu",
    ]
    paths = {baseline_path(layout_in(tmp_path), dataclasses.replace(ON, target=name), None) for name in targets}
    assert len(paths) == len(targets)


def test_where_nothing_was_recorded_there_is_a_note(tmp_path: Path):
    check = baseline_check(layout_in(tmp_path), ON, 640, [output(1e-3)])
    assert check.answer is GateAnswer.NOTE
    assert "`repro gate --update-baseline` records it" in check.reason


def test_numbers_of_other_parameters_are_not_compared(tmp_path: Path):
    layout = layout_in(tmp_path)
    recorded(layout, output(1e-3))
    other = dataclasses.replace(layout, parameters={"weights": "seed:7"})
    assert answer(layout, output(9.0)) is GateAnswer.REFUSED
    assert answer(other, output(9.0)) is GateAnswer.NOTE


@given(
    st.sampled_from(["chain_snr_db", "token_overlap", "detection_iou", "lost"]),
    st.floats(0, 100),
    st.floats(-50, 200),
)
def test_no_number_may_get_worse_by_more_than_its_margin(name: str, old: float, new: float):
    if name == "chain_snr_db":
        worse = new < old - baseline.SNR_DROP_DB
    elif name == "lost":
        worse = new > old * baseline.ERROR_GROWTH
    else:
        worse = new < old - baseline.SHARE_DROP
    assert bool(baseline._worse(f"chain.{name}", old, new)) is worse


def test_better_numbers_pass_and_a_number_that_is_gone_does_not(tmp_path: Path):
    layout = layout_in(tmp_path)
    recorded(layout, output(1e-3), *chain(chain_snr_db=50.0))
    assert answer(layout, output(1e-6), *chain(chain_snr_db=80.0)) is GateAnswer.PASS
    check = baseline_check(layout, ON, 640, [output(1e-3)])
    assert check.answer is GateAnswer.REFUSED
    assert "chain.chain_snr_db was 50 and is not measured now" in check.reason


def test_what_is_not_finite_is_not_recorded_and_counts_as_gone():
    assert all_numbers([output(math.nan), *chain(chain_snr_db=math.inf)]) == {}
    assert "not measured" in baseline._worse("head.y.rmse", 1.0, None)


def test_numbers_of_other_checks_are_not_the_baselines():
    other = GateCheck("control", "naive", "y", GateAnswer.PASS, "", {"rmse": 1.0})
    assert all_numbers([other, output(2.0)]) == {"head.y.rmse": 2.0}


def test_what_was_refused_is_not_recorded_and_a_refusal_by_the_old_baseline_is_no_obstacle(tmp_path: Path):
    layout = layout_in(tmp_path)
    worse = GateCheck("baseline", "", "", GateAnswer.REFUSED, "worse than recorded")
    path = recorded(layout, output(1e-3), worse)
    assert json.loads(path.read_text(encoding="utf-8"))["numbers"] == {"head.y.rmse": 0.001}
    broken = GateCheck("output", "head", "y", GateAnswer.REFUSED, "FAIL stale", {"rmse": 1.0})
    with pytest.raises(BadInput, match=r"the layout is refused there \(FAIL stale\)"):
        recorded(layout, broken)
    with pytest.raises(BadInput, match="it did not run"):
        record_baseline(layout, Report(layout.name, ON.target, "fp16", 640, None, (), 1.0, 0.5))


def test_a_record_says_on_what_it_was_measured(tmp_path: Path):
    record = json.loads(recorded(layout_in(tmp_path), output(1 / 3)).read_text(encoding="utf-8"))
    assert record["numbers"] == {"head.y.rmse": 0.333333}
    assert (record["adapter"], record["driver"], record["libraries"]) == ("adapter", "driver 1", {"lib.so": "0"})


@pytest.mark.parametrize("content", ["[]", "{}", '{"numbers": 3}'])
def test_another_file_in_its_place_is_one_line(tmp_path: Path, content: str):
    layout = layout_in(tmp_path)
    recorded(layout, output(1e-3)).write_text(content, encoding="utf-8")
    with pytest.raises(BadInput, match="is not one; remove it, or record it again"):
        baseline_check(layout, ON, 640, [output(1e-3)])


@pytest.mark.parametrize("name", ["../../x", "/etc/x", "..", "-f", "a/b"])
def test_the_baselines_of_a_layout_are_in_its_folder_whatever_its_name(example, name: str):
    layout = dataclasses.replace(layout_of(example), name=name)
    path = baseline_path(layout, ON, 640)
    assert path.parent.parent == layout.baselines
    assert path.parent.name not in ("", ".", "..")
