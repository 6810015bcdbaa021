"""Pages for people who look: one self-contained HTML file per answer, made of records and nothing else."""
