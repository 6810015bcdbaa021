"""Which ops the GPU gets where the cpu may have the rest."""

from __future__ import annotations

from cases.graph import Graph, Op, Tensor
from repro.delegate.partitions import border_tensors, delegated_ops


def chain(kinds: str) -> Graph:
    """t0 -> t1 -> ...: one op for each letter."""
    tensors = {f"t{i}": Tensor(f"t{i}", (4,)) for i in range(len(kinds) + 1)}
    ops = tuple(Op(kind, (f"t{i}",), (f"t{i + 1}",)) for i, kind in enumerate(kinds))
    return Graph(tensors, ops, ("t0",), (f"t{len(kinds)}",))


def test_the_largest_part_goes_to_the_gpu_and_no_other():
    graph = chain("AAXBBBXC")
    assert delegated_ops(graph, {2, 6}) == {3, 4, 5}
    assert border_tensors(graph, {3, 4, 5}) == ("t3", "t6")


def test_of_equal_parts_it_is_the_first():
    assert delegated_ops(chain("AXB"), {1}) == {0}


def test_everything_and_nothing():
    assert delegated_ops(chain("ABC"), ()) == {0, 1, 2}
    assert delegated_ops(chain("ABC"), {0, 1, 2}) == frozenset()
    assert border_tensors(chain("ABC"), {0, 1, 2}) == ()


def test_ops_that_wait_for_nothing_on_the_other_side_join_one_part():
    tensors = {name: Tensor(name, (4,)) for name in "xabcd"}
    ops = (Op("A", ("x",), ("a",)), Op("X", ("a",), ("b",)), Op("A", ("a",), ("c",)), Op("A", ("b", "c"), ("d",)))
    graph = Graph(tensors, ops, ("x",), ("d",))
    assert delegated_ops(graph, {1}) == {0, 2}
    assert border_tensors(graph, {0, 2}) == ("a", "c")


def test_ops_on_variables_and_those_that_run_subgraphs_keep_the_order_of_the_file():
    """A variable is read again behind its assignment, which waits for the GPU: no reading may come before."""
    tensors = {name: Tensor(name, (4,)) for name in "xabcd"} | {"v": Tensor("v", (), "resource")}
    ops = (
        *(Op("VAR_HANDLE", (), ("v",)), Op("READ_VARIABLE", ("v",), ("a",)), Op("ADD", ("a", "x"), ("b",))),
        *(Op("ASSIGN_VARIABLE", ("v", "b"), ()), Op("READ_VARIABLE", ("v",), ("c",)), Op("ABS", ("x",), ("d",))),
        *(Op("MUL", ("c", "d"), ("e",)), Op("NEG", ("e",), ("f",)), Op("SQUARE", ("f",), ("g",))),
    )
    graph = Graph(tensors | {name: Tensor(name, (4,)) for name in "efg"}, ops, ("x",), ("g",)).validate()
    assert delegated_ops(graph, {0, 1, 3, 4}) == {6, 7, 8}
    assert border_tensors(graph, {6, 7, 8}) == ("c", "d")
    branch = Graph(tensors, (Op("IF", ("x",), ("a",)), Op("NEG", ("x",), ("b",)), Op("IF", ("b",), ("c",))), ("x",), ())
    assert delegated_ops(branch, {0, 2}) == {1}
