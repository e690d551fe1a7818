"""Profiles: StructureDefinitions compiled into checks of resources (FHIR R4, profiling.html)."""
