"""Which op makes an output wrong: the one that rules blame for it, and none where no rule does."""

from __future__ import annotations

from repro.findings import reader
from repro.hazards.culprit import culprits, failure_picture
from tests.repro.drawings.graphs import add_bug, chain


def test_the_reader_of_the_wrong_output_is_the_culprit():
    graph = add_bug()
    assert culprits(graph, ["y"]) == (graph.ops[1],)


def test_another_output_has_no_culprit_and_a_healthy_graph_none():
    assert culprits(add_bug(), ["reduced"]) == ()
    assert culprits(chain(3), ["t2"]) == ()


def test_a_culprit_is_an_op_of_the_very_graph():
    for slug in reader.slugs():
        finding = reader.load(slug)
        graph = finding.graph(finding.minimal)
        wrong = [graph.outputs[index] for index in finding.minimal.wrong] or graph.outputs
        assert all(any(op is one for one in graph.ops) for op in culprits(graph, wrong))


def test_the_picture_of_a_failure_marks_the_output_and_its_culprit():
    assert failure_picture(add_bug(), ["y"]).caption == "2 ops; wrong: output 0 'y' [1,4,8]; culprit: MEAN"
    assert failure_picture(add_bug(), []).caption == "2 ops; culprit: MEAN", "the run as a whole ended"
