"""Every way a layout file can be broken is one line that says where, what and what instead."""

from __future__ import annotations

from pathlib import Path

import pytest

import models.dfine
from repro.layouts.layout import GraphPart
from repro.layouts.reader import read_layout
from runner.errors import BadInput, NothingRan
from runner.targets import resolve

EXAMPLE = Path(__file__).parents[3] / "docs" / "examples" / "two_graphs"
DFINE = Path(models.dfine.__file__).parent


@pytest.mark.parametrize(
    "path", [EXAMPLE / "split.toml", EXAMPLE / "naive.toml", DFINE / "shipped.toml", DFINE / "naive.toml"]
)
def test_the_shipped_layouts_are_read(path):
    layout = read_layout(path)
    assert len(layout.graphs) == 2
    assert set(layout.thresholds) >= set(layout.precisions)
    assert all(limit.reason for limits in layout.thresholds.values() for limit in limits.values())


def test_parts_are_put_in_dataflow_order():
    layout = read_layout(DFINE / "shipped.toml")
    assert [part.name for part in layout.parts] == ["shipped_a", "select and tail", "graph_b"]
    assert isinstance(layout.parts[2], GraphPart)
    assert layout.final_outputs == ("boxes", "logits")


def with_targets(tmp_path: Path, tables: str) -> Path:
    for file in EXAMPLE.iterdir():
        if file.is_file():
            (tmp_path / file.name).write_bytes(file.read_bytes())
    path = tmp_path / "split.toml"
    path.write_text(path.read_text(encoding="utf-8") + tables, encoding="utf-8")
    return path


def test_a_layout_lists_the_targets_and_settings_that_its_product_ships_with(tmp_path: Path):
    tables = """
[[target]]
name = "gpu:lavapipe@Mali-G715"
options = { prefer_texture_weights = true, buffer_storage_type = 1 }

[[target]]
name = "adb"
"""
    layout = read_layout(with_targets(tmp_path, tables))
    assert layout.targets == ("gpu:lavapipe+buffers+prefer_texture_weights=true@Mali-G715", "adb")
    assert read_layout(EXAMPLE / "split.toml").targets == ()


def test_a_target_of_a_layout_may_stand_for_families_of_adapters(tmp_path: Path):
    tables = '\n[[target]]\nname = "gpu:pocl@mali-valhall-*"\noptions = { buffer_storage_type = 1 }\n'
    names = resolve(read_layout(with_targets(tmp_path, tables)).targets)
    assert names == [f"gpu:pocl+buffers@Mali-{model}" for model in ("G57", "G78", "G610", "G715")]


@pytest.mark.parametrize(
    ("table", "says"),
    [
        ('name = "gpu"\noptions = { bufer_storage_type = 1 }', "did you mean 'buffer_storage_type'"),
        ('name = "gpu"\noptions = { buffer_storage_type = 7 }', "'7' is no value of the setting buffer_storage_type"),
        ('name = "cpu"\noptions = { buffer_storage_type = 1 }', "target cpu has none"),
        ("options = { buffer_storage_type = 1 }", "name: is missing"),
    ],
)
def test_a_target_that_cannot_be_is_one_line(table: str, says: str, tmp_path: Path):
    with pytest.raises(BadInput, match=says):
        read_layout(with_targets(tmp_path, f"\n[[target]]\n{table}\n"))


def test_a_layout_without_a_control_is_told_both_ways_to_have_one(example: Path):
    text = (example / "split.toml").read_text(encoding="utf-8")
    (example / "split.toml").write_text(text.partition("[control]")[0], encoding="utf-8")
    with pytest.raises(BadInput, match=r"control: is missing; .* must fail .*, or say none = 'why there is none'"):
        read_layout(example / "split.toml")


