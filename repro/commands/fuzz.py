"""`repro fuzz`: new graphs are drawn and judged, and each new bug is reduced."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import click

from cases.catalogue import catalogue
from cases.graph import Graph
from cases.tflite.read import read_tflite
from repro.campaigns.controls import fitness
from repro.campaigns.shards import WHOLE, Shard
from repro.commands import elsewhere, options
from repro.commands.own_catalogue import say_own_catalogue
from repro.display import json_lines
from repro.display.console import Screen
from repro.findings.reader import showing_models
from repro.fuzzer.corpus import Corpus, known_patterns, only_hunt_in
from repro.fuzzer.hunt import Bug, Hunt, Progress
from repro.fuzzer.rotation import BLOCK, Place, hunt_in_turns
from repro.fuzzer.sources import Sources
from repro.hazards.lint import foretold
from repro.records.lines import Tone
from repro.records.own_folders import own_folders
from repro.remote.where import Where
from repro.selftest.answers import known_answers
from repro.trials.load import read_bytes
from repro.trials.presented import adapters_of
from repro.verdicts.references import OwnOps, opened_once
from runner import targets
from runner.cache import cache_root
from runner.errors import NothingRan
from runner.target import Target
from runner.targets import precisions_for


@click.command()
@options.targets
@options.runtime
@elsewhere.where
@options.fp32_or_more
@click.option("--seconds", type=options.NumberRange(min=0), default=60.0, show_default=True, help="How long to go on.")
@click.option("--graphs", type=click.IntRange(min=0), help="Stop after about this many judged graphs.")
@click.option("--seed", type=options.SEED, default=0, show_default=True, help="Decides every graph of the hunt.")
@click.option(
    "--corpus",
    type=click.Path(path_type=Path),
    help="Folder of the hunt; default in the project (repro.toml), else in the cache, one per seed.",
)
@click.option(
    "--model", "models", multiple=True, type=click.Path(path_type=Path), help="Also cut graphs from this file."
)
@options.stream_workers
@options.shard
@click.option("--json", "as_json", is_flag=True, help="One object per distinct bug on stdout, the summary last.")
@options.memory
@click.pass_context
def command(
    ctx: click.Context,
    target_names: tuple[str, ...],
    runtime: str | None,
    where: Where,
    precision: str,
    seconds: float,
    graphs: int | None,
    seed: int,
    corpus: Path | None,
    models: tuple[Path, ...],
    workers: int | None,
    shard: Shard | None,
    as_json: bool,
) -> None:
    """Draw graphs, run them on a target, judge them, reduce what fails, keep what is new.

    The same command goes on where it stopped; graph N of a seed is always the same graph. Failures
    that `repro lint` predicts are counted, not reduced. Exit 1 if a new bug was found, 3 if no graph was judged
    (no time, the target fails its own controls, or it refused them all), else 0.

    On several targets, or in both precisions, each block of graphs runs in another of these places: which, the seed and
    the block decide. What is found in two of them is one bug.

    \b
    1. repro fuzz --seconds 600 --seed 3
    2. repro fuzz --precision fp16 --model graph_a.tflite --corpus fuzz-corpus --json
    3. repro fuzz --target 'gpu:lavapipe@*' --target 'gpu:lavapipe+buffers@*' --precision both --seconds 3600
    4. repro fuzz --seconds 3600 --shard 1/3 --corpus 1    a third; the others elsewhere, and then: repro merge 1 2 3
    """
    if not seconds or graphs == 0:
        raise NothingRan("no graph is drawn in no time; give --seconds and --graphs above 0")
    names = where.resolve(target_names)
    places = [Place(name, each) for name in names for each in precisions_for(name, precision)]
    say_own_catalogue()
    own = own_folders()
    home = own.fuzz if own else cache_root() / "fuzz"
    named = (
        f"{names[0]}-{runtime or 'installed'}-{places[0].precision}" if len(places) == 1 else _digest(places, runtime)
    )
    folder = corpus or home / re.sub(r"[^\w.-]+", "-", f"{named}-{seed}{f'-{shard}' if shard else ''}")
    console = Screen(stderr=True, soft_wrap=True)
    sources = Sources(
        tuple(case.graph() for case in catalogue() if case.graph is not None),
        tuple(_read(path) for path in models),
        known_answers().taken,
    )
    with contextlib.ExitStack() as stack:
        stack.enter_context(only_hunt_in(folder))
        open_cpu = opened_once(stack, functools.partial(targets.open_target, "cpu", runtime=runtime))

        count = workers or targets.default_workers()
        reference = OwnOps(open_cpu, strict_shapes=True)
        live = stack.enter_context(console.status("starting"))

        def on_progress(progress: Progress) -> None:
            rate = progress.graphs / progress.seconds if progress.seconds else 0.0
            line = f"{progress.graphs} graphs, {rate:.0f}/s, {progress.known} known and {progress.new} new bugs"
            live.update(f"{line}  {progress.doing}".rstrip())

        def on_bug(bug: Bug) -> None:
            word = f"known ({bug.known})" if bug.known else ("NEW", Tone.BAD)
            kept = f"  {bug.candidate}" if bug.candidate else ""
            on = f", {bug.place}" if len(places) > 1 else ""
            console.say(word, f"  {bug.signature}: {bug.pattern}  graph {bug.graph_index}, {bug.origin}{on}{kept}")
            if as_json:
                click.echo(json_lines.dump(bug.__dict__))

        def hunt_on(target: Target, place: Place, store: Corpus) -> Hunt:
            adapters = adapters_of(place.target, place.precision)
            return Hunt(
                target,
                place.precision,
                reference,
                sources,
                store,
                known,
                on_progress,
                on_bug,
                functools.partial(foretold, adapters=adapters),
                in_turns=len(places) > 1,
            )

        known = known_patterns(showing_models())
        if len(places) == 1:
            target = stack.enter_context(where.open_target(names[0], runtime=runtime, workers=count))
            controls = fitness(target, places[0].precision)
            if controls.is_unfit:
                raise NothingRan(f"{names[0]} is {controls.reason}: what a hunt finds there would count for nothing")
            store = Corpus(folder, seed, f"{target.identity}|{places[0].precision}", shard=shard or WHOLE)
            _say_start(console, places, store, count)
            summary = hunt_on(target, places[0], store).run(seconds, graphs)
        else:
            store = Corpus(folder, seed, _digest(places, runtime), shard=shard or WHOLE)
            _say_start(console, places, store, count)

            @contextlib.contextmanager
            def open_round(place: Place) -> Iterator[Hunt | None]:
                with where.open_target(place.target, runtime=runtime, workers=count) as target:
                    controls = fitness(target, place.precision)
                    if controls.is_unfit:
                        console.say((f"passed over: {place} is {controls.reason}", Tone.WARN))
                    else:
                        console.print(f"from graph {store.state.next_index} on {place}")
                    yield None if controls.is_unfit else hunt_on(target, place, store)

            summary = hunt_in_turns(places, store.state, open_round, seconds, graphs, shard=store.shard)
    _show(console, summary)
    if as_json:
        click.echo(json_lines.dump(summary))
    if not summary["judged"]:
        raise NothingRan(
            f"{summary['graphs']} graphs were tried on {', '.join(map(str, places))} and none was judged; see above why"
        )
    ctx.exit(1 if summary["new"] else 0)


def _say_start(console: Screen, places: Sequence[Place], store: Corpus, count: int) -> None:
    state, folder = store.state, store.folder
    on = str(places[0]) if len(places) == 1 else f"{len(places)} places in turns of {BLOCK} graphs"
    console.print(f"seed {state.seed} on {on}, from graph {state.next_index}, {count} workers, corpus {folder}")


def _digest(places: Sequence[Place], runtime: str | None) -> str:
    """A name for a hunt in many places."""
    named = f"{runtime or 'installed'}|{', '.join(map(str, places))}"
    return f"{len(places)}-places-{hashlib.sha256(named.encode()).hexdigest()[:12]}"


def _read(path: Path) -> Graph:
    return read_tflite(read_bytes(path, "a .tflite to cut graphs from"), str(path))


def _show(console: Screen, summary: dict) -> None:
    if "distinct" not in summary:
        return
    console.print(
        f"{summary['graphs']} graphs in {summary['seconds']:.0f} s ({summary['graphs_per_s']:.0f}/s), "
        f"{summary['distinct']} distinct bugs: {summary['known']} known, {summary['new']} new in this session",
    )
    for title, counts in (
        ("graphs by place", summary.get("places", {})),
        ("verdicts", summary["verdicts"]),
        ("failures that the lint predicted", summary["known_by_rule"]),
        ("predicted by the lint and right", summary["overpredicted_by_rule"]),
        ("refusals", summary["refusals"]),
    ):
        if counts:
            console.print(f"  {title}: " + ", ".join(f"{k} {v}" for k, v in counts.items()))
