"""What `check` says of models that nobody here made: one table, each model in both precisions.

Key insight: an answer can be trusted where it is a PASS, or a FAIL, REFUSED or CRASH whose reason stands beside it. So
the table gives the reason of all that is no PASS, what it cost, and says of each model that has no answer why not.

    python -m models.public.collect
    python -m repro.selftest.real_models [PART...] [--target T] [--document docs/real-models.md]

The first collects the models into the cache folder; PART is a part of a file's name there, and all are meant without
one. Answers are kept, so that the set can be walked in pieces; the newest of a model and precision counts.
"""

from __future__ import annotations

import argparse
import json
import resource
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from repro.selftest.judge_table import write_into
from repro.trials.check import check
from repro.trials.load import load_subject
from repro.verdicts.verdict import Status, Verdict
from runner import targets
from runner.cache import cache_root
from runner.errors import NothingRan, ReproError
from runner.run import Precision
from runner.target import Target

COMMAND = "python -m repro.selftest.real_models"
FOLDER = "public-models"
RESULTS = f"{FOLDER}/results.jsonl"
_WORST = (Status.CRASH, Status.HANG, Status.REFUSED, Status.NOT_RESIDENT, Status.FAIL, Status.INVALID, Status.PASS)


@dataclass(frozen=True)
class Answer:
    """What was said of one model in one precision.

    said: the worst verdict with its signature, or `no answer`. reason: of that verdict, in one line. seconds: of the
    clock, with compiling. peak_mib: the most memory that this process has held up to then; the workers' not included.
    """

    model: str
    precision: str
    ops: int
    outputs: int
    said: str
    reason: str
    seconds: float
    peak_mib: int


def main(argv: Sequence[str] | None = None) -> int:
    """Print a line per model and precision as it is answered; exit 1 where one has no answer."""
    parser = argparse.ArgumentParser(prog="python -m repro.selftest.real_models", description="check real models")
    parser.add_argument("parts", nargs="*", metavar="PART")
    parser.add_argument("--target", default="gpu:lavapipe")
    parser.add_argument("--document", type=Path, metavar="FILE", help="write the table of all answers into it")
    options = parser.parse_args(argv)
    found = sorted((cache_root() / FOLDER).glob("*.tflite"))
    if not found:
        raise NothingRan("no model is there yet; run `python -m models.public.collect` first")
    wanted = [path for path in found if not options.parts or any(part in path.name for part in options.parts)]
    with targets.open_target("cpu") as cpu, targets.open_target(options.target) as target:
        for path in wanted:
            for answer in answers(path, target, cpu):
                keep(answer)
                cost = f"{answer.seconds:.0f} s, {answer.peak_mib} MiB"
                print(f"{answer.model} {answer.precision} {answer.said} ({cost})  {answer.reason}", flush=True)
    known = kept()
    if options.document is not None:
        write_into(options.document, "\n".join(table(known)), COMMAND)
    return 1 if any(answer.said == "no answer" for answer in known) else 0


def answers(path: Path, target: Target, cpu: Target) -> Iterator[Answer]:
    """What `check` says of a model, in both precisions."""
    subject = None
    for precision in Precision:
        start = time.monotonic()
        try:
            subject = subject or load_subject(path)
            checked = check(subject, target, cpu, precision)
            said, reason = summary(checked.verdicts)
        except ReproError as error:
            said, reason = "no answer", str(error).replace(str(path), path.name)
        ops, outputs = (len(subject.graph.ops), len(subject.graph.outputs)) if subject is not None else (0, 0)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
        yield Answer(path.stem, str(precision), ops, outputs, said, reason, time.monotonic() - start, peak)


def summary(verdicts: Sequence[Verdict]) -> tuple[str, str]:
    """The worst verdict, with how many outputs share it, and its reason."""
    worst = min(verdicts, key=lambda verdict: _WORST.index(verdict.status))
    alike = sum(verdict.said == worst.said for verdict in verdicts)
    count = f" ({alike} of {len(verdicts)} outputs)" if alike < len(verdicts) else ""
    reason = "" if worst.status is Status.PASS else "; ".join(part for part in (worst.reason, worst.holds) if part)
    return worst.said + count, reason


def keep(answer: Answer) -> None:
    """Add an answer to those of earlier runs; the newest of a model and precision counts."""
    path = cache_root() / RESULTS
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(asdict(answer)) + "\n")


def kept() -> list[Answer]:
    """The newest answer of each model and precision, by name."""
    path = cache_root() / RESULTS
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    newest = {(one.model, one.precision): one for one in (Answer(**json.loads(line)) for line in lines)}
    return sorted(newest.values(), key=lambda one: (one.model, one.precision != "fp32"))


def table(known: Sequence[Answer]) -> Iterator[str]:
    """Markdown: the count of each answer, then a row per model and precision."""
    counts = Counter((one.precision, one.said.split()[0]) for one in known)
    for precision in Precision:
        parts = [f"{number} {said}" for (of, said), number in sorted(counts.items()) if of == precision]
        yield f"{precision}: {', '.join(parts) or 'none'}."
    yield ""
    yield "| model | ops | precision | answer | s | MiB | reason |"
    yield "|---|---:|---|---|---:|---:|---|"
    for one in known:
        reason = one.reason.replace("|", "/").replace("\n", " ")[:160]
        cost = f"{one.seconds:.0f} | {one.peak_mib}"
        yield f"| {one.model} | {one.ops} | {one.precision} | {one.said} | {cost} | {reason} |"


if __name__ == "__main__":
    sys.exit(main())
