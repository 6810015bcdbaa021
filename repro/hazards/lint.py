"""The search for hazards in a graph that nobody has run.

Key insight: a replay of the delegate's passes names a tensor and a rule; who ships the model asks which outputs are
wrong because of it. That is the tensor itself where it is lost, everything behind it where its values are wrong, and
all of the graph where a kernel is invalid or the process ends.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import chain

from cases.evaluation.named import name_of
from cases.graph import Graph
from repro.delegate.adapters import EVERY_ADAPTER, Adapter, divides_by_no_slices
from repro.delegate.half_casts import casts_moved_in_buffers
from repro.delegate.refusals import why_refused
from repro.delegate.replay import Event, Replay, nearest_name, replay
from repro.delegate.sighting import Effect
from repro.delegate.thin_pointwise import chains_in_one_kernel
from repro.delegate.top_k import halves_left_out
from repro.hazards.hazard import Hazard, Level, match_of
from repro.hazards.reach import outputs_reached, right_in_any_order
from repro.hazards.risks import LISTED_TWICE, cleared, risks_of
from repro.hazards.rules import RULES
from runner.run import Precision


@contextmanager
def _gc_paused() -> Iterator[None]:
    """No garbage collection inside: what is built is one web of live objects, and every round would walk all of it."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()


@_gc_paused()
def lint(graph: Graph, adapters: Sequence[Adapter] = ()) -> tuple[Hazard, ...]:
    """Hazards first, then risks; each list in the order of the graph.

    adapters: where the model will run. What the adapter decides is a hazard if it goes wrong on one of them, else
    nothing; without any it is a risk, which says on which adapters.
    """
    delegates = replay(graph)
    replayed = (*_matches(graph, delegates, adapters), *_of_adapters(graph, delegates, adapters))
    hazards = [hazard for hazard in replayed if hazard.level is Level.HAZARD]
    refusals_and_risks = [hazard for hazard in replayed if hazard.level is not Level.HAZARD]
    already_named = {hazard.tensor for hazard in replayed if hazard.effect is not Effect.REFUSED}
    risks = risks_of(graph, already_named, delegates.graph)
    return (*hazards, *refusals_and_risks, *(risk for risk in risks if not cleared(risk.rule, adapters)))


def find_hazards(graph: Graph, adapters: Sequence[Adapter] = ()) -> tuple[Hazard, ...]:
    """Everything in the graph that a delegate is known to get wrong, on one of the adapters if any are given.

    Reads only; linear in the ops.
    """
    return tuple(found for found in foretold(graph, adapters) if found.level is Level.HAZARD)


@_gc_paused()
def foretold(graph: Graph, adapters: Sequence[Adapter] = ()) -> tuple[Hazard, ...]:
    """The hazards, and the risks of wrong values that show for some inputs only. What may fail has to be among them."""
    delegates = replay(graph)
    found = [*_matches(graph, delegates, adapters)]
    if adapters:
        found += _of_adapters(graph, delegates, adapters)
    return tuple(each for each in found if each.level is Level.HAZARD or each.effect is Effect.WRONG)


def find_risks(graph: Graph) -> tuple[Hazard, ...]:
    """What may go wrong: outputs in a dangerous role, what the delegate refuses, constants outside fp16."""
    return tuple(hazard for hazard in lint(graph) if hazard.level is Level.RISKY)


def measured_risks(graph: Graph) -> tuple[Hazard, ...]:
    """The risks that are a measured bug: of some adapters only, of which a file does not say which will run it, or of
    LiteRT on every target, the cpu included."""
    return tuple(risk for risk in find_risks(graph) if RULES[risk.rule].finding or risk.rule == LISTED_TWICE)


