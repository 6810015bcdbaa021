"""The reducer: the smallest graph that shows the same failure on the same output's role."""
