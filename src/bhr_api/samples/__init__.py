"""Synthetic behavioral-health records for demonstrations, tests and benchmarks."""

from bhr_api.samples.generator import client_record, generate
from bhr_api.samples.story import story

__all__ = ["client_record", "generate", "story"]
