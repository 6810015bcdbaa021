"""Live progress lines on stderr that stay silent where stderr is no terminal."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from repro.display.console import Screen, own_stderr
from runner.encoding import one_line


class ProgressLine:
    """Handle of the running line: `advance` after each step, with what is in hand."""

    def __init__(self, progress: Progress, task: object) -> None:
        self._progress = progress
        self._task = task

    def advance(self, text: str, steps: int = 1) -> None:
        self._progress.update(self._task, advance=steps, text=one_line(text))  # type: ignore[arg-type]


@contextmanager
def progress_lines() -> Iterator[Callable[[str, int], ProgressLine]]:
    """Show a line for each (title, total) that is asked for while the block runs, by any of its threads."""
    console = Screen(file=own_stderr())
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[text]}", markup=False, table_column=None),
    )
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        yield lambda title, total: ProgressLine(progress, progress.add_task(title, total=total, text=""))


@contextmanager
def progress_line(title: str, total: int) -> Iterator[ProgressLine]:
    """Show `title [bar] n/total text elapsed` while the block runs."""
    with progress_lines() as lines:
        yield lines(title, total)
