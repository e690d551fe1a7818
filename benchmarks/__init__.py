"""Benchmarks: what this machine does, as ratios to raw PostgreSQL in the same run (docs/performance.md)."""
