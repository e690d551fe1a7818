"""bhr_api: a FHIR R4 behavioral-health records API."""

from importlib.metadata import version

__version__ = version("bhr-api")
