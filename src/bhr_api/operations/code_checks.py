"""The answer of $validate-code, of one code or of those of a CodeableConcept.

FHIR R4, valueset-operation-validate-code.html and codesystem-operation-validate-code.html.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from bhr_api.errors import TooCostlyError
from bhr_api.fhir.definitions import Resource
from bhr_api.fhir.terminology.errors import CannotExpandError, UnknownCodeSystemError
from bhr_api.fhir.terminology.rendering import all_in_language
from bhr_api.fhir.terminology.terminology import Terminology, Validation
from bhr_api.interactions.results import Result
from bhr_api.operations.terminology_questions import Code, Question, parameters

Check = Callable[[Code], Validation]
"""Raises CannotExpandError, TooCostlyError or UnknownCodeSystemError where it cannot be told."""

TYPES = {
    "code": "code",
    "display": "string",
    "coding": "Coding",
    "codeableConcept": "CodeableConcept",
    "abstract": "boolean",
    "displayLanguage": "code",
}


def codes_in_question(question: Question, system: str | None, version: str | None) -> list[Code]:
    """The code, or the codings of a coding or CodeableConcept; `system` and `version` are those of a bare code.

    Raises MalformedRequestError unless there is one of the three.
    """
    kind = question.require_one("code", "coding", "codeableConcept")
    if kind == "code":
        return [Code(system, version, question.one("code"), question.one("display"))]
    question.forbid(("display",), f"with {kind}")
    coding = question.coding("coding")
    found = [coding] if coding is not None else question.codeable_concept("codeableConcept") or []
    # Of several that are the same the first is enough.
    return list(dict.fromkeys(found))


def validated(codes: Sequence[Code], check: Check) -> Validation:
    """R4: "true if one of the coding values is" in it. Raises what `check` raises if none is, and of one it cannot be told."""
    doubt: CannotExpandError | TooCostlyError | UnknownCodeSystemError | None = None
    wrong: list[Validation] = []
    for code in codes:
        try:
            found = check(code)
        except (CannotExpandError, TooCostlyError, UnknownCodeSystemError) as error:
            doubt = doubt or error
            continue
        if found.result:
            return found
        wrong.append(found)
    if doubt is not None:
        raise doubt
    if not wrong:
        return Validation(False, "There is no coding with a code.", None)
    message = " ".join(one.message for one in wrong if one.message)
    return Validation(False, message, wrong[0].display if len(wrong) == 1 else None)


def in_language(found: Validation, code: Code, terminology: Terminology, language: str | None) -> Validation:
    """`found` by the names that the code system has in the language; as it is where it has none in that."""
    if language is None or code.system is None or (found.display is None and not found.result):
        return found
    names = all_in_language(_designations(terminology, code), language)
    if not names:
        return found
    if code.display is None or _plain(code.display) in map(_plain, names):
        return replace(found, display=names[0])
    if not found.result:
        return replace(found, display=names[0])
    return Validation(False, f"The display is not one of this code's in {language}; {names[0]!r} is.", names[0])


def _designations(terminology: Terminology, code: Code) -> Iterable[Resource]:
    try:
        known = terminology.code_system(str(code.system))
    except UnknownCodeSystemError:
        return ()
    spelled = known.spelled(code.code)
    return () if spelled is None else known.concepts[spelled].get("designation", ())


def _plain(display: str) -> str:
    return " ".join(display.split()).casefold()


def answer(found: Validation) -> Result:
    """Parameters with result, message and display."""
    return parameters(
        {"name": "result", "valueBoolean": found.result},
        {"name": "message", "valueString": found.message} if found.message else None,
        {"name": "display", "valueString": found.display} if found.display else None,
    )
