"""The command line, and what thinks: judge, diagnose, hazards, reduce, matrix, report, gate."""

from repro.own_packages import claim as _claim

_claim("cases", "runner")
