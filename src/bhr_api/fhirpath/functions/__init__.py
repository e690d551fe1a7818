"""The function library of FHIRPath, by the chapters of N1 (http://hl7.org/fhirpath/N1/#functions)."""
