"""Subgraphs that ops run, and signatures: read, carried through edits, written again."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter

from cases.tflite.bodies import bodies_of, body_of
from cases.tflite.read import MAX_DEPTH, read_signatures, read_tflite
from cases.tflite.write import write_tflite
from runner.errors import BadInput
from tests.cases.tflite.signatures import plain, signed, with_composite, with_while

X = np.array([[-2.0, -0.5, 0.5, 3.0]], np.float32)


def kinds(graph) -> list[str]:
    return [op.kind for op in graph.ops]


def computed(model: bytes) -> np.ndarray:
    interpreter = Interpreter(model_content=model)
    interpreter.allocate_tensors()
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], X)
    interpreter.invoke()
    return interpreter.get_tensor(interpreter.get_output_details()[0]["index"])


def test_a_composite_carries_its_body_and_runs_by_it_after_a_rewrite():
    model = write_tflite(with_composite(plain("ABS")))
    graph = read_tflite(model)
    assert kinds(graph) == ["STABLEHLO_COMPOSITE", "RELU"]
    assert kinds(body_of(graph.ops[0], "decompositionSubgraphIndex")) == ["ABS"]
    np.testing.assert_array_equal(computed(write_tflite(graph)), np.abs(X))
    assert write_tflite(graph) == model


def test_an_edit_of_the_graph_around_it_keeps_the_body():
    graph = read_tflite(write_tflite(with_composite(plain("NEG"))))
    shorter = replace(graph, ops=graph.ops[:1], outputs=("y",))
    np.testing.assert_array_equal(computed(write_tflite(shorter)), -X)


def test_both_subgraphs_of_a_loop_are_read_by_their_names():
    graph = read_tflite(write_tflite(with_while(plain("ABS"), plain("NEG"))))
    (loop,) = graph.ops
    assert [kinds(body_of(loop, field)) for field in ("condSubgraphIndex", "bodySubgraphIndex")] == [["ABS"], ["NEG"]]
    assert not loop.attrs


def test_a_body_that_two_ops_share_is_written_once():
    body = plain("ABS")
    once = with_composite(body)
    twice = with_composite(with_composite(body, "outer"))
    assert len(read_tflite(write_tflite(twice)).ops) == 2
    shared = replace(once, ops=(once.ops[0], replace(once.ops[0], inputs=("y",), outputs=("z",))))
    first, second = (next(bodies_of(op)) for op in read_tflite(write_tflite(shared)).ops)
    assert first is second


def test_an_op_that_runs_itself_has_no_body():
    graph = with_composite(plain("ABS"))
    bare = replace(graph.ops[0], raw=replace(graph.ops[0].raw, bodies={}))  # the index 0 is its own subgraph's
    back = read_tflite(write_tflite(replace(graph, ops=(bare, *graph.ops[1:]))))
    assert body_of(back.ops[0], "decompositionSubgraphIndex") is None


def test_subgraphs_deep_inside_each_other_are_refused():
    graph = plain("ABS")
    for _ in range(MAX_DEPTH + 2):
        graph = with_composite(graph)
    with pytest.raises(BadInput, match=f"more than {MAX_DEPTH} subgraphs inside each other"):
        read_tflite(write_tflite(graph))


def test_each_signature_is_a_graph():
    model = signed([("prefill", plain("ABS")), ("decode", plain("NEG", (1, 8)))])
    assert read_signatures(model) == ("prefill", "decode")
    assert kinds(read_tflite(model)) == kinds(read_tflite(model, signature="prefill")) == ["ABS"]
    decode = read_tflite(model, signature="decode")
    assert kinds(decode) == ["NEG"]
    assert (decode.extras.signature_key, decode.extras.other_signatures) == ("decode", ("prefill",))
    assert read_signatures(write_tflite(decode)) == ("decode",)


def test_a_signature_that_is_not_there_is_refused_with_those_that_are():
    model = signed([("prefill", plain("ABS")), ("decode", plain("NEG"))])
    with pytest.raises(BadInput, match="has no signature 'score'; it has 'prefill', 'decode'; give one of them"):
        read_tflite(model, signature="score")
