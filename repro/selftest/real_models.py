"""What `check` says of models that nobody here made: one table, each model in both precisions.

Key insight: an answer can be trusted where it is a PASS, or a FAIL, REFUSED or CRASH whose reason stands beside it. So
the table gives the reason of all that is no PASS, what it cost, and says of each model that has no answer why not.

    python -m models.public.collect
    python -m repro.selftest.real_models [PART...] [--target T] [--document docs/real-models.md]
    python -m repro.selftest.real_models --partial [PART...] [--document docs/real-models.md]
    python -m models.public.checkouts FOLDER...
    python -m repro.selftest.real_models --of test-models [PART...] [--document docs/test-models.md]

The first and the fourth collect the models of one set into the cache folder; PART is a part of a file's name there, and
all are meant without one, the smallest first. With `--partial` the cpu stands beside the GPU, as apps ship a model,
and all that the GPU alone refused are meant. A file with several signatures is as many models. Answers are kept, so
that the set can be walked in pieces; the newest of a model and precision counts. Each file has a process of its own:
its memory is its own, and one that takes too long takes none of the others with it.
"""

from __future__ import annotations

import argparse
import itertools
import json
import resource
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from resource import RUSAGE_CHILDREN, RUSAGE_SELF

from cases.graph import Graph
from models.public import checkouts, collect, photographs
from repro.hazards.lint import foretold
from repro.selftest.judge_table import write_into
from repro.trials.load import load_subject, signatures_of
from repro.trials.part import Part
from repro.trials.partial import Partial, check_partial
from repro.trials.telling_feeds import among_its_feeds, check_tellingly
from repro.verdicts.verdict import Status, Verdict
from runner import children, targets
from runner.cache import cache_root
from runner.errors import BadInput, NothingRan, ReproError
from runner.host.pool import HostTarget
from runner.run import Precision

MODULE = "repro.selftest.real_models"
COMMAND = f"python -m {MODULE}"
COLLECTED_BY = {collect.FOLDER: "models.public.collect", checkouts.FOLDER: "models.public.checkouts FOLDER..."}
"""Each set of models, by its folder in the cache, and the module that collects it."""
RESULTS = "results.jsonl"
PARTIAL_RESULTS = "partial.jsonl"
NO_ANSWER = "no answer"
_MINUTES = 120.0  # seconds of the first time, from which on there is no second
_WORST = (Status.CRASH, Status.HANG, Status.REFUSED, Status.NOT_RESIDENT, Status.FAIL, Status.INVALID, Status.PASS)


@dataclass(frozen=True)
class Answer:
    """What was said of one model in one precision.

    said: the worst verdict with its signature, or `no answer`. reason: of that verdict, in one line. seconds: of the
    clock, the first time, with reading the file, compiling and all that is made of it. peak_mib: the most memory that
    the judging process has held up to then. again_seconds: the second time, when shaders and floors are there; None
    where the first took minutes. worker_mib: the largest of its workers, which hold LiteRT and the driver. division:
    with the cpu beside the GPU, how many ops went where, and the verdicts on what crosses.
    """

    model: str
    precision: str
    ops: int
    outputs: int
    said: str
    reason: str
    seconds: float
    peak_mib: int
    again_seconds: float | None = None
    worker_mib: int | None = None
    division: str = ""


def main(argv: Sequence[str] | None = None) -> int:
    """Print a line per model and precision as it is answered; exit 1 where one has no answer."""
    parser = argparse.ArgumentParser(prog=COMMAND, description="check real models")
    parser.add_argument("parts", nargs="*", metavar="PART")
    parser.add_argument("--of", choices=COLLECTED_BY, default=collect.FOLDER, help="the set that is meant")
    parser.add_argument(
        "--partial", action="store_true", help="with the cpu beside the GPU; those that the GPU refused"
    )
    parser.add_argument("--target", default="gpu:lavapipe")
    parser.add_argument("--limit", type=float, default=1800, metavar="SECONDS", help="for one model, default 1800")
    parser.add_argument("--document", type=Path, metavar="FILE", help="write the table of all answers into it")
    parser.add_argument("--here", type=Path, metavar="MODEL", help="answer for one file, in this process")
    options = parser.parse_args(argv)
    if options.here is not None:
        asked = partial_answers if options.partial else answers
        for answer in asked(options.here, options.target):
            keep(answer, options.of, partial=options.partial)
        return 0
    found = sorted((cache_root() / options.of).glob("*.tflite"), key=lambda path: (path.stat().st_size, path.name))
    if not found:
        raise NothingRan(f"no model is there yet; run `python -m {COLLECTED_BY[options.of]}` first")
    refused = {one.model.partition(":")[0] for one in kept(options.of) if one.said.startswith(Status.REFUSED)}
    for path in found:
        is_meant = any(part in path.name for part in options.parts) or not options.parts
        if is_meant and (options.parts or not options.partial or path.stem in refused):
            for answer in in_process_of_its_own(
                path, options.target, options.limit, options.of, partial=options.partial
            ):
                cost = f"{answer.seconds:.1f} s, again {_or_nothing(answer.again_seconds)} s, {answer.peak_mib} MiB"
                print(f"{answer.model} {answer.precision} {answer.said} ({cost})  {answer.reason}", flush=True)
    there = {path.stem for path in found}
    known = [answer for answer in kept(options.of, partial=options.partial) if answer.model.partition(":")[0] in there]
    if options.document is not None:
        rows = partial_table(known) if options.partial else table(known, options.of)
        write_into(options.document, "\n".join(rows), written_by(options.of, partial=options.partial))
    return 1 if any(answer.said == NO_ANSWER for answer in known) else 0


