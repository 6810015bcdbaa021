"""A layout to start from, out of the graphs alone: names, shapes, and a guess at what passes between them.

Key insight: a file says which tensors a graph takes and gives, and not where they come from. Equal names, else equal
shapes and types, nearly always say it; what was guessed and what else would fit is written beside it, to be looked at.
The control can be made too: where a graph avoids a known hazard by the last op before an output, the graph without that
op is the split that must fail.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import SequenceMatcher

from cases.graph import Graph, Tensor
from cases.tflite.write import write_tflite
from repro.hazards.hazard import Hazard
from repro.layouts.control import hazards_of, without_last_op
from repro.layouts.layout import GraphPart
from repro.layouts.models import PartModel
from runner.encoding import code_comment, toml_literal

NAIVE = "naive"
"""Behind the names of the control's layout and graph."""
START = "a start: a forgotten factor or an exchanged tensor leaves less than 10 dB; raise it to what the gate measures"
ALIKE = 0.6
"""Share of the letters from which on one name hints at the other; the one of difflib's `get_close_matches`."""
SNR_DB = {"fp32": 60, "fp16": 35}


@dataclass(frozen=True)
class Model:
    """One graph of the split to be. file: as the layout will name it."""

    name: str
    file: str
    graph: Graph


@dataclass(frozen=True)
class Start:
    """What there is to write. control: text of the control's layout, and its graphs by file name; empty without one.

    apart: graphs that read nothing of a graph before them; the first aside.
    """

    layout: str
    apart: tuple[str, ...]
    control: str = ""
    control_models: dict[str, bytes] = field(default_factory=dict)


@dataclass(frozen=True)
class _Wired:
    """A graph with the layout's names of its tensors. guesses: one line about each input."""

    model: Model
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    guesses: tuple[str, ...]

    @property
    def part(self) -> PartModel:
        of = GraphPart(name=self.model.name, builder="none:needed", inputs=self.inputs, outputs=self.outputs)
        return PartModel(of, b"", self.model.graph)


def control_file(name: str) -> str:
    """The file of the control's layout, beside `NAME.toml`."""
    return f"{name}_{NAIVE}.toml"


def start(name: str, models: Sequence[Model], whole: str = "") -> Start:
    """A layout `NAME.toml` of graphs in the order in which they run. whole: the model before it was split, or empty."""
    wired, drawn = _wire(models)
    control, comment = _control(wired, name)
    lines = [
        f"# Written by repro gate --init out of {code_comment(', '.join(model.file for model in models))}.",
        "# Look at what is called a guess, then run: repro gate THIS_FILE",
        "[layout]",
        f"name = {toml_literal(name)}",
        'precisions = ["fp32", "fp16"]',
        "",
        "[inputs]",
        "# Drawn from N(0, 1), or from all that a quantised tensor holds; or: files = ['a.npz'], with arrays by name.",
        _shapes_line(drawn),
        "seed = 0",
        "count = 2",
        *(line for one in wired for line in _graph_lines(one)),
        "",
        "[reference]",
        'graphs = "float64"    # the ops of each file, computed in float64',
        f"chain = {toml_literal(whole)}    # the model before it was split"
        if whole
        else '# chain = "whole.tflite"    # name the model before it was split: without it nothing checks the wiring',
        *_threshold_lines(),
        "",
        "[control]",
        *comment,
    ]
    passed: set[str] = set()
    apart = []
    for one in wired:
        apart += [one.model.name] if passed and not passed & set(one.inputs) else []
        passed |= set(one.outputs)
    return Start("\n".join(lines) + "\n", tuple(apart), *control)


def _shapes_line(tensors: Mapping[str, Tensor]) -> str:
    return f"shapes = {{ {', '.join(f'{toml_literal(name)} = {list(t.shape)}' for name, t in tensors.items())} }}"


