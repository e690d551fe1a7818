"""What can be wrong with a FHIRPath expression: its text, or its use on data (FHIRPath N1, http://hl7.org/fhirpath/N1/)."""


class FHIRPathError(ValueError):
    """An expression that cannot be read, compiled or evaluated."""


class FHIRPathSyntaxError(FHIRPathError):
    """The text breaks the grammar of N1; `position` counts characters from 0."""

    def __init__(self, reason: str, text: str, position: int) -> None:
        super().__init__(f"{reason} at character {position + 1} of {text!r}")
        self.position = position


class FHIRPathEvaluationError(FHIRPathError):
    """The data do not fit the operation, where N1 says that evaluation ends and signals an error."""


class UnsupportedFHIRPathError(FHIRPathError):
    """A function of FHIR that needs a service (terminology, profiles) which the evaluation was not given."""