def written_by(of: str, *, partial: bool = False) -> str:
    """The command that writes the table of a set."""
    return " ".join([COMMAND, *(["--of", of] if of != collect.FOLDER else []), *(["--partial"] if partial else [])])


def in_process_of_its_own(
    path: Path, target: str, limit_s: float, folder: str, *, partial: bool = False
) -> list[Answer]:
    """The answers for one file, which are kept; where its process ended without some, that is what is kept."""
    before = kept(folder, partial=partial)
    command = [sys.executable, "-m", MODULE, "--here", str(path), "--target", target, "--of", folder]
    command += ["--partial"] if partial else []
    try:
        ended = children.run(command, timeout_s=limit_s)
        why = f"its process ended with {ended.returncode}: {(ended.stderr.strip().splitlines() or [''])[-1]}"
    except subprocess.TimeoutExpired:
        why = f"it took longer than {limit_s:g} s"
    models = [name for name, _ in models_of(path)]
    given = [answer for answer in kept(folder, partial=partial) if answer.model in models and answer not in before]
    for name, precision in itertools.product(models, targets.precisions_for(target, "both")):
        if (name, precision) not in {(answer.model, answer.precision) for answer in given}:
            given.append(Answer(name, str(precision), 0, 0, NO_ANSWER, why, 0, 0))
            keep(given[-1], folder, partial=partial)
    return given


def models_of(path: Path) -> tuple[tuple[str, Part], ...]:
    """What a file holds, by name: each of its signatures is a model, where it has several.

    A file that cannot be read is one model, which has no answer.
    """
    shapes = next((model.shapes for model in collect.listed() if model.name == path.stem), {})
    try:
        signatures = signatures_of(path)
    except ReproError:
        signatures = ()
    if len(signatures) < 2:
        return ((path.stem, Part(shapes=shapes)),)
    return tuple((f"{path.stem}:{key}", Part(key, shapes)) for key in signatures)


def answers(path: Path, target_name: str) -> Iterator[Answer]:
    """What `check` says of each model of a file, in each precision that the target has."""
    files = photographs.of_model(path.stem, photographs.listed())
    given = {name: f"image:{','.join(map(str, parts))}" for name, parts in files.items()} or None
    for (name, part), precision in itertools.product(models_of(path), targets.precisions_for(target_name, "both")):
        graph, seconds = None, list[float]()
        with targets.open_target("cpu") as cpu, targets.open_target(target_name) as target:
            for _ in range(2):
                start = time.monotonic()
                try:
                    subject = load_subject(path, given, part=part)
                    graph = subject.graph
                    if given is not None:
                        subject = among_its_feeds(subject, precision)
                    said, reason = summary(check_tellingly(subject, target, cpu, precision).verdicts)
                    if said.startswith((Status.FAIL, Status.CRASH)):
                        reason = "; ".join(filter(None, (foreseen(graph), reason)))
                except ReproError as error:
                    said, reason = NO_ANSWER, str(error).replace(str(path), path.name)
                seconds.append(time.monotonic() - start)
                if seconds[0] > _MINUTES:
                    break
        ops, outputs = (len(graph.ops), len(graph.outputs)) if graph is not None else (0, 0)
        # A worker's memory is known once it has ended.
        own, worker = (resource.getrusage(who).ru_maxrss // 1024 for who in (RUSAGE_SELF, RUSAGE_CHILDREN))
        again = seconds[1] if len(seconds) > 1 else None
        yield Answer(name, str(precision), ops, outputs, said, reason, seconds[0], own, again, worker)


def partial_answers(path: Path, target_name: str) -> Iterator[Answer]:
    """What `check --partial` says of each model of a file, in each precision that the target has."""
    for (name, part), precision in itertools.product(models_of(path), targets.precisions_for(target_name, "both")):
        graph, division, start = None, "", time.monotonic()
        with targets.open_target("cpu") as cpu, targets.open_target(target_name) as target:
            if not isinstance(target, HostTarget):
                raise BadInput(f"--partial: {target.name} is no target of this host; give --target gpu")
            try:
                subject = load_subject(path, part=part)
                graph = subject.graph
                found = check_partial(subject, target, cpu, precision)
                said, reason = summary(found.checked.verdicts)
                reason, division = "; ".join(filter(None, (reason, found.note))), divided(found)
            except ReproError as error:
                said, reason = NO_ANSWER, str(error).replace(str(path), path.name)
        ops, outputs = (len(graph.ops), len(graph.outputs)) if graph is not None else (0, 0)
        own = resource.getrusage(RUSAGE_SELF).ru_maxrss // 1024
        seconds = time.monotonic() - start
        yield Answer(name, str(precision), ops, outputs, said, reason, seconds, own, division=division)


def divided(found: Partial) -> str:
    """How many ops went where, and how many of the tensors that cross have which verdict."""
    if found.log is None:
        return ""
    judged = Counter(border.verdict.said for border in found.borders if border.verdict is not None)
    crossing = ", ".join(f"{number} {said}" for said, number in sorted(judged.items()))
    said = f"crossing: {crossing}" if crossing else "none judged"
    return f"GPU {found.log.on_gpu}, cpu {found.log.on_cpu}; {said}"


def foreseen(graph: Graph) -> str:
    """The rules that name something in the graph as known to go wrong; empty where none does."""
    rules = sorted({str(hazard.rule) for hazard in foretold(graph)})
    return f"foreseen: {', '.join(rules)}" if rules else ""


def summary(verdicts: Sequence[Verdict]) -> tuple[str, str]:
    """The worst verdict, with how many outputs share it, and its reason."""
    worst = min(verdicts, key=lambda verdict: _WORST.index(verdict.status))
    alike = sum(verdict.said == worst.said for verdict in verdicts)
    count = f" ({alike} of {len(verdicts)} outputs)" if alike < len(verdicts) else ""
    reason = "" if worst.status is Status.PASS else "; ".join(part for part in (worst.reason, worst.holds) if part)
    return worst.said + count, reason


def keep(answer: Answer, folder: str = collect.FOLDER, *, partial: bool = False) -> None:
    """Add an answer to those of earlier runs; the newest of a model and precision counts."""
    path = cache_root() / folder / (PARTIAL_RESULTS if partial else RESULTS)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(asdict(answer)) + "\n")