def _threshold_lines() -> Iterator[str]:
    for precision, limit in SNR_DB.items():
        yield from (
            "",
            f"[thresholds.{precision}]",
            f"chain_snr_db = {{ value = {limit}, reason = {toml_literal(START)} }}",
        )


def _graph_lines(one: _Wired) -> Iterator[str]:
    yield from ("", "[[graph]]", f"name = {toml_literal(one.model.name)}", f"file = {toml_literal(one.model.file)}")
    yield from (f"# {code_comment(guess)}" for guess in one.guesses)
    yield f"inputs = {_list(one.inputs)}"
    yield f"outputs = {_list(one.outputs)}    # in the order of the file"


def _list(names: Sequence[str]) -> str:
    return f"[{', '.join(map(toml_literal, names))}]"


def plain_name(tensor: str) -> str:
    """A tensor's name without its scope and its `:0`, in letters, digits and underscores."""
    return re.sub(r"\W+", "_", re.sub(r":\d+$", "", tensor).rpartition("/")[2], flags=re.ASCII).strip("_") or "tensor"


def _free(name: str, taken: set[str], part: str) -> str:
    """The name, or one like it that nothing has yet."""
    names = [name, f"{part}_{name}"]
    found = next((one for one in names if one not in taken), "")
    number = 2
    while not found:
        one = f"{part}_{name}_{number}"
        found, number = ("" if one in taken else one), number + 1
    taken.add(found)
    return found


def _wire(models: Sequence[Model]) -> tuple[list[_Wired], dict[str, Tensor]]:
    """The graphs with names, and the tensors that nothing gives: the inputs of the layout."""
    taken: set[str] = set()
    given: dict[str, Tensor] = {}
    drawn: dict[str, Tensor] = {}
    wired = []
    for model in models:
        tensors = [model.graph.tensors[name] for name in model.graph.inputs]
        names, guesses = _sources(tensors, {**given, **drawn}, taken, model.name, drawn)
        outputs = {_free(plain_name(n), taken, plain_name(model.name)): n for n in model.graph.outputs}
        # The latest graph's come first: what one graph gives, the next most often reads.
        given = {name: model.graph.tensors[tensor] for name, tensor in outputs.items()} | given
        wired.append(_Wired(model, tuple(names), tuple(outputs), tuple(guesses)))
    return wired, drawn


def _sources(
    tensors: Sequence[Tensor], ready: dict[str, Tensor], taken: set[str], part: str, drawn: dict[str, Tensor]
) -> tuple[list[str], list[str]]:
    """Where each input comes from, and a line about it. What comes from nowhere is added to `drawn`."""
    chosen: dict[int, str] = {}
    fitting = [[name for name, other in ready.items() if _fits(tensor, other)] for tensor in tensors]
    for index, tensor in enumerate(tensors):  # equal names first, so that no guess takes them away
        same = [name for name in fitting[index] if name not in drawn and _same_name(tensor, ready[name])]
        if same:
            chosen[index] = same[0]
    lines = []
    for index, tensor in enumerate(tensors):
        shape = list(tensor.shape)
        if index in chosen:
            lines.append(f"guess: '{chosen[index]}' passes to '{tensor.name}', by name and shape {shape}")
            continue
        # Converters call the first input of every graph the same, so an equal name of an input says least.
        passed = [name for name in fitting[index] if name not in drawn and name not in chosen.values()]
        again = [name for name in fitting[index] if name in drawn and _same_name(tensor, ready[name])]
        if passed:
            best = max(passed, key=lambda name: _likeness(tensor.name, ready[name].name))
            chosen[index] = best
            others = ", ".join(f"'{name}'" for name in [*passed, *again] if name != best)
            also = f"; of that shape too: {others}" if others else ""
            lines.append(f"guess: '{best}' passes to '{tensor.name}', by shape {shape}{also}")
        elif again:
            chosen[index] = again[0]
            lines.append(f"guess: '{again[0]}' is the input that another graph reads too, by name and shape {shape}")
        else:
            chosen[index] = _free(plain_name(tensor.name), taken, plain_name(part))
            drawn[chosen[index]] = tensor
            lines.append(f"'{chosen[index]}' is an input: no graph before gives a {tensor.dtype} {shape}")
    return [chosen[index] for index in range(len(tensors))], lines


