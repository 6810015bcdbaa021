"""The judge: from a Run and what is right to verdicts. Pure."""
