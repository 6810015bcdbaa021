"""Bundles: runner, libraries, models and inputs in one archive for a device elsewhere, and its answers."""
