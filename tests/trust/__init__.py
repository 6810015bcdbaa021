"""Attackers: what a stranger, a broken disk or a killed process may do to this project, and what must hold then."""