def kept(folder: str = collect.FOLDER, *, partial: bool = False) -> list[Answer]:
    """The newest answer of each model and precision, by name."""
    path = cache_root() / folder / (PARTIAL_RESULTS if partial else RESULTS)
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    newest = {(one.model, one.precision): one for one in (Answer(**json.loads(line)) for line in lines)}
    return sorted(newest.values(), key=lambda one: (one.model, one.precision != "fp32"))


def table(known: Sequence[Answer], of: str = collect.FOLDER) -> Iterator[str]:
    """Markdown: the count of each answer, then a row per model and precision.

    Of test models, which are many and small, only those that are no PASS, without what they cost.
    """
    yield from _counts(known)
    if of == checkouts.FOLDER:
        yield from _what_is_no_pass(known)
        return
    yield "| model | ops | precision | answer | s | again | MiB | worker | reason |"
    yield "|---|---:|---|---|---:|---:|---:|---:|---|"
    for one in known:
        cost = f"{one.seconds:.1f} | {_or_nothing(one.again_seconds)} | {one.peak_mib} | {one.worker_mib or ''}"
        yield f"| {one.model} | {one.ops} | {one.precision} | {one.said} | {cost} | {_cell(one.reason)} |"


def partial_table(known: Sequence[Answer]) -> Iterator[str]:
    """Markdown, of answers with the cpu beside the GPU: the count of each, then a row per model and precision."""
    yield from _counts(known)
    yield "| model | precision | answer | division and what crosses | s | reason |"
    yield "|---|---|---|---|---:|---|"
    for one in known:
        division, reason = _cell(one.division), _cell(one.reason)
        yield f"| {one.model} | {one.precision} | {one.said} | {division} | {one.seconds:.1f} | {reason} |"


def _counts(known: Sequence[Answer]) -> Iterator[str]:
    counts = Counter((one.precision, one.said if one.said == NO_ANSWER else one.said.split()[0]) for one in known)
    for precision in Precision:
        parts = [f"{number} {said}" for (asked, said), number in sorted(counts.items()) if asked == precision]
        yield f"{precision}: {', '.join(parts) or 'none'}."
    yield ""


def _what_is_no_pass(known: Sequence[Answer]) -> Iterator[str]:
    """A row per model; one of both precisions where they say the same. Then what was never asked."""
    yield "| model | ops | precision | answer | reason |"
    yield "|---|---:|---|---|---|"
    by_model: dict[str, list[Answer]] = {}
    for one in known:
        by_model.setdefault(one.model, []).append(one)
    for answers_of_one in by_model.values():
        is_one = len({one.said for one in answers_of_one}) == 1
        precisions = ", ".join(one.precision for one in answers_of_one) if is_one else ""
        for one in answers_of_one[:1] if is_one else answers_of_one:
            if not one.said.startswith(Status.PASS):
                yield f"| {one.model} | {one.ops} | {precisions or one.precision} | {one.said} | {_cell(one.reason)} |"
    left_out = list(checkouts.kept_out())
    yield ""
    yield f"Left out, with the reason: {len(left_out)}."
    yield from (f"- {name}: {reason}" for name, reason in left_out)


def _cell(text: str) -> str:
    return text.replace("|", "/").replace("\n", " ")[:160]


def _or_nothing(seconds: float | None) -> str:
    return "" if seconds is None else f"{seconds:.1f}"


if __name__ == "__main__":
    sys.exit(main())
