"""Who says what is right: the file's own ops, the cpu where an op is foreign, and in words which of them it was."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager

import numpy as np
import pytest

from cases.builder import GraphBuilder
from cases.evaluation.evaluate import evaluate
from cases.graph import Graph, Op, Tensor
from cases.inputs import standard_feeds
from cases.tflite.write import write_tflite
from repro.verdicts import kept_evaluations
from repro.verdicts.references import Given, NoReference, OwnOps, float64_outputs, opened_once
from runner import targets
from runner.run import Feed, Job, Run
from runner.target import Target
from tests.repro.simulated_delegate import SimulatedDelegate
from tests.repro.verdicts.judging import scene


class Cpu:
    """How often the cpu was opened, and what it was asked."""

    def __init__(self, target: Target) -> None:
        self.target = target
        self.opened = 0

    @contextmanager
    def open(self) -> Iterator[Target]:
        self.opened += 1
        yield self.target


def unanswered() -> AbstractContextManager[Target]:
    raise AssertionError("the cpu is asked for only where an op is foreign")


def foreign(kind: str = "STABLEHLO_ADD") -> Graph:
    """y = |x| + z by an op that the cpu knows and our evaluator does not (or by one that nobody knows)."""
    tensors = {name: Tensor(name, (2, 3)) for name in ("x", "z", "size", "y")}
    ops = (Op("ABS", ("x",), ("size",)), Op(kind, ("size", "z"), ("y",)))
    return Graph(tensors, ops, ("x", "z"), ("y",)).validate()


def feeds_of(graph: Graph) -> tuple[Feed, ...]:
    return standard_feeds([graph.tensors[name] for name in graph.inputs], 0)


@pytest.fixture(scope="module")
def cpu() -> Iterator[Target]:
    with targets.open_target("cpu") as target:
        yield target


def test_own_ops_are_evaluated_in_float64_and_no_cpu_is_opened():
    made = scene()
    reference = OwnOps(unanswered)
    outputs = reference.outputs(made.graph, b"", made.feeds)
    for ours, wanted in zip(outputs, made.references, strict=True):
        for array, right in zip(ours, wanted, strict=True):
            assert array.dtype == np.float64
            np.testing.assert_array_equal(array, right)
    assert reference.words(made.graph) == "float64 evaluation of the file's own ops"


def test_a_feed_that_comes_again_is_evaluated_once_and_shared(monkeypatch: pytest.MonkeyPatch):
    made = scene()
    evaluated: list[Feed] = []

    def counted(graph: Graph, feed: Feed, *options: object, **more: object) -> dict[str, np.ndarray]:
        evaluated.append(feed)
        return evaluate(graph, feed)

    monkeypatch.setattr(kept_evaluations, "evaluate", counted)
    first, second, third, fourth = OwnOps(unanswered).outputs(made.graph, b"", made.feeds)
    assert len(evaluated) == 3
    assert all(a is b for a, b in zip(first, fourth, strict=True))
    assert not any(np.array_equal(first[0], other[0]) for other in (second, third))


def test_a_foreign_op_is_answered_by_the_cpu_and_the_words_say_so(cpu: Target):
    graph = foreign()
    opened = Cpu(cpu)
    reference = OwnOps(opened.open)
    feeds = feeds_of(graph)
    assert reference.words(graph) == "cpu (XNNPACK), since float64 evaluation does not know STABLEHLO_ADD"
    assert opened.opened == 0, "words cost nothing"
    outputs = reference.outputs(graph, write_tflite(graph), feeds)
    assert opened.opened == 1, "one run for all feeds"
    for (y,), (x, z) in zip(outputs, feeds, strict=True):
        assert y.dtype == np.float64
        np.testing.assert_allclose(y, np.abs(x) + z, rtol=1e-6)


def test_no_witness_at_all_is_one_line_with_the_cpus_own_words(cpu: Target):
    graph = foreign()
    refused = r"no reference: the cpu says REFUSED \(.*\) and float64 evaluation does not know STABLEHLO_ADD"
    with pytest.raises(NoReference, match=refused) as error:
        OwnOps(Cpu(SimulatedDelegate()).open).outputs(graph, write_tflite(graph), feeds_of(graph))
    assert "\n" not in str(error.value)


def test_every_tensor_has_a_value_in_its_declared_type():
    g = GraphBuilder()
    x = g.input("x", (2, 3))
    above = g.op("GREATER", (x, g.const(0.0)), name="above")[0]
    graph = g.build([g.unary("NEG", x, name="y"), above])
    (feed, *_) = feeds_of(graph)
    values = OwnOps(unanswered).values(graph, feed)
    assert list(values) == ["x", "above", "y"]
    assert [values[name].dtype.name for name in values] == ["float32", "bool", "float32"]
    np.testing.assert_array_equal(values["above"], feed[0] > 0)


def test_values_between_foreign_ops_are_the_cpus(cpu: Target):
    graph = foreign()
    (feed, *_) = feeds_of(graph)
    values = OwnOps(Cpu(cpu).open).values(graph, feed)
    assert list(values) == ["x", "z", "size", "y"]
    np.testing.assert_array_equal(values["size"], np.abs(feed[0]))
    np.testing.assert_allclose(values["y"], np.abs(feed[0]) + feed[1], rtol=1e-6)


def contradicting() -> Graph:
    """y is declared [6] and computes to [2, 3]; as many elements, so an evaluation alone notices nothing."""
    g = GraphBuilder()
    graph = g.build([g.unary("ABS", g.unary("NEG", g.input("x", (2, 3)), name="y"), name="size")])
    tensors = {**graph.tensors, "size": Tensor("size", (2, 3)), "y": Tensor("y", (6,))}
    return dataclasses.replace(graph, tensors=tensors)


def test_shapes_that_contradict_are_refused_where_strictness_is_asked_for():
    graph = contradicting()
    feeds = feeds_of(graph)
    assert len(OwnOps(unanswered).outputs(graph, b"", feeds)) == 3
    with pytest.raises(NoReference, match=r"NEG gives 'y' the shape \(2, 3\), declared \(6,\)"):
        OwnOps(unanswered, strict_shapes=True).outputs(graph, b"", feeds)


def test_strictness_is_content_with_a_model_that_is_whole():
    made = scene()
    strict = OwnOps(unanswered, strict_shapes=True).outputs(made.graph, b"", made.feeds)
    np.testing.assert_array_equal(strict[1][1], made.references[1][1])


def test_ops_that_do_not_fit_together_have_no_reference():
    made = scene()
    tensors = {**made.graph.tensors, "z": Tensor("z", (1, 31, 16))}
    broken = dataclasses.replace(made.graph, tensors=tensors)
    with pytest.raises(NoReference, match=r"do not fit together: ADD that writes 'y'.*give a model that is whole"):
        OwnOps(unanswered).outputs(broken, b"", feeds_of(broken))
    with pytest.raises(NoReference, match="do not fit together"):
        OwnOps(unanswered).values(broken, feeds_of(broken)[0])


def test_given_arrays_are_what_was_given_and_say_by_whom():
    arrays = ((np.ones(3),),)
    given = Given(arrays, "the layout's")
    assert given.outputs(foreign(), b"", ()) is arrays
    assert given.words(foreign()) == "the layout's"


def test_float64_outputs_need_a_graph_that_is_known():
    made = scene()
    np.testing.assert_array_equal(float64_outputs(made.graph, made.feeds)[1][0], made.references[1][0])
    with pytest.raises(NoReference, match="does not know every op"):
        float64_outputs(foreign(), feeds_of(foreign()))


class Watched(SimulatedDelegate):
    """Says when it is opened and closed."""

    def __init__(self, said: list[str]) -> None:
        super().__init__()
        self.said = said

    def activate_impl(self) -> None:
        self.said.append("opened")

    def deactivate_impl(self) -> None:
        self.said.append("closed")


def test_one_target_serves_all_who_ask_and_closes_with_the_stack():
    said: list[str] = []
    with ExitStack() as stack:
        open_cpu = opened_once(stack, lambda: Watched(said))
        assert said == [], "nothing is opened before somebody asks"
        with open_cpu() as first:
            pass
        with open_cpu() as second:
            assert second is first
        assert said == ["opened"]
    assert said == ["opened", "closed"]


def test_a_target_that_nobody_asks_for_is_never_opened():
    said: list[str] = []
    with ExitStack() as stack:
        opened_once(stack, lambda: Watched(said))
    assert said == []


def test_a_target_that_did_not_open_is_tried_again():
    said: list[str] = []
    attempts = iter([True, False])

    class Late(Watched):
        def activate_impl(self) -> None:
            if next(attempts):
                raise OSError("not yet")
            super().activate_impl()

        def run_many_impl(self, jobs: object) -> Iterator[Run]:
            raise AssertionError(Job)

    with ExitStack() as stack:
        open_cpu = opened_once(stack, lambda: Late(said))
        with pytest.raises(OSError, match="not yet"):
            open_cpu()
        with open_cpu():
            assert said == ["opened"]
