"""How good is the judge? Injected faults it must notice, healthy runs it must not accuse.

`python -m repro.selftest.judge_truth` (`make oracle`) runs healthy models on real targets (`repro.selftest.healthy`),
judges them (no alarm may sound), then injects every fault of `repro.selftest.faults` into at least a hundred of their
outputs (each that is no noise must be noticed). Peers' rules are applied to the same data beside ours. Exit 1 if a
fault is missed or an alarm is false, 3 if there was nothing to try the judge on.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from rich.table import Table

from repro.selftest.faults import FAULTS
from repro.selftest.healthy import Sample, healthy_samples, target_plan
from repro.selftest.injection import PEERS, Tally, inject
from repro.selftest.judge_table import Tallies, markdown, print_faults, share, write_into
from repro.verdicts.verdict import Status
from runner.errors import NothingRan, ReproError
from runner.run import Precision
from runner.stopping import exit_code, stop_as_interrupted


@dataclass
class Healthy:
    """What the judge made of healthy runs. counts: outputs by target, precision and status."""

    runs: set[tuple[str, str]] = field(default_factory=set)
    counts: Counter[str] = field(default_factory=Counter)
    alarms: list[str] = field(default_factory=list)
    peer_alarms: Counter[str] = field(default_factory=Counter)
    takes_faults: dict[str, list[Sample]] = field(default_factory=dict)

    def add(self, sample: Sample) -> None:
        """Judge one output."""
        outputs = [o[sample.index] for o in sample.run.outputs]
        status = sample.as_run()
        key = f"{sample.run.fingerprint.target} {sample.precision}"
        self.runs.add((sample.subject.name, key))
        self.counts[f"{key} {status}"] += 1
        if status is Status.FAIL:
            self.alarms.append(sample.where)
        for peer, accepts in PEERS.items():
            if not all(accepts(r[sample.index], o) for r, o in zip(sample.subject.references, outputs, strict=True)):
                self.peer_alarms[peer] += 1
        if status is Status.PASS and sample.takes_faults:
            self.takes_faults.setdefault(key, []).append(sample)

    def chosen(self, wanted: int) -> list[Sample]:
        """`wanted` outputs or a few more, as many of every target and precision, spread over its models."""
        each = -(-wanted // max(1, len(self.takes_faults)))
        return [
            samples[i * len(samples) // min(each, len(samples))]
            for samples in self.takes_faults.values()
            for i in range(min(each, len(samples)))
        ]


def main(argv: Sequence[str] | None = None) -> int:
    """Print the two tables. Exit 0 if nothing was missed and no alarm was false, else 1.

    Raises NothingRan where no healthy output came to be, or none that a fault can be put into.
    """
    parser = argparse.ArgumentParser(
        prog="python -m repro.selftest.judge_truth", description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument("--reduced", action="store_true", help="every fault kind, few outputs: under a minute")
    parser.add_argument("--seed", type=int, default=1, help="of inputs and of where faults are put (default 1)")
    parser.add_argument("--document", type=Path, metavar="FILE", help="also write the table into this document")
    options = parser.parse_args(argv)
    console = Console(soft_wrap=True, width=130)
    console.print(f"seed {options.seed}{', reduced' if options.reduced else ''}", highlight=False)
    healthy = Healthy()
    for sample in healthy_samples(options.seed, options.reduced, console):
        healthy.add(sample)
    chosen = healthy.chosen(12 if options.reduced else 130)
    if not chosen:
        outputs = sum(healthy.counts.values())
        seen = f"{outputs} healthy outputs, none of them with room for a fault" if outputs else "no healthy output"
        raise NothingRan(f"{seen}: the judge was not tried; see `repro doctor`")
    tallies = {fault.name: {precision: Tally() for precision in Precision} for fault in FAULTS}
    for sample in chosen:
        for fault in FAULTS:
            inject(sample, fault, options.seed, tallies[fault.name][sample.precision])
    print_faults(console, tallies, len(chosen))
    code = _conclude(console, tallies, healthy, len(chosen))
    if options.document is not None:
        write_into(options.document, markdown(tallies, _about(healthy, len(chosen), options)))
    return code


def _about(healthy: Healthy, chosen: int, options: argparse.Namespace) -> list[str]:
    """What was measured, when and on what machine."""
    ran = ", ".join(f"{name} {precision}" for name, precision in target_plan(options.reduced))
    runs, outputs, alarms = len(healthy.runs), sum(healthy.counts.values()), len(healthy.alarms)
    machine = f"{platform.machine()}, {os.cpu_count()} cores, {platform.system()}"
    return [
        f"{datetime.now(UTC):%Y-%m-%d}, {machine}, seed {options.seed}.",
        f"{ran}.",
        f"{runs} healthy runs, {outputs} outputs, {alarms} false alarms;",
        f"faults in {chosen} of the outputs.",
        "Of two numbers the first is fp32's.",
    ]


def _conclude(console: Console, tallies: Tallies, healthy: Healthy, injected_outputs: int) -> int:
    outputs = sum(healthy.counts.values())
    table = Table(title=f"{len(healthy.runs)} healthy runs, {outputs} outputs: false alarms", title_justify="left")
    table.add_column("rule")
    table.add_column("false alarms", justify="right")
    table.add_row("ours", str(len(healthy.alarms)))
    for peer in PEERS:
        table.add_row(peer, f"{healthy.peer_alarms[peer]} ({share(healthy.peer_alarms[peer], outputs)})")
    console.print(table)
    for key, count in sorted(healthy.counts.items()):
        console.print(f"  {key}: {count}", highlight=False)
    never = [name for name, of in tallies.items() if not any(tally.injected for tally in of.values())]
    missed = [f"{name}: {where}" for name, of in tallies.items() for tally in of.values() for where in tally.missed]
    for line in missed[:20]:
        console.print(f"  missed: {line}", highlight=False)
    for line in healthy.alarms[:20]:
        console.print(f"  false alarm: {line}", highlight=False)
    for name in never:
        console.print(f"  never injected: {name}", highlight=False)
    console.print(
        f"{len(missed)} missed, {len(healthy.alarms)} false alarms, {len(never)} kinds never injected, "
        f"{injected_outputs} outputs injected",
        highlight=False,
    )
    return 1 if missed or healthy.alarms or never else 0


def entry() -> None:
    """`python -m repro.selftest.judge_truth`: exit codes and one line for an error, as the `repro` command has them."""
    stop_as_interrupted()
    try:
        sys.exit(main())
    except KeyboardInterrupt as stopped:
        print("repro: interrupted; nothing of it is kept", file=sys.stderr)
        sys.exit(exit_code(stopped))
    except ReproError as problem:
        print(f"repro: {problem}", file=sys.stderr)
        sys.exit(problem.exit_code)


if __name__ == "__main__":
    entry()
