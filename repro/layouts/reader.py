"""A layout out of a TOML file. Reading answers every question that can be answered without running anything.

Whatever does not add up is one line: what is wrong, where, what to write instead.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from repro.layouts.layout import (
    BUILT_IN_REFERENCES,
    LIMITS,
    Control,
    DetectionTensors,
    GraphPart,
    HostPart,
    Inputs,
    Layout,
    Limit,
    References,
    Residual,
)
from repro.records.strict_toml import Table
from repro.verdicts.thresholds import ENTRIES
from runner.errors import BadInput, NothingRan
from runner.run import Precision


def read_layout(path: Path, overrides: Mapping[str, str] | None = None) -> Layout:
    """Read and validate a layout. overrides: parameters given on the command line.

    Raises BadInput, and NothingRan for a layout whose gate would pass on nothing.
    """
    if path.is_dir():
        raise BadInput(f"layout '{path}' is a folder; name the .toml file in it")
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise BadInput(f"layout '{path}': no such file") from None
    except OSError as error:
        raise BadInput(f"layout '{path}': cannot be read ({error.strerror})") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BadInput(f"layout '{path}': not TOML ({error})") from None
    return _layout(path, Table(str(path), "", document), overrides or {})


def _layout(path: Path, root: Table, overrides: Mapping[str, str]) -> Layout:
    here = path.parent
    head = root.table("layout")
    name = head.text("name")
    about = head.text("about", "")
    sizes = head.integers("sizes", ())
    precisions = tuple(Precision(word) for word in head.choices("precisions", ("fp32",), ("fp32", "fp16")))
    baselines = here / head.text("baselines", "baselines")
    head.close()
    parameters = dict(root.mapping("parameters"))
    for key, value in overrides.items():
        if key not in parameters:
            known = ", ".join(sorted(parameters)) or "none"
            raise BadInput(f"layout '{path}': --set {key}=...: no such parameter; it has {known}")
        parameters[key] = _as_kind_of(parameters[key], value, key, path)
    inputs = _inputs(here, root.table("inputs"))
    parts = _ordered(path, inputs, _parts(here, root))
    references = _references(here, root.table("reference", optional=True))
    given = {tensor for part in parts for tensor in part.outputs}
    residuals = tuple(_residual(here, table, given) for table in root.tables("residual"))
    detections = _detections(root, given)
    thresholds = _thresholds(root.table("thresholds"), precisions)
    control = _control(here, root.table("control", missing="name the layout that must fail where this one must pass"))
    allowed = {}
    for table in root.tables("allow"):
        allowed[table.text("rule")] = table.text("reason")
        table.close()
    root.close()
    if not any(isinstance(part, GraphPart) for part in parts):
        raise BadInput(f"layout '{path}': it has no [[graph]]")
    for precision in precisions:
        _require_chain_limits(path, detections, thresholds[precision], precision)
    layout = Layout(
        path,
        name,
        about,
        sizes,
        precisions,
        parameters,
        inputs,
        parts,
        references,
        residuals,
        detections,
        thresholds,
        control,
        baselines,
        allowed,
    )
    if detections is None and not layout.final_outputs:
        raise NothingRan(
            f"layout '{path}': no output of its graphs is left unread by its parts, so the chain compares nothing;"
            " give [detections], or leave out the last host step"
        )
    return layout


def _as_kind_of(old: Any, text: str, key: str, path: Path) -> Any:
    if isinstance(old, str):
        return text
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        raise BadInput(f"layout '{path}': --set {key}={text}: expected a value like {old!r}") from None


def _existing(table: Table, key: str, here: Path, text: str) -> Path:
    file = here / text
    if not file.is_file():
        raise table.error(key, f"no such file '{file}'")
    return file


def _function(table: Table, key: str, text: str) -> str:
    module, colon, function = text.partition(":")
    if not (colon and function.isidentifier() and all(word.isidentifier() for word in module.split("."))):
        raise table.error(key, f"'{text}' is not of the form module:function")
    return text


def _inputs(here: Path, table: Table) -> Inputs:
    files = tuple(_existing(table, "files", here, text) for text in table.texts("files", ()))
    loader = table.text("loader", "")
    if loader:
        _function(table, "loader", loader)
    shapes = {key: tuple(value) for key, value in table.shapes("shapes").items()}
    seed, count = table.integer("seed", 0), table.integer("count", 2)
    table.close()
    if bool(files) == bool(shapes):
        raise table.error("files", "give either files, or shapes of inputs that are drawn from a seed")
    if not 1 <= count <= 16:
        raise table.error("count", "must be 1 to 16")
    return Inputs(files, loader, seed, count, shapes)


def _parts(here: Path, root: Table) -> list[GraphPart | HostPart]:
    parts: list[GraphPart | HostPart] = []
    for table in root.tables("graph"):
        file, builder = table.text("file", ""), table.text("builder", "")
        if bool(file) == bool(builder):
            raise table.error("file", "give either file = '....tflite' or builder = 'module:function'")
        part = GraphPart(
            table.text("name"),
            _existing(table, "file", here, file) if file else None,
            _function(table, "builder", builder) if builder else "",
            table.texts("inputs"),
            table.texts("outputs"),
        )
        table.close()
        parts.append(part)
    for table in root.tables("host"):
        host = HostPart(
            table.text("name"),
            _function(table, "function", table.text("function")),
            table.texts("inputs"),
            table.texts("outputs"),
        )
        table.close()
        parts.append(host)
    return parts


def _ordered(path: Path, inputs: Inputs, parts: Sequence[GraphPart | HostPart]) -> tuple[GraphPart | HostPart, ...]:
    """Parts in dataflow order. With a loader the names of the inputs are known only when it runs."""
    names: set[str] = set()
    writers: dict[str, str] = {}
    for part in parts:
        if part.name in names:
            raise BadInput(f"layout '{path}': two parts are called '{part.name}'")
        names.add(part.name)
        for tensor in part.outputs:
            if tensor in writers or tensor in inputs.shapes:
                other = writers.get(tensor, "the inputs")
                raise BadInput(f"layout '{path}': tensor '{tensor}' comes from both {other} and {part.name}")
            writers[tensor] = part.name
    ready = set(inputs.shapes)
    if inputs.files:
        ready |= {tensor for part in parts for tensor in part.inputs if tensor not in writers}
    waiting, order = list(parts), []
    while waiting:
        runnable = [part for part in waiting if set(part.inputs) <= ready]
        if not runnable:
            part = waiting[0]
            missing = next(tensor for tensor in part.inputs if tensor not in ready)
            why = (
                f"which {writers[missing]} gives only after it: the parts form a circle"
                if missing in writers
                else "which is no input and no part's output"
            )
            raise BadInput(f"layout '{path}': {part.name} reads '{missing}', {why}")
        for part in runnable:
            order.append(part)
            waiting.remove(part)
            ready |= set(part.outputs)
    return tuple(order)


def _references(here: Path, table: Table | None) -> References:
    if table is None:
        return References()
    graphs = table.text("graphs", "float64")
    if graphs not in BUILT_IN_REFERENCES:
        _function(table, "graphs", graphs)
    chain = table.text("chain", "")
    chain_file = None
    if chain.endswith(".tflite"):
        chain_file, chain = _existing(table, "chain", here, chain), ""
    elif chain:
        _function(table, "chain", chain)
    key = table.text("key", "")
    if key:
        _function(table, "key", key)
    table.close()
    return References(graphs, chain, chain_file, key)


def _residual(here: Path, table: Table, known: set[str]) -> Residual:
    tensor, subtract = table.text("tensor"), table.text("subtract")
    if tensor not in known:
        raise table.error("tensor", f"no part gives '{tensor}'")
    if subtract.endswith(".npy"):
        subtract = str(_existing(table, "subtract", here, subtract))
    else:
        _function(table, "subtract", subtract)
    reason = table.text("reason")
    table.close()
    return Residual(tensor, subtract, reason)


def _detections(root: Table, known: set[str]) -> DetectionTensors | None:
    table = root.table("detections", optional=True)
    if table is None:
        return None
    names = {key: table.text(key) for key in ("boxes", "logits")}
    names["tokens"] = table.text("tokens", "")
    for key, name in names.items():
        if name and name not in known:
            raise table.error(key, f"no part gives '{name}'")
    decode = _function(table, "decode", table.text("decode"))
    table.close()
    return DetectionTensors(names["boxes"], names["logits"], names["tokens"], decode)


def _thresholds(table: Table, precisions: Sequence[Precision]) -> dict[Precision, dict[str, Limit]]:
    found: dict[Precision, dict[str, Limit]] = {}
    for precision in Precision:
        part = table.table(str(precision), optional=precision not in precisions)
        if part is None:
            continue
        limits = {}
        for key in part.names():
            if key not in LIMITS and key not in ENTRIES:
                raise part.error(
                    key, f"no such threshold; there are {', '.join(LIMITS)}, and the judge's {', '.join(ENTRIES)}"
                )
            entry = part.table(key)
            value, reason = entry.number("value"), entry.text("reason")
            entry.close()
            if not reason.strip():
                raise entry.error("reason", "a threshold needs a reason")
            limits[key] = Limit(value, reason)
        part.close()
        found[precision] = limits
    table.close()
    return found


def _require_chain_limits(
    path: Path, detections: DetectionTensors | None, limits: Mapping[str, Limit], precision: Precision
) -> None:
    needed = ("detection_iou", "class_agreement", "lost", "extra") if detections else ("chain_snr_db",)
    for key in needed:
        if key not in limits:
            raise BadInput(
                f"layout '{path}': [thresholds.{precision}] lacks '{key}' ({LIMITS[key][1]});"
                f" write {key} = {{ value = ..., reason = '...' }}"
            )
    compared = set(needed) | ({"token_overlap", "token_iou"} if detections and detections.tokens else set())
    for key in limits:
        if key in LIMITS and key not in compared:
            # A threshold that is read and never compared looks like a check that passed.
            why = "there are [detections]" if key == "chain_snr_db" else "no [detections] table asks for it"
            raise BadInput(
                f"layout '{path}': [thresholds.{precision}] {key} would never be compared, since {why}; leave it out"
            )


def _control(here: Path, table: Table) -> Control:
    layout, reason = table.text("layout", ""), table.text("reason")
    control_of = table.text("control_of", "")
    fails = table.texts("fails", ())
    table.close()
    if bool(layout) == bool(control_of):
        raise table.error("layout", "give either layout (the one that must fail) or control_of (this one is a control)")
    if layout:
        return Control(_existing(table, "layout", here, layout), fails, reason)
    _existing(table, "control_of", here, control_of)
    return Control(None, fails, reason)
