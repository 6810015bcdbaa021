"""One module a family; each has `cases()`, which returns its Case objects in a stable order."""
