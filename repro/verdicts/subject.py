"""A model under judgement: its bytes, what is fed to it, and what its outputs must be and how exactly.

Key insight: the catalogue, a stranger's file, a candidate of the reducer, a drawn graph and a saved run all ask the
same question, so they are one type. They differ in one part only, in where the right outputs come from
(`repro.verdicts.references`). Whatever costs time (graph, feeds, references, floors) is made when it is first asked
for, and once: a cell that the journal answers costs none of it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Protocol

from cases.case import PLANNED, Case
from cases.drawn_ops.feeds import drawn_plan
from cases.evaluation.evaluate import unsupported
from cases.graph import Graph
from cases.input_plan.planned import AnyFeedPlan
from cases.inputs import GivenFeeds, StandardFeeds
from cases.tflite.read import read_tflite
from cases.tflite.write import write_tflite
from cases.with_torch.convert import model_bytes
from cases.with_torch.lowered import is_lowered
from cases.with_torch.reference import has_torch
from repro.verdicts.drawn_noise import drawn_errors, moved_feed
from repro.verdicts.emulation import floors_for
from repro.verdicts.footprint import judging_bytes
from repro.verdicts.narrow_failures import DRAWS
from repro.verdicts.noise_floor import Floor
from repro.verdicts.references import (
    OWN_OPS_ONLY,
    Given,
    NoReference,
    OpenTarget,
    OwnOps,
    References,
    TorchOf,
    float64_outputs,
)
from runner import memory
from runner.encoding import shown_name
from runner.run import Feed, Job, Outcome, Outputs, Precision, Run


class Reference(Protocol):
    """Says what is right, and where it knows that from."""

    def outputs(self, graph: Graph, model: bytes, feeds: tuple[Feed, ...]) -> References:
        """[k][i]: output i after feed k, float64 (or its own dtype where it is no float). Raises NoReference."""
        ...

    def words(self, graph: Graph) -> str:
        """For example `float64 evaluation of the file's own ops`."""
        ...


@dataclass(frozen=True, eq=False, repr=False)
class Subject:
    """One model, to be run and judged.

    name: for messages and logs. model: the bytes of a .tflite file. plan: makes its inputs. reference: says what is
    right. control_of: name of the subject of which this is the healthy twin, or empty. given_graph, given_floors:
    known already, and not made again. cpu[k][i]: what the cpu computed for output i after feed k, one more draw of
    fp32's noise. A subject without bytes and graph (`is_bare`) can be judged and not run.
    """

    name: str
    model: bytes
    plan: AnyFeedPlan
    reference: Reference
    control_of: str = ""
    given_graph: Graph | None = None
    given_floors: Mapping[Precision, tuple[Floor, ...]] = field(default_factory=dict)
    cpu: Outputs | None = None

    def __repr__(self) -> str:
        return f"<Subject {shown_name(self.name)}: {len(self.model)} bytes, inputs {self.plan.words}>"

    @property
    def is_bare(self) -> bool:
        """Whether there are only arrays to judge, and no model to run."""
        return self.given_graph is None and not self.model

    @cached_property
    def graph(self) -> Graph:
        """The graph as the file holds it. Raises BadInput where the bytes are no model."""
        return self.given_graph if self.given_graph is not None else read_tflite(self.model, self.name)

    @cached_property
    def feeds(self) -> tuple[Feed, ...]:
        """[k][i]: input i, in the file's order, of the k-th run.

        Raises BadInput where given arrays do not fit, and TooMuchMemory as `require_room` does: feeds are the first
        thing that is made.
        """
        if self.is_bare:
            return self.plan.make(())
        self.require_room()
        return self.plan.make([self.graph.tensors[name] for name in self.graph.inputs])

    def require_room(self) -> None:
        """Raise TooMuchMemory where its feeds and all that judging makes of them would not fit the limit."""
        memory.require(judging_bytes(self.graph, len(self.model)), f"{self.name}: evaluating and judging it")

    @cached_property
    def references(self) -> References:
        """[k][i]: what output i must be after feed k, in float64 (its own dtype where it is no float).

        Raises NoReference where nothing can say.
        """
        if self.is_bare:
            return self.reference.outputs(Graph({}, (), (), ()), b"", self.feeds)
        try:
            return self.reference.outputs(self.graph, self.model, self.feeds)
        except NoReference as error:
            raise NoReference(f"{self.name}: {error}") from error

    def require_reference(self) -> None:
        """Raise NoReference now where nothing can say what is right, so that nothing is run in vain."""
        _ = self.references

    def floors(self, precision: Precision) -> tuple[Floor, ...]:
        """The noise floor of each output (RMS errors, in the output's own units) in this precision."""
        if precision in self.given_floors:
            return self.given_floors[precision]
        if precision not in self._floors:
            asked = (self.graph, self.feeds, self.references, precision, self.cpu, self.model)
            self._floors[precision] = floors_for(*asked)
        return self._floors[precision]

    def drawn_errors(self, output: str, precision: Precision) -> tuple[float, ...]:
        """The largest error after each feed that an output's noise was drawn to have, in the output's own units."""
        return drawn_errors(self.graph, self.model, self.feeds, output, precision)

    def drawn_floors(self, output: str, precision: Precision) -> Iterator[Floor]:
        """Noise floors of an output after feeds that are moved by less than matters, each made when it is asked for.

        None where there is no emulation, or no input that can be moved.
        """
        has_number = any(array.dtype.kind == "f" for array in self.feeds[0])
        if self.is_bare or not has_number or unsupported(self.graph):
            return
        graph = replace(self.graph, outputs=(output,))
        for number in range(DRAWS):
            feeds = tuple(moved_feed(feed, number) for feed in self.feeds)
            references = float64_outputs(graph, feeds, self.model)
            yield floors_for(graph, feeds, references, precision, model=self.model)[0]

    @cached_property
    def _floors(self) -> dict[Precision, tuple[Floor, ...]]:
        return {}

    def job(
        self,
        precision: Precision,
        *,
        deadline_s: float | None = None,
        options: Mapping[str, str | int | bool] | None = None,
    ) -> Job:
        """What a target is asked to run."""
        return Job(self.model, self.feeds, precision, self.name, deadline_s, options or {})

    def judged_by(self, reference: Reference) -> Subject:
        """The same subject with another witness of what is right, and floors of its own where a graph gives them."""
        floors = self.given_floors if self.is_bare else {}
        return replace(self, reference=reference, given_floors=floors, cpu=None)

    def beside_cpu(self, run: Run) -> Subject:
        """The same question, with what the cpu computed as a witness of the noise; what was made is not made again."""
        wanted = len(self.graph.outputs)
        if run.outcome is not Outcome.OK or any(len(outputs) != wanted for outputs in run.outputs):
            return self
        return self._keeping_what_was_made(replace(self, cpu=run.outputs))

    def with_quick_floors(self, precision: Precision) -> Subject:
        """The same question, judged by floors that are made in a tenth of the time and are the narrower ones."""
        asked = (self.graph, self.feeds, self.references, precision, self.cpu, self.model)
        return self._keeping_what_was_made(replace(self, given_floors={precision: floors_for(*asked, quick=True)}))

    def _keeping_what_was_made(self, other: Subject) -> Subject:
        made = (name for name in ("graph", "feeds", "references") if name in self.__dict__)
        other.__dict__.update({name: self.__dict__[name] for name in made})
        return other

    def edited(self, graph: Graph) -> Subject:
        """The same question put to another graph: same name and feeds, its own bytes, references and floors."""
        return replace(self, model=write_tflite(graph), given_graph=graph, given_floors={}, cpu=None)


def case_subject(
    case: Case, *, kind: str | None = None, seed: int | None = None, open_cpu: OpenTarget | None = None
) -> Subject:
    """A catalogue case, held against torch in float64; a file, what torch does not compute, and all where torch is not
    installed against its own ops.

    kind and seed override the case's own inputs. open_cpu: answers for ops of a file that nothing here computes;
    without it such a case has no reference. Raises BadInput where the case needs the convert extra, which is
    missing.
    """
    seed = case.seed if seed is None else seed
    if kind is None and case.inputs == PLANNED and case.graph is not None:
        plan: AnyFeedPlan = drawn_plan(case.graph(), seed)
    else:
        plan = StandardFeeds(seed, kind or case.inputs)
    if case.file is not None:
        reference: Reference = OwnOps(open_cpu) if open_cpu else OWN_OPS_ONLY
    else:
        by_torch = has_torch() and (case.graph is None or is_lowered(case.graph()))
        reference = TorchOf(case) if by_torch else OWN_OPS_ONLY
    return Subject(case.name, model_bytes(case), plan, reference, case.control_of)


def model_subject(
    name: str,
    model: bytes,
    plan: AnyFeedPlan,
    reference: Reference,
    *,
    control_of: str = "",
    graph: Graph | None = None,
) -> Subject:
    """Any .tflite. graph: what was read from it already. Raises BadInput at once for what is no model."""
    return Subject(name, model, plan, reference, control_of, read_tflite(model, name) if graph is None else graph)


def graph_subject(name: str, graph: Graph, feeds: tuple[Feed, ...], reference: Reference) -> Subject:
    """A graph that is not a file yet."""
    return Subject(name, write_tflite(graph), GivenFeeds(feeds), reference, given_graph=graph)


def bare_subject(
    name: str, feeds: tuple[Feed, ...], references: References, floors: Mapping[Precision, tuple[Floor, ...]]
) -> Subject:
    """Outputs that are judged without a model: nothing is known of them but what they must be."""
    return Subject(name, b"", GivenFeeds(feeds), Given(references), given_floors=floors)
