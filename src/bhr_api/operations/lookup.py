"""CodeSystem/$lookup: all that is known of a code (FHIR R4, codesystem-operation-lookup.html)."""

from collections.abc import Collection, Iterator
from types import MappingProxyType

from bhr_api.errors import MalformedRequestError
from bhr_api.fhir.definitions import Resource
from bhr_api.fhir.terminology.code_systems import CodeSystem
from bhr_api.fhir.terminology.rendering import all_in_language, in_language
from bhr_api.interactions.context import Context
from bhr_api.interactions.requests import Request
from bhr_api.interactions.results import Result
from bhr_api.operations.code_system_in_question import code_system_of
from bhr_api.operations.terminology_questions import (
    DATE,
    Code,
    Question,
    in_thread,
    parameters,
    terminology_operation,
)

TYPES = MappingProxyType(
    {
        "code": "code",
        "system": "uri",
        "version": "string",
        "coding": "Coding",
        "displayLanguage": "code",
        "property": "code",
    }
)
# What stands among the properties of the answer for every code system, beside its own.
_COMPUTED = frozenset({"parent", "child", "inactive"})


async def lookup(context: Context, request: Request) -> Result:
    """Parameters that tell of the code. Raises UnknownCodeSystemError, UnknownCodeError, MalformedRequestError."""
    question = Question(context, request, TYPES, {"date": DATE})
    code = _code_in_question(question)
    asked = await code_system_of(question, str(code.system), [code.version])
    wanted, language = frozenset(question.all("property")), question.one("displayLanguage")
    result = await in_thread(
        lambda: parameters(
            *_told(asked.terminology.code_system(asked.url, code.version), code.code, wanted or None, language)
        )
    )
    await question.record()
    return result


def _code_in_question(question: Question) -> Code:
    """R4: "a client SHALL provide both a system and a code, either using the system+code parameters, or in the coding"."""
    version = question.one("version")
    if question.require_one("code", "coding") == "code":
        code = Code(question.one("system"), version, question.one("code"), None)
    else:
        question.forbid(("system",), "with coding")
        coding = question.coding("coding")
        assert coding is not None
        if version is not None and coding.version not in (None, version):
            raise MalformedRequestError("The coding is of another version than version says.", code="required")
        code = coding._replace(version=coding.version or version)
    if code.system is None:
        raise MalformedRequestError("$lookup needs the system of the code.", code="required")
    return code


def _told(system: CodeSystem, code: str, wanted: Collection[str] | None, language: str | None) -> Iterator[Resource]:
    """The parameters of the answer; `wanted` are the properties that were asked for, None for all."""
    known = system.concept(code)
    display = in_language(known.designations, language) or known.display
    yield {"name": "name", "valueString": known.system_name}
    if known.version:
        yield {"name": "version", "valueString": known.version}
    # R4 has display 1..1; a code without one is shown as itself.
    yield {"name": "display", "valueString": display or known.code}
    for designation in known.designations:
        if _is_wanted(designation, wanted):
            yield {"name": "designation", "part": _designation(designation)}
    for name, value in _properties(system, known.code, everything=wanted is None):
        if wanted is None or name in wanted:
            yield {"name": "property", "part": _property(system, name, value)}


def _is_wanted(designation: Resource, wanted: Collection[str] | None) -> bool:
    """R4: the property `designation` asks for all, `lang.X` for those in language X."""
    if wanted is None or "designation" in wanted:
        return True
    languages = (name.removeprefix("lang.") for name in wanted if name.startswith("lang."))
    return any(all_in_language([designation], language) for language in languages)


def _designation(designation: Resource) -> list[Resource]:
    forms = (("language", "valueCode"), ("use", "valueCoding"), ("value", "valueString"))
    return [{"name": name, form: designation[name]} for name, form in forms if name in designation]


def _properties(system: CodeSystem, code: str, *, everything: bool) -> Iterator[tuple[str, Resource]]:
    """(code, value[x]) of what has no parameter of its own; the url of the system, which was given, if it is asked for."""
    concept = system.concepts[code]
    if not everything:
        yield "url", {"valueUri": system.url}
    if "definition" in concept:
        yield "definition", {"valueString": concept["definition"]}
    for parent in system.parents(code):
        yield "parent", {"valueCode": parent}
    for child in system.children(code):
        yield "child", {"valueCode": child}
    yield "inactive", {"valueBoolean": system.is_inactive(code)}
    for one in concept.get("property", []):
        value = {name: given for name, given in one.items() if name.startswith("value")}
        if value and one.get("code", "inactive") not in _COMPUTED:
            yield one["code"], value


def _property(system: CodeSystem, name: str, value: Resource) -> list[Resource]:
    """The parts of a property. A code of the same system is told with its display."""
    told: list[Resource] = [{"name": "code", "valueCode": name}, {"name": "value", **value}]
    code = value.get("valueCode")
    if code in system.concepts and (display := system.display(code)):
        told.append({"name": "description", "valueString": display})
    return told


LOOKUP = terminology_operation("CodeSystem", "lookup", ("type",), lookup)
