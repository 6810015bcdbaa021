"""Where findings are measured, and measured again: targets, presented names, runtimes.

Key insight: LiteRT's releases, LiteRT-LM's and LiteRT.js's are numbered apart, and a target runs on those of one. So
whatever picks a runtime (the newest that shows a bug, the one to verify in) picks it for a target.

A device presented under a Mali's name takes the delegate's Mali paths. One runtime of it is evidence enough (the newest
release that shows the bug), unless the bug needs the name; its cells keep the full name, so that nobody reads them as a
Mali's.
"""

from __future__ import annotations

import fnmatch
from collections import Counter
from collections.abc import Mapping, Sequence

from repro.findings.finding import EVIDENCE, Finding
from repro.matrix.environments import Environment, default_targets, environments_for
from repro.matrix.record import CellRecord
from runner import targets
from runner.errors import TargetUnavailable
from runner.opencl.loader import can_be_presented
from runner.runtime_version import Numbering, is_release, numbering, version_order
from runner.runtimes import installed
from runner.targets import known_runtimes, numbering_of, runs_over_opencl

PRESENTED_AS = "Mali-G610"
IN_EVERY_VERSION = 3
"""Names per driver under which a finding that needs one is measured in every version: more names are more branches of
the delegate, not more history."""

Plans = Mapping[str, Sequence[Environment]]
"""The environments of each finding, by slug."""


def targets_here(runtimes: Sequence[str] = ()) -> list[str]:
    """The host's Vulkan adapters, the phones, the best target over OpenCL and the browser, as far as they run on the
    runtimes.

    runtimes: empty for any. Raises TargetUnavailable where there is none.
    """
    apart = [info.name for info in targets.available_opencl() if info.usable][:1]
    apart += [info.name for info in targets.available_web() if info.usable]
    try:
        names = [*default_targets(), *apart]
    except TargetUnavailable:
        if not apart:
            raise
        names = apart
    return that_run(names, runtimes)


def that_run(names: Sequence[str], runtimes: Sequence[str]) -> list[str]:
    """The targets that run on one of the runtimes; all of them where none is asked for."""
    return [n for n in names if not runtimes or any(numbering(r) is numbering_of(n) for r in runtimes)]


def plans_to_measure(
    chosen: Sequence[Finding], environments: Sequence[Environment], named: Sequence[str] | None
) -> Plans:
    """Each finding in all environments, and under presented names.

    named: presented targets; None for the best adapter here and the best target over OpenCL as a Mali, and under
    each name that the finding's claims and evidence have.
    """
    names = list(dict.fromkeys(e.target for e in environments))
    plans = {
        f.slug: [*environments, *_presented(f, _names_of(f, names) if named is None else named, environments)]
        for f in chosen
    }
    return {f.slug: _that_take(f, plans[f.slug]) for f in chosen}


def plans_to_verify(chosen: Sequence[Finding], names: Sequence[str], runtimes: Sequence[str], presented: bool) -> Plans:
    """Each finding on all targets, in the runtimes; presented: also under the presented names of its evidence.

    runtimes: empty for the installed one, and where the bug is not claimed to show in it, the newest measured one that
    shows it as well: without that a finding of older runtimes would be confirmed by passing everywhere. Over OpenCL
    and in a browser then the newest there is.
    """
    apart = [name for name in names if numbering_of(name) is not Numbering.LITERT]
    others = [name for name in names if name not in apart]
    plans = {}
    for finding in chosen:
        if runtimes:
            plain = environments_for(runtimes, names)
        else:
            versions = runtimes_to_verify(finding, installed().version)
            plain = environments_for(versions, others)
            plain += [e for name in apart for e in environments_for(known_runtimes(name)[-1:], [name])]
        also = _presented(finding, _in_evidence(finding, names), plain) if presented else []
        plans[finding.slug] = _that_take(finding, [*plain, *also])
    return plans


def _that_take(finding: Finding, environments: Sequence[Environment]) -> list[Environment]:
    """Those in which its control can be asked: where that is not taken, no cell says anything of the finding."""
    return [
        e for e in environments if not finding.control.in_browser or numbering(e.runtime) is not Numbering.LITERT_JS
    ]


