"""Provenance: it belongs to the record that its targets belong to (FHIR R4, provenance.html; DOMAIN b.5)."""

from collections.abc import Mapping, Sequence

from bhr_api.fhir.definitions import Resource
from bhr_api.resources.hooks import Hooks


def targets(provenance: Resource) -> Sequence[str]:
    """The literal references of `Provenance.target`."""
    found = (target.get("reference") for target in provenance.get("target", ()))
    return [reference for reference in found if isinstance(reference, str)]


def patient(provenance: Resource, patients: Mapping[str, int | None]) -> int | None:
    """The patient of all targets that have one; None where these differ, so that neither learns of the other."""
    found = {patients.get(reference) for reference in targets(provenance)} - {None}
    return found.pop() if len(found) == 1 else None


HOOKS = Hooks(needs=targets, patient=patient)
