"""Which layer is at fault for a wrong output, concluded from which targets agree and which do not.

Key insight: every layer between the source model and the output can be swapped for another of its kind. The
file evaluated by TFLite's reference kernels clears or accuses the converter; XNNPACK against them, the cpu
kernel; fp32 against fp16 on one driver, the precision; one Vulkan driver against another, the driver or the
delegate's graph code; the host's drivers against a phone, what only the device does. Where the evidence that
would decide is missing, the word is `undecided`, and the line says what would decide.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from repro.verdicts.fitness import Fitness
from repro.verdicts.judge import judge
from repro.verdicts.subject import Subject
from repro.verdicts.verdict import Status
from runner import targets
from runner.errors import TargetUnavailable
from runner.run import Precision
from runner.runtime_version import Numbering, numbering
from runner.target import Target
from runner.targets import precisions_for


class Culprit(enum.StrEnum):
    """Where the fault lies."""

    CONVERTER = "converter"
    CPU_KERNEL = "cpu kernel"
    DELEGATE_GRAPH = "delegate graph"
    DRIVER = "driver"
    PRECISION = "precision"
    DEVICE_ONLY = "device only"
    UNDECIDED = "undecided"


@dataclass(frozen=True)
class Observation:
    """One output on one target, judged against torch float64 (or the file's own ops where there is no source)."""

    target: str
    precision: str
    runtime: str
    status: Status
    signature: str = ""

    @property
    def is_wrong(self) -> bool:
        return self.status not in (Status.PASS, Status.INVALID)

    @property
    def is_right(self) -> bool:
        return self.status is Status.PASS

    @property
    def failure(self) -> str:
        return f"{self.status} {self.signature}".strip()


@dataclass(frozen=True)
class Blame:
    """The word and the evidence that decided it."""

    word: Culprit
    because: str

    def __str__(self) -> str:
        return f"{self.word}: {self.because}"


def blame(evidence: Sequence[Observation]) -> Blame:
    """Blame for one output. Pure. INVALID observations decide nothing."""
    wrong = [o for o in evidence if o.is_wrong]
    if not wrong:
        return Blame(Culprit.UNDECIDED, "nothing fails" if evidence else "nothing was run")
    plain = _cpu(evidence)
    if plain:
        return plain
    device = [o for o in wrong if _kind(o) == "adb"]
    host = [o for o in evidence if _kind(o) == "gpu"]
    if device and not any(o.is_wrong for o in host):
        clears = [o for o in host if o.is_right and o.precision in {d.precision for d in device}]
        if clears:
            return Blame(
                Culprit.DEVICE_ONLY,
                f"{_names(device)} fails ({device[0].failure}), the host delegate is right on {_names(clears)}",
            )
        return Blame(Culprit.UNDECIDED, f"only {_names(device)} was run at this precision; a host driver would decide")
    return _gpu([o for o in host if not _is_excused(o)], evidence)


def _is_excused(observation: Observation) -> bool:
    """SwiftShader computes what is called fp16 in fp32 (measured): its pass there clears nothing."""
    return observation.precision == "fp16" and "swiftshader" in observation.target and observation.is_right


def _kind(observation: Observation) -> str:
    return observation.target.partition(":")[0]


def _names(observations: Sequence[Observation]) -> str:
    return ", ".join(dict.fromkeys(f"{o.target} {o.precision}" for o in observations))


def _cpu(evidence: Sequence[Observation]) -> Blame | None:
    reference = [o for o in evidence if o.target == "cpu:reference"]
    xnnpack = [o for o in evidence if o.target == "cpu"]
    if any(o.is_wrong for o in reference):
        bad = next(o for o in reference if o.is_wrong)
        if not xnnpack:
            return Blame(
                Culprit.UNDECIDED,
                f"TFLite's reference kernels disagree with torch ({bad.failure}); XNNPACK was not run",
            )
        if any(o.is_wrong for o in xnnpack):
            return Blame(
                Culprit.CONVERTER, f"TFLite's reference kernels and XNNPACK both disagree with torch ({bad.failure})"
            )
        return Blame(
            Culprit.CPU_KERNEL, f"TFLite's reference kernels fail ({bad.failure}) where XNNPACK agrees with torch"
        )
    if any(o.is_wrong for o in xnnpack):
        bad = next(o for o in xnnpack if o.is_wrong)
        if any(o.is_right for o in reference):
            return Blame(
                Culprit.CPU_KERNEL, f"XNNPACK fails ({bad.failure}) where TFLite's reference kernels agree with torch"
            )
        return Blame(
            Culprit.UNDECIDED, f"cpu fails ({bad.failure}); cpu:reference would tell the converter from the kernel"
        )
    if not any(o.is_right for o in (*reference, *xnnpack)):
        return Blame(
            Culprit.UNDECIDED, "no cpu target is known to agree with torch; cpu:reference would clear the converter"
        )
    return None


def _gpu(host: Sequence[Observation], evidence: Sequence[Observation]) -> Blame:
    wrong = [o for o in host if o.is_wrong]
    if not wrong:
        return Blame(
            Culprit.UNDECIDED, f"{_names([o for o in evidence if o.is_wrong])} fails and nothing compares with it"
        )
    narrow = [o for o in wrong if o.precision == "fp16"]
    wide_wrong = [o for o in wrong if o.precision == "fp32"]
    if narrow and not wide_wrong:
        same = [o for o in host if o.is_right and o.precision == "fp32" and o.target in {n.target for n in narrow}]
        if same:
            return Blame(Culprit.PRECISION, f"{_names(narrow)} fails ({narrow[0].failure}), {_names(same)} is right")
    deciding = wide_wrong or narrow
    level = deciding[0].precision
    note = _runtimes(host, level)
    here = [o for o in host if o.precision == level and o.runtime == deciding[0].runtime]
    failing = [o for o in here if o.is_wrong]
    right = [o for o in here if o.is_right]
    own = numbering(deciding[0].runtime)
    apart = [o for o in host if o.precision == level and numbering(o.runtime) is not own]
    # LiteRT.js runs over WebGPU as LiteRT does: another build and another driver.
    is_other_api = Numbering.LITERT_LM in {own, *(numbering(o.runtime) for o in apart)}
    elsewhere = "over the other API" if is_other_api else "in the other build"
    if len(failing) == 1 and not right and apart:
        # The delegate over OpenCL, over WebGPU and in a browser share their graph code, and not their drivers.
        alike = [o for o in apart if o.failure == failing[0].failure]
        if alike:
            two = "over two APIs" if is_other_api else "in two builds"
            both = f"{_names([*failing, *alike])} fail alike ({failing[0].failure}), {two}; the cpu is right"
            return Blame(Culprit.DELEGATE_GRAPH, both + note)
        others = ", ".join(f"{o.target} {o.failure}" for o in apart)
        return Blame(
            Culprit.UNDECIDED,
            f"{_names(failing)} fails ({failing[0].failure}), and {elsewhere}: {others}; a second driver of the "
            f"same {'API' if is_other_api else 'build'} would tell the driver from the delegate{note}",
        )
    if failing and right:
        return Blame(Culprit.DRIVER, f"{_names(failing)} fails ({failing[0].failure}), {_names(right)} is right{note}")
    if len({o.target.partition("@")[0] for o in failing}) >= 2:
        failures = sorted({o.failure for o in failing})
        if len(failures) == 1:
            reason = f"{_names(failing)} fail alike ({failures[0]}), the cpu is right{note}"
            if apart:
                reason += f"; {elsewhere}: {', '.join(f'{o.target} {o.failure}' for o in apart)}"
            return Blame(Culprit.DELEGATE_GRAPH, reason)
        each_failure = ", ".join(f"{o.target} {o.failure}" for o in failing)
        return Blame(Culprit.UNDECIDED, f"the drivers fail differently ({each_failure}){note}")
    if failing[0].status is Status.REFUSED:
        return Blame(Culprit.DELEGATE_GRAPH, f"{_names(failing)} refused before any driver was asked{note}")
    return Blame(
        Culprit.UNDECIDED, f"only {_names(failing)} was run ({failing[0].failure}); a second driver would decide{note}"
    )


def _runtimes(host: Sequence[Observation], level: str) -> str:
    """One runtime against another, as a remark: it dates a fault, it does not place it."""
    own = next(numbering(o.runtime) for o in host if o.is_wrong and o.precision == level)
    at_level = [o for o in host if o.precision == level and numbering(o.runtime) is own]
    bad = {o.runtime for o in at_level if o.is_wrong}
    fixed = sorted({o.runtime for o in at_level if o.is_right} - bad)
    if not fixed:
        return f"; in every runtime run ({', '.join(sorted(bad))})" if len(bad) > 1 else ""
    return f"; fails in LiteRT {', '.join(sorted(bad))}, right in {', '.join(fixed)}"


def gather(
    subject: Subject,
    target_names: Sequence[str] = (),
    *,
    also: str = "",
    precisions: str = "both",
    runtimes: Sequence[str | None] = (None,),
    fitness_of: Callable[[Target, Precision], Fitness] | None = None,
) -> list[list[Observation]]:
    """Run a subject on everything that can tell layers apart; observations[i] are those of output i.

    target_names: full names; empty for cpu:reference, cpu and every usable Vulkan driver of this machine. also: one
    more, where it failed. runtimes: versions (None: the newest that is here); a target that is numbered otherwise runs
    its own newest. fitness_of: what a target's controls say; failures of a target that fails them are left out, as is a
    target that is not available.
    """
    chosen = list(target_names) or ["cpu:reference", "cpu", *_drivers()]
    by_output: list[list[Observation]] = [[] for _ in subject.graph.outputs]
    for version in runtimes:
        for target_name in dict.fromkeys([*chosen, *filter(None, [also])]):
            fitting = version if version and numbering(version) is targets.numbering_of(target_name) else None
            for observation, output in _observe(subject, target_name, precisions, fitting, fitness_of):
                for i in range(len(by_output)) if output < 0 else (output,):
                    by_output[i].append(observation)
    return by_output


def _drivers() -> list[str]:
    return [info.name for info in targets.available() if info.usable and info.name.startswith("gpu:")]


def _observe(
    subject: Subject,
    target_name: str,
    precisions: str,
    version: str | None,
    fitness_of: Callable[[Target, Precision], Fitness] | None,
) -> Iterator[tuple[Observation, int]]:
    try:
        with targets.open_target(target_name, runtime=version) as target:
            for precision in precisions_for(target_name, precisions):
                run = target.run(subject.job(precision))
                verdicts = judge(run, subject, metrics="none")
                right = all(verdict.status is Status.PASS for verdict in verdicts)
                if not right and fitness_of is not None and fitness_of(target, precision).is_unfit:
                    verdicts = tuple(verdict for verdict in verdicts if verdict.status is Status.PASS)
                for verdict in verdicts:
                    seen = (verdict.status, verdict.signature)
                    yield Observation(target_name, str(precision), run.fingerprint.runtime, *seen), verdict.output
    except TargetUnavailable:
        return
