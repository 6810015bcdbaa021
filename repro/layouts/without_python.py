"""Gating a layout without running Python of its author: one that names a function is refused, unread.

Key insight: a layout is data, and so are .tflite, .npz and .npy files. Only functions that it names run anything, and
which ones it names shows by reading it.
"""

from __future__ import annotations

from pathlib import Path

from repro.layouts.layout import GraphPart, Layout
from repro.layouts.reader import read_layout
from runner.errors import BadInput


def functions_of(layout: Layout) -> dict[str, str]:
    """Where the layout names a function, as its file writes it -> `module:function`."""
    references, detections = layout.references, layout.detections
    named = {"[inputs] loader": layout.inputs.loader}
    for part in layout.parts:
        if isinstance(part, GraphPart):
            named[f"[[graph]] '{part.name}' builder"] = part.builder
        else:
            named[f"[[host]] '{part.name}' function"] = part.function
    named["[reference] graphs"] = references.graphs if ":" in references.graphs else ""
    named["[reference] chain"] = "" if references.whole else references.chain
    named["[reference] key"] = references.key
    for residual in layout.residuals:
        named[f"[[residual]] '{residual.tensor}' subtract"] = "" if residual.file else residual.subtract
    named["[detections] decode"] = detections.decode if detections else ""
    return {place: function for place, function in named.items() if function}


def require_no_python(layout: Layout) -> None:
    """Raise BadInput for a layout that would run Python, itself or in its control."""
    _require_none(layout)
    if layout.control.layout is not None:
        _require_none(read_layout(layout.control.layout))


def _require_none(layout: Layout) -> None:
    named = functions_of(layout)
    for place, function in named.items():
        more = f", and {len(named) - 1} more like it" if len(named) > 1 else ""
        raise BadInput(
            f"layout '{layout.path}': {place} = '{function}' is Python of its author{more}, and --no-python runs none;"
            " leave --no-python out if you trust it"
        )


def files_of(layout: Layout) -> tuple[Path, ...]:
    """The files that gating a layout reads, without those of its control."""
    files = [layout.path, *(part.file for part in layout.graphs), *layout.inputs.files, layout.references.whole]
    files += [residual.file for residual in layout.residuals]
    files += [layout.control.layout]
    return tuple(file for file in files if file is not None)
