"""Workarounds for hazards, and the proof that one helps."""
