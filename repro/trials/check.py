"""Any .tflite on any target, without expectations: is each output what the file's own ops compute?

Key insight: two witnesses stand beside the target: the file's ops evaluated in float64 by us, and the cpu target
(XNNPACK). Where our evaluator knows every op, float64 is the truth and the cpu must agree with it;
where it does not, the cpu is the reference and the verdict says so.
"""

from __future__ import annotations

from dataclasses import dataclass

from cases.evaluation.evaluate import unsupported
from repro.verdicts.judge import judge
from repro.verdicts.subject import Subject
from repro.verdicts.verdict import Status, Verdict
from runner.run import Precision, Run
from runner.target import Target


@dataclass(frozen=True)
class Checked:
    """What a check found: the run, and a verdict per output.

    cpu_note: empty where the cpu target agrees with the reference (or is the reference), else one line.
    """

    subject: Subject
    run: Run
    verdicts: tuple[Verdict, ...]
    cpu_note: str

    @property
    def is_clean(self) -> bool:
        return all(verdict.status is Status.PASS for verdict in self.verdicts)

    @property
    def reference_from(self) -> str:
        """Which reference was used, and why."""
        return self.subject.reference.words(self.subject.graph)


def check(
    subject: Subject, target: Target, cpu: Target, precision: Precision, deadline_s: float | None = None
) -> Checked:
    """Run the subject on cpu and on the target, and judge the target's outputs.

    Raises TargetUnavailable or DeviceFailed, and NoReference where nothing says what is right; what the model does
    to a target is a verdict.
    """
    subject.require_reference()
    cpu_run = cpu.run(subject.job(Precision.FP32, deadline_s=deadline_s))
    run = cpu_run if target is cpu else target.run(subject.job(precision, deadline_s=deadline_s))
    return Checked(subject, run, judge(run, subject), _cpu_note(subject, cpu_run))


def _cpu_note(subject: Subject, cpu_run: Run) -> str:
    if unsupported(subject.graph):
        return ""
    wrong = [v for v in judge(cpu_run, subject) if v.status not in (Status.PASS, Status.INVALID)]
    return (
        f"cpu disagrees with float64 on output {wrong[0].output} '{wrong[0].name}': {wrong[0].reason}" if wrong else ""
    )
