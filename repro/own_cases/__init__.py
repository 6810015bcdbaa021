"""A project's own cases beside the built-in ones: models with a line about them, and Python that builds graphs."""
