"""The fuzzer: new graphs, judged, reduced, deduplicated."""