def _of_adapters(graph: Graph, replayed: Replay, adapters: Sequence[Adapter]) -> Iterator[Hazard]:
    """What the adapter's branch loses or gets wrong, on those that are given or on any."""
    asked = adapters or EVERY_ADAPTER
    steps = (chains_in_one_kernel, casts_moved_in_buffers, halves_left_out)
    sightings = chain.from_iterable(step(replayed.graph, asked) for step in steps)
    for (rule, effect, value, producer, consumer), where in sightings:
        tensor, ops = nearest_name(value), (producer.op, consumer.op)
        if not tensor or any(why_refused(graph, op) for op in ops):
            continue
        index = graph.outputs.index(tensor) if tensor in graph.outputs else None
        if effect is Effect.VOID:
            affected = tuple(range(len(graph.outputs)))
        elif index is not None and effect is Effect.LOST:
            affected = (index,)
        else:
            affected = outputs_reached(graph, tensor)
        if affected:
            yield match_of(
                RULES[rule],
                tensor,
                index,
                ops[0].kind,
                ops[1].kind,
                effect if adapters else Effect.RISK,
                affected,
                ops=ops,
                level=Level.HAZARD if adapters else Level.RISKY,
                adapters=where,
            )


def _matches(graph: Graph, replayed: Replay, adapters: Sequence[Adapter] = ()) -> tuple[Hazard, ...]:
    """What the replay of the delegate's passes says: the first event of each rule and tensor that affects an output."""
    # What is refused does not run there, so nothing happens to it there.
    events = [
        _on(event, adapters)
        for event in replayed.events
        if not why_refused(graph, event.producer) and not why_refused(graph, event.consumer) and _shows(event, adapters)
    ]
    if not events:
        return ()
    positions = {name: index for index, name in enumerate(graph.outputs)}
    every_output = tuple(range(len(graph.outputs)))
    # At most one walk per tensor and kind of wrongness; wrong values are rare.
    reached: dict[tuple[str, bool], tuple[int, ...]] = {}
    matches: dict[tuple[str, str], Hazard] = {}
    for event in events:
        affected: tuple[int, ...]
        if event.effect in (Effect.LOST, Effect.RISK):
            affected = (positions[event.tensor],)
        elif event.effect is Effect.WRONG:
            is_other_order = event.rule == "split-merged" and event.tensor == event.consumer.outputs[0]
            walk = event.tensor, is_other_order
            if walk not in reached:
                right = right_in_any_order(graph, event.consumer) if is_other_order else ()
                reached[walk] = outputs_reached(graph, event.tensor, right=right)
            affected = reached[walk]
        else:
            affected = every_output
        key = (event.rule, event.tensor)
        if key not in matches:
            matches[key] = _match(event, positions.get(event.tensor), affected, bool(adapters))
    return tuple(hazard for hazard in matches.values() if hazard.affected)


def _on(event: Event, adapters: Sequence[Adapter]) -> Event:
    """What becomes of an invalid kernel on these adapters.

    On a PowerVR a division by zero. In fp16 that of a TOPK_V2 is a valid one, of which only the values are wrong.
    """
    if event.rule == "grouped-conv" and any(divides_by_no_slices(adapter) for adapter in adapters):
        return replace(event, rule="grouped-conv-powervr", effect=Effect.ABORT)
    is_half = bool(adapters) and all(adapter.precision is Precision.FP16 for adapter in adapters)
    if event.rule == "quantised-ranks" and event.producer.kind == "TOPK_V2" and is_half:
        return replace(event, rule="top-k-whole-numbers", effect=Effect.WRONG)
    return event


def _shows(event: Event, adapters: Sequence[Adapter]) -> bool:
    """Whether it shows in the precision of one of the adapters, if any are given."""
    only = RULES[event.rule].precision
    return only is None or not adapters or any(adapter.precision is only for adapter in adapters)


def _match(event: Event, output: int | None, affected: tuple[int, ...], is_placed: bool) -> Hazard:
    """is_placed: whether the adapters are known, and so the precision."""
    ops, rule = (event.producer, event.consumer), RULES[event.rule]
    made, read = (name_of(op) or op.kind for op in ops)
    is_sure = is_placed and event.effect is not Effect.REFUSED and not rule.latent
    level = Level.HAZARD if is_sure else rule.level
    return match_of(rule, event.tensor, output, made, read, event.effect, affected, ops=ops, level=level)