def runtimes_to_verify(finding: Finding, installed: str) -> tuple[str, ...]:
    """LiteRT's versions to verify a finding in: the installed one, and one that shows the bug."""
    if not finding.minimal.shows or finding.minimal.where.has_runtime(installed):
        return (installed,)
    measured = {r["runtime"] for r in finding.evidence_records()}
    return (installed, *finding.showing(v for v in measured if numbering(v) is Numbering.LITERT)[-1:])


def unmeasurable(chosen: Sequence[Finding], names: Sequence[str]) -> str:
    """What of the evidence no target can measure again: `9 cells over OpenCL of 2 findings`; empty where nothing is."""
    lost = []
    for apart in (Numbering.LITERT_LM, Numbering.LITERT_JS):
        if any(numbering_of(name) is apart for name in names):
            continue
        cells = [sum(numbering(r["runtime"]) is apart for r in _evidence(finding)) for finding in chosen]
        if findings := sum(bool(count) for count in cells):
            lost.append(f"{sum(cells)} cells {apart.where} of {findings} finding{'s' * (findings > 1)}")
    return " and ".join(lost)


def _names_of(finding: Finding, names: Sequence[str]) -> list[str]:
    """The targets of a finding that are chosen for it: the best adapters under each name it knows or with the settings
    that it needs, and those of its evidence.

    A claim that names a driver is presented on that one only, and over OpenCL only what an OpenCL device can be called.
    """
    on_host = [name for name in names if name.startswith("gpu:") and not set("@+") & set(name)]
    on_host = [name for name in on_host if numbering_of(name) is not Numbering.LITERT_JS]
    best = {runs_over_opencl(name): name for name in reversed(on_host)}
    patterns = [p for model in finding.models for p in model.where.targets]
    claimed = [p for p in patterns if "@" in p and not set("*?[") & set(p.partition("@")[2])]
    presented = [f"{best[over]}@{PRESENTED_AS}" for over in sorted(best)]
    for pattern in claimed:
        driver, _, name = pattern.partition("@")
        drivers = [best[over] for over in sorted(best) if not over or can_be_presented(name)]
        presented += [f"{each}@{name}" for each in drivers if fnmatch.fnmatchcase(each, driver)]
    if finding.settings and False in best:
        presented.append(f"{best[False]}+{finding.settings}")
    return list(dict.fromkeys([*presented, *_in_evidence(finding, names)]))


def _in_evidence(finding: Finding, names: Sequence[str]) -> list[str]:
    """The targets of a finding's evidence with a name or settings, whose adapter is among the targets or that run over
    OpenCL too."""
    over_opencl = any(runs_over_opencl(name) for name in names)
    kept = {r["target"] for r in _evidence(finding) if set("@+") & set(r["target"])}
    bare = {name: name.partition("@")[0].partition("+")[0] for name in kept}
    return sorted(n for n in kept if bare[n] in names or (over_opencl and runs_over_opencl(n)))


def _evidence(finding: Finding) -> list[CellRecord]:
    """The sealed measurements; none where nothing was measured yet."""
    return finding.evidence_records() if (finding.folder / EVIDENCE).is_file() else []


def _presented(finding: Finding, named: Sequence[str], environments: Sequence[Environment]) -> list[Environment]:
    """The environments of presented targets: of the versions there, the newest release that shows the finding.

    Of all where the finding claims to show nowhere. Where it shows under names or with settings only, every version for
    the first of a driver; of more than IN_EVERY_VERSION the others in the oldest and the newest release.
    """
    versions = list(dict.fromkeys(e.runtime for e in environments if not e.target.startswith("cpu")))
    found: list[Environment] = []
    on_driver: Counter[str] = Counter()
    for target in named:
        driver = target.partition("@")[0]
        on_driver[driver] += 1
        own = [v for v in versions if numbering(v) is numbering_of(target)]
        releases = sorted((v for v in (finding.showing(own) or own) if is_release(v)), key=version_order)
        ends = releases[:1] + releases[-1:] if finding.shows_only else releases[-1:]
        every = finding.shows_only and on_driver[driver] <= IN_EVERY_VERSION
        found += [Environment(v, target) for v in dict.fromkeys(own if every else ends)]
    return [e for e in found if e not in environments]
