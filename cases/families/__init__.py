"""One module per family; each has `cases()`, which returns its cases in a stable order."""
