"""One model of a finding: the claim it carries, what it is for, and the verbs that a finding's module says it with.

Key insight: a claim about a bug ("not the rank", "a second consumer helps") is a graph that either
shows the bug or does not. So each claim of a finding is a model, written to its folder and measured in
every cell of its matrix, and no sentence of a report stands without one.

    MODELS = finding_models(
        minimal("ADD, an output, feeds MEAN", add_reduce),
        control("SUB instead of ADD: same roles, nothing is fused", add_reduce, first="SUB"),
        still_wrong("swapped", "not the order of the outputs", add_reduce, swap=True).in_outputs(1),
    )

Every keyword of a verb is a knob of the graph builder, and mypy checks it against the builder. What is
said about the model and not about the graph comes behind: which outputs it shows in (`in_outputs`), and
what holds for the whole finding (`finding_models`).
"""

from __future__ import annotations

import enum
import functools
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import ParamSpec

from cases.case import ModuleSource
from cases.graph import Graph
from runner.run import Outcome

Knobs = ParamSpec("Knobs")
Source = Callable[Knobs, Graph] | ModuleSource
"""What a model is made of: a graph builder, called with the knobs of the claim, or a torch module."""


class Purpose(enum.StrEnum):
    """What a model of a finding is for. HEALTHY ones must pass; the others must show the bug.

    FACE: the bug as a real model shows it, for those who meet it there and not in a graph of two ops.
    """

    MINIMAL = "minimal"
    CONTROL = "control"
    STILL_WRONG = "still-wrong"
    CLEAN = "clean"
    HELPS = "helps"
    NO_HELP = "does-not-help"
    FACE = "face"


HEALTHY = (Purpose.CONTROL, Purpose.HELPS, Purpose.CLEAN)


@dataclass(frozen=True)
class FindingModel:
    """One model of a finding. Raises ValueError for a healthy one that claims anything wrong.

    name: file stem. what: the claim it carries, one line. build or module: exactly one is given, as in a Case; a
    module goes through litert-torch. wrong: indices of the outputs that the host's delegate gets wrong (empty: none).
    outcome: how the run ends instead of giving outputs (`CRASH`), or empty. runtimes, litert_lm, litert_js, targets,
    precisions: where it shows, in finding.toml's words (a PEP 440 specifier set such as `<2.1.6`, shell patterns of
    target names, `fp32` or `fp16`); empty: everywhere. over_opencl: how a run over OpenCL ends instead, where that is
    another answer (`REFUSED`), `PASS` where it is right there, or `RACES` where that is left to chance; empty: as
    anywhere else. in_browser: the same of a run in a browser, where it may also be `NOT_RESIDENT`, `CRASH`, or `FAIL`
    for a wrong first output. elsewhere: outputs that the bug of another finding makes wrong wherever this one does not
    show.
    """

    name: str
    purpose: Purpose
    what: str
    build: Callable[[], Graph] | None = None
    module: ModuleSource | None = None
    wrong: tuple[int, ...] = ()
    outcome: str = ""
    runtimes: str = ""
    litert_lm: str = ""
    litert_js: str = ""
    targets: tuple[str, ...] = ()
    precisions: tuple[str, ...] = ()
    over_opencl: str = ""
    in_browser: str = ""
    elsewhere: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if (self.build is None) == (self.module is None):
            raise ValueError(f"model '{self.name}' needs a graph or a torch module, and not both")
        if self.healthy and (self.wrong or self.outcome or self.over_opencl or self.elsewhere):
            raise ValueError(f"model '{self.name}' is '{self.purpose}' and yet wrong")

    @property
    def healthy(self) -> bool:
        return self.purpose in HEALTHY

    def in_outputs(self, *wrong: int) -> FindingModel:
        """The same model, wrong in these outputs (none of them where only others have seen the bug)."""
        return replace(self, wrong=wrong)

    def on_targets(self, *patterns: str) -> FindingModel:
        """The same model, which shows the bug on these targets only."""
        return replace(self, targets=patterns)

    def wrong_elsewhere(self, *wrong: int) -> FindingModel:
        """The same model, in which another finding's bug makes these outputs wrong where this one does not show."""
        return replace(self, elsewhere=wrong)

    def refused_over_opencl(self) -> FindingModel:
        """The same model, which is refused aloud over OpenCL."""
        return replace(self, over_opencl=Outcome.REFUSED.value)

    def that_in_browser(self, answer: str) -> FindingModel:
        """The same model, which answers a run in a browser so."""
        return replace(self, in_browser=answer)

    def right_over_opencl(self) -> FindingModel:
        """The same model, which is computed right over OpenCL."""
        return replace(self, over_opencl="PASS")

    def races_over_opencl(self) -> FindingModel:
        """The same model, in which two accesses race over OpenCL: it is right on one driver and wrong on another."""
        return replace(self, over_opencl="RACES")


