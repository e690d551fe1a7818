"""Code systems and value sets: membership, expansion, subsumption (FHIR R4, terminology-service.html)."""
