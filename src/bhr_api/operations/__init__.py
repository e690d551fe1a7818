"""FHIR's named operations, one file each (R4 operations.html)."""
