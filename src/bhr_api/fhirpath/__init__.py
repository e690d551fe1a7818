"""FHIRPath (N1) as used by FHIR R4, compiled to closures."""
