"""The graphs that the findings make their claims with; one module per finding, under the finding's own name."""
