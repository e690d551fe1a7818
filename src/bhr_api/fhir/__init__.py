"""The words of the standard: definitions, validation, dates, references, bundles (FHIR R4, 4.0.1)."""
