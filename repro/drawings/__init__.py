"""Pictures: a graph with its roles, where an output is wrong. Text in, text out; nothing is run."""