def finding_models(
    *models: FindingModel,
    runtimes: str = "",
    litert_lm: str = "",
    litert_js: str = "",
    targets: tuple[str, ...] = (),
    precisions: tuple[str, ...] = (),
    aborts: bool = False,
) -> tuple[FindingModel, ...]:
    """The models of one finding, in the order of its report.

    What is said here holds for every model that shows the bug, as at the top of finding.toml: in which runtimes, on
    which targets and in which precisions it shows; aborts: the process ends instead of giving outputs.

    Raises ValueError for two models of one name, and for anything but one minimal model and one control.
    """
    names = [model.name for model in models]
    if repeated := sorted({name for name in names if names.count(name) > 1}):
        raise ValueError(f"two models are called '{repeated[0]}'")
    for purpose in (Purpose.MINIMAL, Purpose.CONTROL):
        if [model.purpose for model in models].count(purpose) != 1:
            raise ValueError(f"a finding needs exactly one model with purpose '{purpose}'")

    def limited(model: FindingModel) -> FindingModel:
        if aborts:
            model = replace(model, wrong=(), outcome=Outcome.CRASH.value)
        model = replace(model, runtimes=runtimes, precisions=precisions)
        model = replace(model, litert_lm=litert_lm, litert_js=litert_js)
        return replace(model, targets=model.targets or targets)

    return tuple(model if model.healthy else limited(model) for model in models)


# --- the verbs: name and claim, then the graph builder and its knobs --------------------------------------------


def minimal(what: str, build: Source[Knobs], /, *args: Knobs.args, **knobs: Knobs.kwargs) -> FindingModel:
    """The smallest graph that shows the bug, in output 0 unless it says otherwise."""
    return _model(Purpose.MINIMAL, "minimal", what, build, *args, **knobs)


def control(what: str, build: Source[Knobs], /, *args: Knobs.args, **knobs: Knobs.kwargs) -> FindingModel:
    """Its healthy twin: as like it as can be, and right."""
    return _model(Purpose.CONTROL, "control", what, build, *args, **knobs)


def still_wrong(
    name: str, what: str, build: Source[Knobs], /, *args: Knobs.args, **knobs: Knobs.kwargs
) -> FindingModel:
    """Something else in it does not matter: the bug shows all the same."""
    return _model(Purpose.STILL_WRONG, name, what, build, *args, **knobs)


def clean(name: str, what: str, build: Source[Knobs], /, *args: Knobs.args, **knobs: Knobs.kwargs) -> FindingModel:
    """A near miss: the bug does not show."""
    return _model(Purpose.CLEAN, name, what, build, *args, **knobs)


def helps(name: str, what: str, build: Source[Knobs], /, *args: Knobs.args, **knobs: Knobs.kwargs) -> FindingModel:
    """A workaround: the same function, and right."""
    return _model(Purpose.HELPS, name, what, build, *args, **knobs)


def no_help(name: str, what: str, build: Source[Knobs], /, *args: Knobs.args, **knobs: Knobs.kwargs) -> FindingModel:
    """What one would try as a workaround, in vain."""
    return _model(Purpose.NO_HELP, name, what, build, *args, **knobs)


def face(name: str, what: str, build: Source[Knobs], /, *args: Knobs.args, **knobs: Knobs.kwargs) -> FindingModel:
    """The bug as a real model shows it."""
    return _model(Purpose.FACE, name, what, build, *args, **knobs)


def _model(
    purpose: Purpose,
    name: str,
    what: str,
    build: Source[Knobs],
    /,
    *args: Knobs.args,
    **knobs: Knobs.kwargs,
) -> FindingModel:
    """Raises TypeError for knobs of a torch module, which has none."""
    wrong = () if purpose in HEALTHY else (0,)
    if not isinstance(build, ModuleSource):
        return FindingModel(name, purpose, what, build=functools.partial(build, *args, **knobs), wrong=wrong)
    if args or knobs:
        raise TypeError(f"model '{name}': a torch module has no knobs")
    return FindingModel(name, purpose, what, module=build, wrong=wrong)
