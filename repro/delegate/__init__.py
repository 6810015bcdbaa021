"""The delegate on paper: how it parses a graph, which passes rewrite it, which kernels it becomes."""
