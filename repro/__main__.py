"""`python -m repro` is the `repro` command."""

from repro.cli import entry

entry()
