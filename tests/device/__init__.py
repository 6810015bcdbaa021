"""Tests that need a device: `pytest -m device`, with a phone or with `--device loopback`."""
