"""A model of a finding as something that is judged, fed with the arrays that are kept with the finding."""

from __future__ import annotations

from cases.findings.model import Purpose
from cases.inputs import FeedPlan, GivenFeeds, StandardFeeds
from repro.findings.finding import WITH_ARRAYS, Finding, ModelFile
from repro.trials.load import open_installed_cpu
from repro.verdicts.references import OwnOps
from repro.verdicts.subject import Subject, model_subject


def subject(finding: Finding, model: ModelFile) -> Subject:
    """A model of the finding as a subject of the matrix; the kept arrays are its first and third feed."""
    graph, plan = finding.graph(model), StandardFeeds(finding.seed)
    feeds: FeedPlan = plan
    if model.purpose in WITH_ARRAYS:
        first = finding.arrays(model, "inputs")
        second = plan.make([graph.tensors[name] for name in graph.inputs])[1]
        feeds = GivenFeeds((first, second, first), "kept with the finding")
    return model_subject(
        model.name,
        finding.model_bytes(model),
        feeds,
        OwnOps(open_installed_cpu),
        control_of=finding.minimal.name if model.purpose is Purpose.CONTROL else "",
        graph=graph,
    )
