"""What the inputs of a graph are, read from the graph, and feeds that are made accordingly."""