BROKEN = [
    ('name = "two-graphs"', "", r"\[layout\] name: is missing"),
    ('name = "two-graphs"', "name = 3", r"\[layout\] name: must be a string, not 3"),
    ("about = ", "abuot = ", r"abuot: unknown key; did you mean 'about'"),
    ('precisions = ["fp32", "fp16"]', 'precisions = ["fp8"]', r"'fp8' is none of fp32, fp16"),
    ("shapes = { x = [1, 64, 24] }", "shapes = { x = [1, -4] }", r"list of positive integers"),
    ("shapes = { x = [1, 64, 24] }", "", r"give either files, or shapes"),
    ("count = 2", "count = 99", r"must be 1 to 16"),
    ("count = 2", "count = true", r"must be an integer, not True"),
    ('file = "head.tflite"', 'file = "haed.tflite"', r"no such file '.*haed\.tflite'"),
    ('file = "head.tflite"', "", r"give either file = .* or builder"),
    ('file = "head.tflite"', 'builder = "nonsense"', r"not of the form module:function"),
    ('outputs = ["y"]', "outputs = 'y'", r"must be a list of strings"),
    ('outputs = ["y"]', 'outputs = ["y"]\nprecison = 1', r"precison: unknown key"),
    ('outputs = ["y"]', 'outputs = ["summary"]', r"comes from both encoder and head"),
    ('inputs = ["x"]', 'inputs = ["z"]', r"encoder reads 'z', which is no input"),
    ('inputs = ["x"]', 'inputs = ["y"]', r"form a circle"),
    ('name = "head"', 'name = "encoder"', r"two parts are called 'encoder'"),
    ('chain = "whole.tflite"', 'chain = "hole.tflite"', r"no such file '.*hole\.tflite'"),
    ('graphs = "float64"', 'graphs = "float46"', r"not of the form module:function"),
    (
        "[thresholds.fp32]\nchain_snr_db",
        "[thresholds.fp32]\nchain_snr",
        r"no such threshold; did you mean 'chain_snr_db'",
    ),
    ("[thresholds.fp32]\nchain_snr_db", "[thresholds.fp32]\nluck", r"no such threshold; known are .*chain_snr_db"),
    ("value = 90", "value = '90'", r"must be a number"),
    ("value = 90, reason = ", "value = 90, raeson = ", r"raeson: unknown key; did you mean 'reason'"),
    ("value = 90, reason = ", "value = 90 } #", r"reason: is missing; it is a string"),
    (
        'reason = "fp32 carries 7 digits; a chain of 10 ops loses two of them at most"',
        'reason = " "',
        r"needs a reason",
    ),
    ("[thresholds.fp16]", "[thresholds.fp61]", r"fp61: unknown key; did you mean 'fp16'"),
    ("[thresholds.fp16]", "[parameters]", r"\[thresholds.fp16\] lacks 'chain_snr_db'"),
    ("[control]", "[kontrol]", r"kontrol: unknown key; did you mean 'control'"),
    ("[control]", "[parameters]", r"control: is missing; it is a table: name the layout that must fail"),
    ("value = 90, reason", "value = 90, reason = 'a' }\nlost = { value = 0, reason", r"lost would never be compared"),
    ('layout = "naive.toml"', 'layout = "gone.toml"', r"no such file '.*gone\.toml'"),
    ('layout = "naive.toml"', "", r"give either layout .* or control_of"),
    ("[control]", "[surprise]\na = 1\n\n[control]", r"surprise: unknown key"),
    ("[control]", "[control", r"not readable TOML"),
]


@pytest.mark.parametrize(
    ("old", "new", "says"), BROKEN, ids=[f"{i}-{new[:24]}" for i, (_, new, _) in enumerate(BROKEN)]
)
def test_a_broken_layout_file_is_one_line(tmp_path, old, new, says):
    for file in EXAMPLE.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    text = (EXAMPLE / "split.toml").read_text(encoding="utf-8")
    assert old in text
    path = tmp_path / "split.toml"
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(BadInput, match=says) as error:
        read_layout(path)
    assert "\n" not in str(error.value)
    assert str(path) in str(error.value)


def test_a_chain_that_ends_in_a_host_step_has_nothing_to_compare(tmp_path):
    for file in EXAMPLE.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    path = tmp_path / "split.toml"
    last = '[[host]]\nname = "end"\nfunction = "builtins:dict"\ninputs = ["y"]\noutputs = ["label"]\n'
    path.write_text((EXAMPLE / "split.toml").read_text(encoding="utf-8") + last, encoding="utf-8")
    with pytest.raises(NothingRan, match="the chain compares nothing") as error:
        read_layout(path)
    assert error.value.exit_code == 3


def test_a_missing_layout_file_and_a_folder(tmp_path):
    with pytest.raises(BadInput, match="no such file"):
        read_layout(tmp_path / "nowhere.toml")
    with pytest.raises(BadInput, match="is a folder"):
        read_layout(tmp_path)


def test_parameters_are_overridden_by_type():
    layout = read_layout(DFINE / "shipped.toml", {"weights": "seed:7"})
    assert layout.parameters["weights"] == "seed:7"
    with pytest.raises(BadInput, match="no such parameter; it has weights"):
        read_layout(DFINE / "shipped.toml", {"wieghts": "seed:7"})


def test_a_missing_file_is_one_line_that_says_which(example):
    (example / "head.tflite").unlink()
    with pytest.raises(BadInput, match=r"graph 2 'head'\] file: no such file '.*head\.tflite'"):
        read_layout(example / "split.toml")
