"""FHIR's interactions, one file each (R4 http.html)."""
