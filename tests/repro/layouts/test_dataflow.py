"""Layouts drawn from a seed: in any order of their tables parts find their inputs ready, or one line says why not."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest
import tomlkit

from repro.layouts.reader import read_layout
from runner.errors import BadInput

SEEDS = range(12)
Part = dict[str, Any]


def drawn(draw: random.Random) -> tuple[list[Part], list[str]]:
    """(parts in dataflow order, inputs of the layout). The last part is a graph that nothing reads."""
    inputs = [f"input{i}" for i in range(draw.randint(1, 3))]
    ready, parts = list(inputs), []
    count = draw.randint(2, 7)
    for number in range(count):
        read = draw.sample(ready, draw.randint(1, min(3, len(ready))))
        outputs = [f"tensor{number}_{i}" for i in range(draw.randint(1, 3))]
        is_graph = number == count - 1 or draw.random() < 0.6
        made = {"builder": "some:graph"} if is_graph else {"function": "some:step"}
        parts.append({"name": f"part{number}", **made, "inputs": read, "outputs": outputs})
        ready += outputs
    return parts, inputs


def written(folder: Path, parts: list[Part], inputs: list[str], draw: random.Random) -> Path:
    shuffled = draw.sample(parts, len(parts))
    document = {
        "layout": {"name": "drawn"},
        "inputs": {"shapes": {name: [1, 4] for name in inputs}},
        "graph": [part for part in shuffled if "builder" in part],
        "host": [part for part in shuffled if "function" in part],
        "thresholds": {"fp32": {"chain_snr_db": {"value": 60, "reason": "drawn"}}},
        "control": {"none": "drawn"},
    }
    path = folder / "layout.toml"
    path.write_text(tomlkit.dumps(document), encoding="utf-8")
    return path


def refusal(path: Path) -> str:
    with pytest.raises(BadInput) as raised:
        read_layout(path)
    said = str(raised.value)
    assert said.startswith(f"layout '{path}': ")
    assert said.isprintable()
    return said


@pytest.mark.parametrize("seed", SEEDS)
def test_every_part_comes_behind_those_it_reads_from_and_none_is_lost(tmp_path: Path, seed: int):
    draw = random.Random(seed)
    parts, inputs = drawn(draw)
    layout = read_layout(written(tmp_path, parts, inputs, draw))
    assert {part.name for part in layout.parts} == {part["name"] for part in parts}
    ready = set(inputs)
    for part in layout.parts:
        assert set(part.inputs) <= ready
        ready |= set(part.outputs)
    read = {name for part in parts for name in part["inputs"]}
    unread = {name for part in parts if "builder" in part for name in part["outputs"]} - read
    assert set(layout.final_outputs) == unread


@pytest.mark.parametrize("seed", SEEDS)
def test_a_tensor_that_nobody_gives_any_more_is_named_with_its_reader(tmp_path: Path, seed: int):
    draw = random.Random(seed)
    parts, inputs = drawn(draw)
    part = draw.choice(parts)
    at = draw.randrange(len(part["inputs"]))
    gone = part["inputs"][at]
    part["inputs"][at] = f"{gone}x"
    said = refusal(written(tmp_path, parts, inputs, draw))
    assert f"reads '{gone}x', which is no input and no part's output" in said
    assert "did you mean '" in said


@pytest.mark.parametrize("seed", SEEDS)
def test_parts_that_wait_for_each_other_are_a_circle(tmp_path: Path, seed: int):
    draw = random.Random(seed)
    parts, inputs = drawn(draw)
    first, second = draw.sample(parts, 2)
    first["inputs"] = [*first["inputs"], second["outputs"][0]]
    second["inputs"] = [*second["inputs"], first["outputs"][0]]
    assert "the parts form a circle" in refusal(written(tmp_path, parts, inputs, draw))


@pytest.mark.parametrize("seed", SEEDS)
def test_a_tensor_has_one_source(tmp_path: Path, seed: int):
    draw = random.Random(seed)
    parts, inputs = drawn(draw)
    first, second = draw.sample(parts, 2)
    second["outputs"] = [*second["outputs"], draw.choice([*inputs, *first["outputs"]])]
    assert "comes from both " in refusal(written(tmp_path, parts, inputs, draw))
