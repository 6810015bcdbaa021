"""The line of the log that says who took the nodes."""

from __future__ import annotations

from runner.residency import not_resident, residency_line

LINE = "Replacing 2 out of 2 node(s) with delegate (LITERT_CL) node, yielding 1 partitions"


def test_the_line_is_found_among_others():
    assert residency_line(f"VERBOSE: before\nVERBOSE: {LINE} for subgraph 0 ().\nafter") == LINE
    assert residency_line("nothing of the kind") == ""


def test_a_log_without_the_line_proves_nothing_but_over_vulkan_there_is_none():
    assert not_resident("", True) == "no line in the log says that the nodes were given to LITERT_CL"
    assert not_resident("", True, loopback=True) == ""
    assert not_resident(LINE, True) == ""
    assert "not fully accelerated" in not_resident(LINE, False)
