"""Synthetic behavioral-health records for demonstrations, tests and benchmarks."""

from bhr_api.samples.generator import client_record, generate
from bhr_api.samples.story import Story, story
from bhr_api.samples.volume import mixed_resources

__all__ = ["Story", "client_record", "generate", "mixed_resources", "story"]
