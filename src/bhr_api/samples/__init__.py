"""Synthetic behavioral-health records for demonstrations, tests and benchmarks."""