def _fits(one: Tensor, other: Tensor) -> bool:
    return tuple(one.shape) == tuple(other.shape) and one.dtype == other.dtype


def _same_name(one: Tensor, other: Tensor) -> bool:
    return plain_name(one.name) == plain_name(other.name)


def _likeness(one: str, other: str) -> float:
    """0 for names that have nothing but a few letters in common, as `args_0` and `values`: the order says more then."""
    ratio = SequenceMatcher(None, plain_name(one), plain_name(other)).ratio()
    return ratio if ratio >= ALIKE else 0.0


def _control(wired: Sequence[_Wired], layout: str) -> tuple[tuple[str, dict[str, bytes]], list[str]]:
    """The control's layout and graphs, and the lines of [control]."""
    found = [(one, tensor, hazard, avoided) for one in wired for tensor, hazard, avoided in hazards_of(one.part)]
    if not found:
        return ("", {}), ['none = "the lint finds no hazard in any of the graphs"    # write why, in your words']
    for one, tensor, hazard, avoided in found:
        if avoided and (made := _naive(one, tensor, hazard, layout)) is not None:
            text, models, name = made
            why = f"emitted as it is, '{name}' falls to the hazard {hazard.rule}, which {one.model.name} avoids"
            return (text, models), [
                f"layout = {toml_literal(control_file(layout))}",
                f"fails = {_list([name])}",
                f"reason = {toml_literal(why)}",
            ]
    one, tensor, hazard, _ = found[0]
    return ("", {}), [
        f"# The lint finds the hazard {hazard.rule} at '{code_comment(tensor)}' of {code_comment(one.model.name)}.",
        f"# Mend it (repro fix {code_comment(one.model.file)}), then name today's split as the layout that must fail.",
        'none = "to be written: the layout that must fail, once the graph is mended"',
    ]


def _naive(one: _Wired, tensor: str, hazard: Hazard, layout: str) -> tuple[str, dict[str, bytes], str] | None:
    """The control of one graph: text, models by file name, and the name of the tensor that must come out wrong."""
    for index, output in enumerate(one.model.graph.outputs):
        graph = without_last_op(one.model.graph, output)
        if graph is None or graph.outputs[index] != tensor:
            continue
        name = _free(plain_name(tensor), {*one.inputs, *one.outputs}, plain_name(one.model.name))
        outputs = tuple(name if i == index else other for i, other in enumerate(one.outputs))
        file = f"{plain_name(one.model.name)}_{NAIVE}.tflite"
        inputs = zip(one.inputs, one.model.graph.inputs, strict=True)
        shapes = {given: one.model.graph.tensors[read] for given, read in inputs}
        lines = [
            f"# Graph {code_comment(one.model.name)} without the op that keeps the delegate off",
            f"# '{code_comment(tensor)}': {code_comment(hazard.message)}. A gate must refuse it.",
            "[layout]",
            f"name = {toml_literal(f'{one.model.name}-{NAIVE}')}",
            'precisions = ["fp32", "fp16"]',
            "",
            "[inputs]",
            _shapes_line(shapes),
            "",
            "[[graph]]",
            f"name = {toml_literal(one.model.name)}",
            f"file = {toml_literal(file)}",
            f"inputs = {_list(one.inputs)}",
            f"outputs = {_list(outputs)}",
            *_threshold_lines(),
            "",
            "[control]",
            f"control_of = {toml_literal(f'{layout}.toml')}",
            'reason = "it is here to be refused"',
        ]
        return "\n".join(lines) + "\n", {file: write_tflite(graph)}, name
    return None
