"""Two runs held against each other: which answers changed, and which of them for the worse."""
