"""Refusals of the terminology: what is not loaded, what is not known, what cannot be expanded.

FHIR R4, valueset-operation-expand.html: a server that cannot expand a value set correctly SHALL return an error.
"""

from bhr_api.errors import NotFoundError, RefusalError


class CannotExpandError(RefusalError):
    """What the question rests on is not loaded, or its rules cannot be followed here."""

    status = 422
    code = "not-supported"


class UnknownValueSetError(NotFoundError):
    """No value set of this canonical is loaded."""

    def __init__(self, canonical: str) -> None:
        super().__init__(f"ValueSet {canonical} is not known. Load a package that has it, or store the ValueSet.")


class UnknownCodeSystemError(NotFoundError):
    """No code system of this canonical is loaded."""

    def __init__(self, canonical: str) -> None:
        super().__init__(f"CodeSystem {canonical} is not known. Load a package that has it, or store the CodeSystem.")


class UnknownCodeError(NotFoundError):
    """The code system is known, but not this code."""


def not_loaded(kind: str, canonical: str) -> CannotExpandError:
    """The refusal where the rules of a value set lead to a `kind`, ValueSet or CodeSystem, that is not here."""
    return CannotExpandError(f"{kind} {canonical} is not loaded. Load a package that has it, or store the {kind}.")
