"""What the pytest plugin asks, answered in a process of its own: `python -m repro.for_pytest`, one JSON line each way.

Key insight: the plugin lives in a user's test process, where `models`, `cases` and `runner` may be the user's and where
a crash must take nothing along. So it imports nothing of ours, and asks over a pipe. Targets stay open between
questions, so that only the first costs seconds. The way back is a pipe of its own: what a library prints is no answer.
"""

from __future__ import annotations

import functools
import json
import os
import sys
import traceback
from contextlib import ExitStack, nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TextIO

from repro import api
from repro.campaigns import expectations
from repro.campaigns.expectations import Comparison, Standing, compare
from repro.records.strict import Misfit, fitted
from repro.trials.check import Checked
from repro.trials.load import load_subject
from repro.verdicts.references import Given, References
from repro.verdicts.subject import Subject
from runner import targets
from runner.errors import BadInput, ReproError
from runner.npz import read_arrays
from runner.scratch import sweep_all
from runner.stopping import stop_as_interrupted
from runner.target import Target


@dataclass(frozen=True)
class Question:
    """Is a model right on a target?

    model: path of a .tflite. inputs: an .npz of arrays in the model's order of inputs, empty for drawn ones.
    references: an .npz of what the outputs must be for these inputs, in their order; empty where the file's own ops
    say it. case: the name under which something may be expected of it; empty for the file's own name.
    """

    model: str
    target: str
    precision: str = "fp32"
    seed: int = 0
    inputs: str = ""
    references: str = ""
    case: str = ""


@dataclass(frozen=True)
class Answer:
    """outcome: `passed`, `known` (wrong exactly as expected), `failed`, or `error` where no verdict could be had.

    lines: what `repro check` says, or the error. reasons: why what is known is expected, or what is news.
    """

    outcome: str
    lines: tuple[str, ...]
    reasons: tuple[str, ...] = ()


class Answering:
    """A context with the targets that were asked for, open."""

    def __init__(self) -> None:
        self._stack = ExitStack()
        self._open = functools.cache(self._opened)

    def __enter__(self) -> Answering:
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()

    def _opened(self, name: str) -> Target:
        return self._stack.enter_context(targets.open_target(targets.resolve_one(name)))

    def answer(self, line: str) -> Answer:
        """To one question, whatever becomes of it."""
        try:
            return self._judged(fitted(Question, json.loads(line)))
        except ReproError as error:
            return Answer("error", (str(error),))
        except (Misfit, ValueError) as error:
            return Answer("error", (f"no question of this version of the plugin ({error})",))
        except Exception:  # noqa: BLE001 - the next question may be a better one
            return Answer("error", tuple(traceback.format_exc().splitlines()))

    def _judged(self, question: Question) -> Answer:
        cpu = self._open("cpu")
        subject = _subject(question, cpu)
        target = self._open(question.target)
        checked = api.check(subject, target=target, precision=question.precision, cpu=cpu)
        return concluded(checked, self._comparisons(checked, target, question.case or subject.name))

    def _comparisons(self, checked: Checked, target: Target, case: str) -> tuple[Comparison, ...]:
        ran = checked.run.fingerprint
        known = expectations.load_for(target, runtime=ran.runtime)
        return tuple(compare(v, case, ran.precision, ran.target, ran.runtime, known) for v in checked.verdicts)


def concluded(checked: Checked, comparisons: tuple[Comparison, ...]) -> Answer:
    """What a check and what was expected of it come to. Pure."""
    lines = tuple(one.text for one in checked.lines())
    if checked.is_unfit:
        return Answer("error", lines)
    seen = tuple(zip(checked.verdicts, comparisons, strict=True))
    news = tuple(c.message for _, c in seen if c.standing.is_news)
    known = tuple(c.expectation.reason for _, c in seen if c.standing is Standing.KNOWN and c.expectation)
    expected = all(v.is_clean or c.standing in (Standing.KNOWN, Standing.FLAKE) for v, c in seen)
    if news or not expected or checked.unjudged:
        return Answer("failed", lines, news)
    return Answer("known", lines, tuple(dict.fromkeys(known))) if known else Answer("passed", lines)


def _subject(question: Question, cpu: Target) -> Subject:
    inputs = question.inputs or None
    subject = load_subject(Path(question.model), inputs, question.seed, open_cpu=lambda: nullcontext(cpu))
    if not question.references:
        return subject
    arrays = read_arrays(Path(question.references))
    right = tuple(arrays[f"arr_{number}"] for number in range(len(arrays)))  # the names that numpy.savez gives
    declared = [subject.graph.tensors[name].shape for name in subject.graph.outputs]
    if [array.shape for array in right] != declared:
        shapes = f"{[array.shape for array in right]}, and the model's outputs have {declared}"
        raise BadInput(f"{subject.name}: what its outputs must be has the shapes {shapes}; give one array per output")
    references: References = (right,) * len(subject.feeds)
    return subject.judged_by(Given(references, "torch in float64"))


def serve(questions: TextIO, answers: TextIO) -> None:
    """Answer line by line until nobody asks any more."""
    with Answering() as answering:
        for line in questions:
            answers.write(json.dumps(asdict(answering.answer(line))) + "\n")
            answers.flush()


def main() -> None:
    stop_as_interrupted()
    sweep_all()
    with os.fdopen(os.dup(1), "w", encoding="utf-8") as answers:
        os.dup2(2, 1)
        serve(sys.stdin, answers)


if __name__ == "__main__":
    main()
