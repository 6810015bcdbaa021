"""What a person sees of a campaign: a table of verdicts by family, the known bugs, the news, a summary."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence

from rich.table import Table

from repro.campaigns.campaign import CaseResult
from repro.campaigns.expectations import Standing
from repro.display.console import Screen, cell, print_lines
from repro.display.junit import TestRow
from repro.records.lines import Tone, counted
from repro.verdicts.fitness import Fitness
from repro.verdicts.verdict import Status, Verdict
from runner.runtime_version import spoken


def family(case: str) -> str:
    return case.partition("/")[0]


def print_campaign(
    console: Screen,
    results: Sequence[CaseResult],
    *,
    controls: frozenset[str],
    note: Callable[[str], str],
    verbose: bool,
    unfit: Sequence[Fitness] = (),
) -> None:
    """Table by family, one line per wrong output, then the summary. At most a screen unless verbose.

    note: what to say of a finding, by its slug, behind its name. unfit: the targets that fail their controls.
    """
    targets = list(dict.fromkeys(r.target for r in results))
    for target in targets:
        _print_target(console, [r for r in results if r.target == target], controls, note, verbose)
    if unfit:
        print_lines(console, [one.line() for one in unfit])


def _print_target(
    console: Screen,
    results: Sequence[CaseResult],
    controls: frozenset[str],
    note: Callable[[str], str],
    verbose: bool,
) -> None:
    first = results[0]
    driver = f", {first.fingerprint['driver']}" if first.fingerprint["driver"] else ""
    console.say((first.target, Tone.HEAD), f"  {spoken(first.runtime)}, {first.adapter or 'cpu'}{driver}")
    table = Table(box=None, pad_edge=False, header_style="dim")
    for heading in ("family", "outputs", "pass", "controls pass", "known bugs", "news"):
        table.add_column(heading, justify="left" if heading == "family" else "right")
    by_family: dict[str, Counter[str]] = defaultdict(Counter)
    for result in results:
        counts = by_family[family(result.case)]
        for verdict, comparison in zip(result.verdicts, result.comparisons, strict=True):
            counts["outputs"] += 1
            counts["pass"] += verdict.status is Status.PASS
            counts["known"] += comparison.standing in (Standing.KNOWN, Standing.FLAKE)
            counts["news"] += comparison.standing.is_news
        if result.case in controls:
            counts["controls"] += 1
            counts["controls pass"] += all(v.status is Status.PASS for v in result.verdicts)
    for name, counts in by_family.items():
        news = cell(str(counts["news"]), Tone.BAD if counts["news"] else Tone.PLAIN)
        held = f"{counts['controls pass']}/{counts['controls']}" if counts["controls"] else "-"
        table.add_row(name, str(counts["outputs"]), str(counts["pass"]), held, str(counts["known"]), news)
    console.print(table)
    _print_known(console, results, note, verbose)
    _print_news(console, results)


def wrong_line(case: str, precision: str, verdict: Verdict) -> str:
    """`case fp32  output 1 'acc' FAIL alias(x): holds input 0 'x' (bit-exact, 256/256)`."""
    return f"{case} {precision}  {verdict.where} {verdict.said}: {verdict.held}"


def _print_known(console: Screen, results: Sequence[CaseResult], note: Callable[[str], str], verbose: bool) -> None:
    groups: dict[str, list[tuple[CaseResult, Verdict, str]]] = defaultdict(list)
    for result in results:
        for verdict, comparison in zip(result.verdicts, result.comparisons, strict=True):
            if comparison.standing is Standing.KNOWN and comparison.expectation is not None:
                groups[comparison.expectation.finding].append((result, verdict, comparison.expectation.reason))
    if not groups:
        return
    console.print()
    console.say(("known bugs that show", Tone.HEAD), " (expected; what each is: repro finding show NAME)")
    # The most frequent first; what has no finding of its own last.
    for finding, members in sorted(groups.items(), key=lambda g: (not g[0], -len(g[1]), g[0])):
        cases = len({r.case for r, _, _ in members})
        said = ", ".join(sorted({f"{v.status} {v.signature}".strip() for _, v, _ in members}))
        others = f"no finding of their own{'' if verbose else '; -v says of each why it is expected'}"
        about = note(finding) if finding else others
        counts = f"  {said}: {counted(len(members), 'output')} of {counted(cases, 'case')}"
        console.say("  ", (finding or "others", Tone.WARN), counts, f"; {about}" if about else "")
        for result, verdict, reason in members if verbose else members[:1]:
            shown = wrong_line(result.case, result.precision, verdict)
            console.print(f"    {shown if verbose else shown[:160]}")
            if not finding:
                console.print(f"      why it is expected: {reason}")


def _print_news(console: Screen, results: Sequence[CaseResult]) -> None:
    messages = [c.message for r in results for c in r.comparisons if c.standing.is_news]
    if messages:
        console.print()
        console.say(("news", Tone.BAD))
        for message in messages:
            console.print(f"  {message}")
    console.print()


def summary_line(results: Sequence[CaseResult], seconds: float, seed: str) -> str:
    """The last line: counts, time, the seed to give back."""
    outcomes = Counter(c.standing for r in results for c in r.comparisons)
    news = sum(n for outcome, n in outcomes.items() if outcome.is_news)
    cases = len({r.case for r in results})
    cached = sum(r.cached for r in results)
    return (
        f"{counted(cases, 'case')}, {counted(sum(outcomes.values()), 'output')}: {outcomes[Standing.PASSED]} passed, "
        f"{counted(outcomes[Standing.KNOWN], 'known bug')}, {counted(outcomes[Standing.FLAKE], 'flake')}, {news} news; "
        f"{cached} of {counted(len(results), 'run')} unchanged and not run again; {seconds:.1f} s; seed {seed}"
    )


def exit_code(results: Sequence[CaseResult], unfit: Sequence[Fitness] = ()) -> int:
    """1: news on a target that is fit. 3: on others only. Else 0."""
    void = {one.cell for one in unfit}
    if any(result.is_news for result in results if result.cell not in void):
        return 1
    return 3 if unfit else 0


def junit_rows(results: Sequence[CaseResult], unfit: Sequence[Fitness] = ()) -> list[TestRow]:
    """One row per output; known bugs are skipped with their reason.

    A target that fails its controls is one failure, in a row of its own, and its news are skipped.
    """
    rows = [TestRow(f"{one.target}.controls", f"controls[{one.precision}]", failure=one.line().text) for one in unfit]
    void = {one.cell for one in unfit}
    for result in results:
        seconds = sum(result.stages.values()) / max(1, len(result.verdicts))
        for verdict, comparison in zip(result.verdicts, result.comparisons, strict=True):
            known = comparison.standing in (Standing.KNOWN, Standing.FLAKE)
            reason = comparison.expectation.reason if comparison.expectation else comparison.expected
            skipped = f"known: {comparison.expected}: {reason}" if known else ""
            message = comparison.message if comparison.standing.is_news else ""
            if message and result.cell in void:
                message, skipped = "", f"the target is UNFIT: {message}"
            rows.append(
                TestRow(
                    suite=f"{result.target}.{family(result.case)}",
                    name=f"{result.case}[{result.precision}] output {verdict.output} {verdict.name}",
                    seconds=seconds,
                    failure=message,
                    skipped=skipped,
                    log=result.log,
                )
            )
    return rows
