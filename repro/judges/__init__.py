"""Judging on several cores: what a fast target answers is more than one process can judge."""
