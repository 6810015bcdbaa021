"""Benchmarks: each bench_<subject>.py measures something of ours beside what it is compared with."""
