"""A file that a command reads: the user's own, or else one of this tool by its name in a checkout."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import click

from repro.display.console import echo_line
from repro.records.folders import built_in


class FilePath(click.Path):
    """A path as typed. Where nothing lies there and this tool has it, its own, and a line that says so."""

    def __init__(self) -> None:
        super().__init__(path_type=Path)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Path:
        path = Path(os.fsdecode(super().convert(value, param, ctx)))
        found = built_in(path)
        if found is None:
            return path
        echo_line(f"{path} is not here; taken is the one of this tool: {found}", err=True)
        return found
