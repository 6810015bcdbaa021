"""Targets on other machines, behind the scheduler of an existing engine (Dask distributed)."""
