"""What is covered: op x type, whether it is evaluated, drawn and in the catalogue, and what the delegate refuses.

`python -m repro.selftest.coverage` (`make coverage`) writes docs/coverage.md; `--ask` asks the delegate first.

Key insight: nothing in the table is claimed. What the delegate takes is its own answer, what is drawn is read from
graphs that are drawn, what the catalogue holds from its graphs; only the answers are kept, since they need a GPU.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import click

from cases.catalogue import catalogue
from cases.drawn_ops.cells import TYPES, Cell, cells
from cases.evaluation.evaluate import unsupported
from cases.graph import Graph
from repro.selftest.answers import FILE, Answers, ask, known_answers
from repro.selftest.draws.surface import surface
from repro.selftest.judge_table import write_into
from runner import targets
from runner.cache import write_atomically
from runner.errors import ReproError

COMMAND = "make coverage"
DOCUMENT = Path("docs/coverage.md")
MARKS = ("E", "D", "C")
"""Evaluated, drawn by lint-truth and the fuzzer, in the catalogue."""


@dataclass(frozen=True)
class Coverage:
    """The table. marks: of each cell that the delegate takes, those of MARKS that hold."""

    answers: Answers
    marks: Mapping[Cell, str]

    @property
    def gaps(self) -> dict[str, tuple[Cell, ...]]:
        """By mark, the cells that the delegate takes and that lack it."""
        return {mark: tuple(cell for cell, held in self.marks.items() if mark not in held) for mark in MARKS}


def coverage(answers: Answers) -> Coverage:
    """What is covered of what the delegate takes."""
    in_catalogue = {cell for case in catalogue() if case.graph is not None for cell in cells(case.graph())}
    marks = {}
    for cell in answers.taken:
        graph = drawn_for(cell)
        held = (not unsupported(graph), cell in cells(graph), cell in in_catalogue)
        marks[cell] = "".join(mark for mark, holds in zip(MARKS, held, strict=True) if holds)
    return Coverage(answers, marks)


def drawn_for(cell: Cell) -> Graph:
    """What lint-truth and the fuzzer draw when their choice falls on a cell."""
    return surface(random.Random("/".join(cell)), [cell])


def table(covered: Coverage) -> Iterator[str]:
    """In Markdown: the counts, a row per op kind, and under it what the delegate says of the cells with a number."""
    answers = covered.answers
    said = {answer.said: None for answer in answers.cells.values() if not answer.takes}
    numbers = {text: number for number, text in enumerate(said, 1)}
    taken = len(covered.marks)
    yield f"{answers.asked}: {taken} of {len(answers.cells)} cells are taken. Of these are"
    names = ("evaluated (E)", "drawn by `make lint-truth` and `repro fuzz` (D)", "in the catalogue (C)")
    yield "; ".join(f"{name}: {taken - len(covered.gaps[mark])}" for name, mark in zip(names, MARKS, strict=True)) + "."
    yield ""
    yield f"| op | {' | '.join(TYPES)} |"
    yield f"|---|{'---|' * len(TYPES)}"
    for kind in dict.fromkeys(kind for kind, _ in sorted(answers.cells)):
        row = []
        for type_ in TYPES:
            answer = answers.cells.get((kind, type_))
            if answer is None:
                row.append("")
            else:
                row.append(covered.marks[kind, type_] or "-" if answer.takes else f"[{numbers[answer.said]}]")
        yield f"| {kind} | {' | '.join(row)} |"
    yield ""
    for text, number in numbers.items():
        yield f"- [{number}] {text.replace('|', '/')}"


@click.command()
@click.option("--ask", "asks", is_flag=True, help="Ask the delegate about every cell first, and keep its answers.")
@click.option("--target", "target_name", default="gpu:lavapipe", show_default=True)
@click.option("--document", type=click.Path(path_type=Path), default=DOCUMENT, show_default=True)
def main(asks: bool, target_name: str, document: Path) -> None:
    """Write the table of what is covered."""
    if asks:
        (full,) = targets.resolve([target_name])
        with targets.open_target(full) as target, targets.open_target("cpu") as cpu:
            write_atomically(FILE, ask(target, cpu).as_json().encode())
        known_answers.cache_clear()
    covered = coverage(known_answers())
    write_into(document, "\n".join(table(covered)), COMMAND)
    for mark, missing in covered.gaps.items():
        click.echo(f"{mark}: {len(missing)} of {len(covered.marks)} cells lack it")


if __name__ == "__main__":
    try:
        main()
    except ReproError as error:
        click.echo(f"repro: {error}", err=True)
        sys.exit(error.exit_code)
