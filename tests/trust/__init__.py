"""Attackers: what a stranger's file, archive or folder may do to the process that reads it."""
