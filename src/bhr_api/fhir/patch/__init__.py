"""A patch document applied to a resource: JSON Patch, JSON merge patch, FHIRPath Patch (FHIR R4, http.html#patch).

Each of the three modules has one pure function `apply_patch(resource, document)` that gives the patched resource and
leaves the old one as it was. What comes out has still to be validated.
"""
