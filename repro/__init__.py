"""The command line, and what thinks: judge, diagnose, hazards, reduce, matrix, report, gate."""
