"""`repro finding`: list, show, new, measure, verify, render."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import click

from repro.commands import completion, options
from repro.commands.own_catalogue import say_own_catalogue
from repro.display.console import Screen, echo_line
from repro.display.json_lines import dump
from repro.display.progress import ProgressLine, progress_line
from repro.drawings.grid import grid_svg
from repro.findings import evidence, reader
from repro.findings.draft import draft_of, publish
from repro.findings.environments import Plans, plans_to_measure, plans_to_verify, targets_here, that_run, unmeasurable
from repro.findings.evidence import ClaimState
from repro.findings.finding import REPORT, Finding, FindingStatus, ModelFile, shortened
from repro.findings.grid import findings_grid
from repro.findings.new import new_finding
from repro.findings.report import render_report
from repro.findings.report_facts import by_backend
from repro.findings.restart_finding import load_restart, restart_slugs
from repro.findings.restart_report import render_issue
from repro.findings.seal import check_seal
from repro.findings.upstream import host_expectations, reaches_of
from repro.matrix.environments import environments_for
from repro.matrix.measure import journal_path
from repro.matrix.record import CellRecord
from repro.matrix.rows import rows_of
from repro.pages.of_finding import finding_page
from repro.pages.render import write_page
from repro.records.folders import finding_folders, is_installed, require_own_folders
from repro.records.journal import Journal
from repro.records.lines import Tone, counted
from repro.trials.load import read_bytes
from runner import targets
from runner.cache import write_atomically
from runner.errors import BadInput, NothingRan, TargetUnavailable
from runner.runtime_version import spoken, version_order
from runner.runtimes import KNOWN
from runner.scratch import ScratchFolder


@click.group()
def command() -> None:
    """Findings: one bug per folder, with its models, its evidence and its report.

    \b
    1. repro finding list
    2. repro finding show add-output-feeds-reduction --html finding.html
    3. repro finding verify --all                what still holds here
    4. repro finding new my-bug --model bad.tflite --control good.tflite
    """
    say_own_catalogue()


@command.command("list")
@click.option("--json", "as_json", is_flag=True, help="One object per finding on stdout.")
@click.option("-v", "--verbose", is_flag=True, help="What each claims and where it shows, too.")
def list_(as_json: bool, verbose: bool) -> None:
    """All findings, one line each: status, since when, what it is. Those of two starts come last."""
    screen = Screen(soft_wrap=True)
    restarts = restart_slugs()
    width = max(map(len, (*reader.slugs(), *restarts)), default=0)
    incomplete = 0
    for slug in reader.slugs():
        try:
            finding = reader.load(slug)
            on_gpu = [r for r in finding.evidence_records() if not r["target"].startswith("cpu")]
        except BadInput as error:
            # One finding that is still being written must not hide the others.
            incomplete += 1
            if as_json:
                click.echo(dump({"slug": slug, "status": "incomplete", "reason": str(error)}))
            else:
                screen.say((f"{slug:{width}}", Tone.HEAD), "  ", ("incomplete", Tone.WARN), f"  {error}")
            continue
        of_minimal = [r for r in on_gpu if r["case"] == finding.minimal.name]
        rows = {backend: rows_of(records)[0] for backend, records in by_backend(of_minimal).items() if records}
        if as_json:
            told = {b: {k: row[k] for k in ("since", "fixed_in", "sentence")} for b, row in rows.items()}
            said = told.pop(next(iter(told)))
            apart = {backend.where.replace(" ", "_").lower(): row for backend, row in told.items()}
            where = str(finding.minimal.where)
            click.echo(
                dump(
                    {
                        "slug": slug,
                        "title": finding.title,
                        "status": str(finding.status),
                        "claimed_in": where,
                        **said,
                        **apart,
                    }
                )
            )
            continue
        first = next((row for row in rows.values() if row["since"]), next(iter(rows.values())))
        since = f"since {spoken(first['since'])}" if first["since"] else "not here"
        fixed = f", fixed in {first['fixed_in']}" if first["fixed_in"] else ""
        screen.say((f"{slug:{width}}", Tone.HEAD), f"  {finding.status.word:9}  {since}{fixed}  {finding.short_title}")
        if verbose:
            only = f"only {finding.minimal.where}: " if finding.minimal.where else ""
            shows_in = "; ".join(": ".join(filter(None, (b.where, row["sentence"]))) for b, row in rows.items())
            screen.say(f"  {finding.claim}")
            screen.say((f"  {only}{shows_in}", Tone.ASIDE))
    for slug in restarts:
        _list_of_two_starts(slug, width, screen, as_json, verbose)
    if not as_json:
        more = "" if verbose else " (-v: what each claims)"
        left = f", {incomplete} incomplete" if incomplete else ""
        screen.say(
            f"{counted(len(reader.slugs()) + len(restarts), 'finding')}{left}{more}; next: repro finding show FINDING"
        )


def _list_of_two_starts(slug: str, width: int, screen: Screen, as_json: bool, verbose: bool) -> None:
    finding = load_restart(slug)
    said, status = finding.said, FindingStatus.CONFIRMED
    measured = sorted({answer["runtime"] for answer in finding.answers}, key=version_order)
    if as_json:
        of_two_starts = {"cache": said.cache, "step": said.step, "state": said.state, "targets": said.targets}
        click.echo(
            dump({"slug": slug, "title": said.title, "status": str(status), "measured_in": measured, **of_two_starts})
        )
        return
    seen = f"of two starts, in {' and '.join(map(spoken, measured))}"
    screen.say((f"{slug:{width}}", Tone.HEAD), f"  {status.word:9}  {seen}  {shortened(said.title)}")
    if verbose:
        screen.say(f"  {said.claim}")
        screen.say((f"  '{said.step}' is {said.state} on {', '.join(said.targets)}", Tone.ASIDE))


@command.command()
@click.argument("slug", metavar="FINDING", shell_complete=completion.reported)
@options.html
def show(slug: str, html_file: Path | None) -> None:
    """What is known of FINDING: its report, or with --html a page with its graph drawn.

    A finding whose files are not what was sealed is refused (exit 2). Of two starts there is the report alone.
    """
    if slug in restart_slugs():
        if html_file is not None:
            raise BadInput(f"'{slug}' is a finding of two starts, which has no page; leave --html out")
        click.echo(render_issue(load_restart(slug)), nl=False)
        return
    finding = reader.load(slug)
    check_seal(finding)
    if html_file is None:
        click.echo((finding.folder / REPORT).read_text(encoding="utf-8"), nl=False)
        return
    write_page(html_file, finding_page(finding))
    echo_line(str(html_file))


@command.command()
@click.argument("slug")
@click.option("--model", "model", type=click.Path(path_type=Path), required=True, help="The minimal .tflite.")
@click.option("--control", type=click.Path(path_type=Path), required=True, help="Its healthy twin.")
@click.option(
    "--wrong",
    type=int,
    multiple=True,
    default=(0,),
    show_default=True,
    help="Index of a wrong output. May be repeated.",
)
@click.option("--seed", type=options.SEED, default=0, show_default=True, help="Seed of the inputs.")
@options.memory
def new(slug: str, model: Path, control: Path, wrong: tuple[int, ...], seed: int) -> None:
    """Start a finding from a minimal model and its healthy twin.

    Writes its folder, with inputs and a finding.toml to fill in.
    `repro reduce` makes the minimal model. Fill in finding.toml, then `repro finding measure SLUG`.
    """
    folder = finding_folders()[-1]
    require_own_folders("a new finding", folder)
    minimal, twin = read_bytes(model, "the minimal .tflite"), read_bytes(control, "its healthy twin")
    path = new_finding(slug, minimal, twin, wrong, seed, folder, reader.slugs())
    echo_line(f"{path}: fill in what says TODO, then `repro finding measure {slug}`")


@command.command()
@click.argument("slugs", nargs=-1, shell_complete=completion.findings)
@click.option("--all", "everything", is_flag=True, help="All findings.")
@click.option(
    "--runtime", "runtimes", multiple=True, help=f"LiteRT version. May be repeated. Default: {', '.join(KNOWN)}."
)
@options.all_targets
@click.option(
    "--named",
    multiple=True,
    help="Target under another adapter name, measured in one runtime. Default: the best adapter as a Mali, "
    "and under the names that the finding knows.",
)
@click.option("--no-named", is_flag=True, help="Measure nothing under another adapter name.")
@click.option(
    "--add",
    is_flag=True,
    help="Keep what the evidence says of targets and runtimes that are not measured now, as for one more GPU.",
)
@options.again
@options.memory
@click.pass_context
def measure(
    ctx: click.Context,
    slugs: tuple[str, ...],
    everything: bool,
    runtimes: tuple[str, ...],
    target_names: tuple[str, ...],
    named: tuple[str, ...],
    no_named: bool,
    add: bool,
    again: bool,
) -> None:
    """Measure findings, and rewrite their evidence, report and seal.

    Each model runs on every runtime and driver, in both precisions.
    Over OpenCL that is LiteRT-LM's releases on one driver, in fp32.
    Models whose graph this project knows are written anew. A host's adapter presented as a Mali is measured
    in the newest release that shows the bug. Exit 1 if a measurement contradicts a claim.
    """
    if named and no_named:
        raise BadInput("--named and --no-named contradict each other; give one")
    findings = _writable(slugs, everything, "what is measured of a finding")
    if target_names:
        names = targets.resolve(target_names)
    else:
        names = [*targets_here(runtimes), *that_run(["cpu"], runtimes)]
        if not runtimes and not add and (lost := unmeasurable(findings, names)):
            raise TargetUnavailable(
                f"{lost} cannot be measured here and would be lost; `repro doctor` has the commands that bring "
                "what they need; or name with --target what to measure instead"
            )
    presented = targets.resolve(named) if named else [] if no_named else None
    plans = plans_to_measure(findings, environments_for(runtimes, names), presented)
    console = Screen(stderr=True)
    contradictions = 0
    with ScratchFolder("measure") as scratch:
        drafts = [draft_of(finding, Path(scratch)) for finding in findings]
        for draft in drafts:
            evidence.build_models(draft)
            evidence.write_arrays(draft)
        with Journal(journal_path()) as journal, progress_line("measure", _total(findings, plans)) as line:
            everything_measured = evidence.measure_findings(
                drafts, plans, journal, again=again, on_record=_stepper(line)
            )
        for finding, draft, measured in zip(findings, drafts, everything_measured, strict=True):
            if add:
                evidence.add_evidence(draft, measured)
            else:
                evidence.record_evidence(draft, measured)
            evidence.seal(draft, render_report(draft, finding.folder.parent))
            publish(draft, finding.folder)
    for finding, measured in zip(findings, everything_measured, strict=True):
        on_gpu = [r for r in measured.records if not r["target"].startswith("cpu")]
        contradicting = [c for c in evidence.claims(finding, on_gpu, []) if c.state is not ClaimState.HOLDS]
        contradictions += len(contradicting)
        counts = f"{counted(len(measured.records), 'cell')}, {len(contradicting)} contradict a claim"
        console.print(f"{finding.slug}: {counts}")
        _print_claims(console, contradicting)
    ctx.exit(1 if contradictions else 0)


@command.command()
@click.argument("slugs", nargs=-1, shell_complete=completion.findings)
@click.option("--all", "everything", is_flag=True, help="All findings.")
@click.option(
    "--runtime",
    "runtimes",
    multiple=True,
    help="May be repeated. Default: the installed one, and one that shows the bug; over OpenCL the newest.",
)
@options.all_targets
@click.option("--json", "as_json", is_flag=True, help="One object per claim and cell on stdout.")
@click.option("-v", "--verbose", is_flag=True, help="Every claim, not only those that do not hold.")
@options.memory
@click.pass_context
def verify(
    ctx: click.Context,
    slugs: tuple[str, ...],
    everything: bool,
    runtimes: tuple[str, ...],
    target_names: tuple[str, ...],
    as_json: bool,
    verbose: bool,
) -> None:
    """Check seals, measure every claim again here, say what holds.

    Cells of an adapter under another name are measured again where the evidence has such cells and no
    --target is given; cells over OpenCL and in a browser where `repro doctor` finds what they need, and else one
    line counts them. Exit 0 if all claims hold, 1 if one is fixed or changed, 2 if a file is not what was sealed, 3
    if there is no finding, nothing can run here, or not the runtime that a finding is about.
    """
    findings = _chosen(slugs, everything)
    for finding in findings:
        check_seal(finding)
        if render_report(finding).encode() != (finding.folder / REPORT).read_bytes():
            raise BadInput(
                f"finding '{finding.slug}' is refused: report.md is not what finding.toml and the evidence render to; "
                f"`repro finding render {finding.slug}` renders it"
            )
    names = targets.resolve(target_names) if target_names else targets_here(runtimes)
    if all(name.partition(":")[0] == "cpu" for name in names):
        raise NothingRan("findings are about the delegate, which the cpu has not; give a --target gpu or adb")
    plans = plans_to_verify(findings, names, runtimes, presented=not target_names)
    console = Screen(stderr=as_json)
    failed, unmeasured = 0, 0
    with ScratchFolder("verify") as scratch, progress_line("verify", _total(findings, plans)) as line:
        verified = evidence.verify(findings, plans, Path(scratch), _stepper(line))
    for finding, one in zip(findings, verified, strict=True):
        claims, missing = one.claims, one.missing
        failing = [c for c in claims if c.state is not ClaimState.HOLDS]
        failed += len(failing)
        if as_json:
            for claim in claims:
                click.echo(dump({"finding": finding.slug, **claim.__dict__}))
        states = " and ".join(sorted({c.state for c in failing}))
        state = (states, Tone.BAD) if failing else ("holds", Tone.GOOD)
        cells = len({(c.runtime, c.target, c.precision) for c in claims})
        held = f"{len(claims) - len(failing)} of {counted(len(claims), 'claim')}"
        counts = f"{held} in {counted(cells, 'cell')} ({finding.status})"
        console.say(f"{finding.slug}: ", state, f": {counts}")
        _print_claims(console, claims if verbose else failing)
        for reason in missing:
            console.say("  ", ("not measured", Tone.WARN), f": {reason}", soft_wrap=True)
        unmeasured += bool(missing)
        showing = [c for c in claims if (model := _of(finding, c.model)).where.covers(c.cell) and model.claimed(c.cell)]
        if showing and all(c.state is ClaimState.FIXED for c in showing):
            where = ", ".join(sorted({c.runtime for c in failing}, key=version_order))
            console.print(f"  fixed in {where}: this finding can be closed, its workarounds can go")
    if not target_names and not runtimes and (lost := unmeasurable(findings, names)):
        bring = "`repro doctor` has the commands that bring what they need"
        console.say(("not measured", Tone.WARN), f": {lost}; {bring}", soft_wrap=True)
    ctx.exit(1 if failed else 3 if unmeasured else 0)


@command.command()
@click.argument("slugs", nargs=-1, shell_complete=completion.findings)
@click.option("--all", "everything", is_flag=True, help="All findings.")
def render(slugs: tuple[str, ...], everything: bool) -> None:
    """Render the report of findings anew from what was measured, and seal it.

    For a claim that was reworded, or another look of the report: nothing is measured. A finding whose files are not
    what was sealed is refused (exit 2).
    """
    for finding in _writable(slugs, everything, "a report"):
        check_seal(finding)
        with ScratchFolder("render") as scratch:
            draft = draft_of(finding, Path(scratch))
            evidence.seal(draft, render_report(draft, finding.folder.parent))
            publish(draft, finding.folder)
        echo_line(f"{finding.slug}: report and seal are of today's templates")


@command.command()
@click.argument("slugs", nargs=-1, shell_complete=completion.findings)
@click.option("--all", "everything", is_flag=True, help="All findings.")
def sample(slugs: tuple[str, ...], everything: bool) -> None:
    """Take the sample run of findings anew, in the newest release that shows the bug; render and seal.

    The sample is what the report quotes in numbers. Nothing else is measured. A finding whose files are not what was
    sealed is refused (exit 2).
    """
    chosen = _writable(slugs, everything, "a sample run")
    with progress_line("sample", len(chosen)) as line:
        for finding in chosen:
            check_seal(finding)
            with ScratchFolder("sample") as scratch:
                draft = draft_of(finding, Path(scratch))
                evidence.record_sample(draft)
                evidence.seal(draft, render_report(draft, finding.folder.parent))
                publish(draft, finding.folder)
            line.advance(finding.slug)


@command.command()
@click.option(
    "--svg", "file", type=click.Path(path_type=Path, dir_okay=False), default=Path("findings.svg"), show_default=True
)
def grid(file: Path) -> None:
    """Draw all findings over all runtimes and drivers as one picture, out of what was measured.

    A row per finding, those of one root cause together and those that hit most first.
    """
    reaches = reaches_of(_chosen((), True), host_expectations())
    write_atomically(file, grid_svg(findings_grid(reaches)).encode())
    echo_line(str(file))


def _total(findings: Sequence[Finding], plans: Plans) -> int:
    """How many cells the plans have."""
    cells = {f.slug: sum(len(targets.precisions_for(e.target, "both")) for e in plans[f.slug]) for f in findings}
    return sum(cells[finding.slug] * len(finding.models) for finding in findings)


def _stepper(line: ProgressLine) -> Callable[[CellRecord], None]:
    return lambda record: line.advance(f"{record['runtime']} {record['target']} {record['case']}")


def _of(finding: Finding, name: str) -> ModelFile:
    return next(m for m in finding.models if m.name == name)


def _chosen(slugs: Sequence[str], everything: bool) -> list[Finding]:
    if everything == bool(slugs):
        raise BadInput("name findings, or give --all (`repro finding list` shows them)")
    for slug in sorted({*slugs} & {*restart_slugs()}):
        raise BadInput(f"'{slug}' is a finding of two starts; `repro restart` measures its model on each target")
    named = slugs or reader.slugs()
    if not named:
        raise NothingRan(reader.NO_FINDING)
    return [reader.load(slug) for slug in named]


def _writable(slugs: Sequence[str], everything: bool, what: str) -> list[Finding]:
    """The chosen findings, of all those that can be written. Raises BadInput where one is an installed package's."""
    chosen = _chosen(slugs, everything)
    if everything:
        chosen = [finding for finding in chosen if not is_installed(finding.folder)] or chosen
    for finding in chosen:
        require_own_folders(what, finding.folder)
    return chosen


def _print_claims(console: Screen, claims: Sequence[evidence.Claim]) -> None:
    tones = {
        ClaimState.HOLDS: Tone.GOOD,
        ClaimState.FIXED: Tone.HEAD,
        ClaimState.CHANGED: Tone.BAD,
        ClaimState.UNCLEAR: Tone.WARN,
    }
    for claim in claims:
        place = f"{spoken(claim.runtime)} {claim.target} {claim.precision}"
        said = f" {claim.model} ({claim.what}), {place}: {claim.said}"
        console.say("  ", (claim.state, tones[claim.state]), said, soft_wrap=True)
