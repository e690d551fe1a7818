"""FHIR search (R4 search.html): parameters, queries, index values and the SQL that answers them."""
