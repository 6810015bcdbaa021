"""A declared split of a model and its gate."""
