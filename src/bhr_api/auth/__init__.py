"""The authorization server: OAuth 2 and SMART on FHIR, one file per grant or RFC."""
