"""The fuzzer: new graphs, judged, reduced, told apart."""
