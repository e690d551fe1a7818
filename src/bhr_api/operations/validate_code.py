"""ValueSet/$validate-code and CodeSystem/$validate-code: whether a code is of it, under a right name.

FHIR R4, valueset-operation-validate-code.html and codesystem-operation-validate-code.html.
"""

from collections.abc import Iterable
from dataclasses import replace
from types import MappingProxyType

from bhr_api.errors import MalformedRequestError
from bhr_api.fhir.terminology.errors import UnknownCodeSystemError
from bhr_api.fhir.terminology.terminology import Terminology, Validation
from bhr_api.interactions.context import Context
from bhr_api.interactions.requests import Request
from bhr_api.interactions.results import Result
from bhr_api.operations import code_checks, value_set_in_question
from bhr_api.operations.code_checks import answer, codes_in_question, validated
from bhr_api.operations.code_system_in_question import (
    CodeSystemInQuestion,
    code_system_by_itself,
    code_system_of,
    code_system_of_instance,
)
from bhr_api.operations.terminology_questions import DATE, Code, Question, in_thread, terminology_operation
from bhr_api.operations.value_set_in_question import CONTEXT, ValueSetInQuestion

_OF_VALUE_SET = MappingProxyType(
    {**value_set_in_question.TYPES, **code_checks.TYPES, "system": "uri", "systemVersion": "string"}
)
_OF_CODE_SYSTEM = MappingProxyType({**code_checks.TYPES, "url": "uri", "codeSystem": "CodeSystem", "version": "string"})


async def validate_code_in_value_set(context: Context, request: Request) -> Result:
    """Whether a code is in a value set."""
    question = Question(context, request, _OF_VALUE_SET, {"context": CONTEXT, "date": DATE}, "valueSet")
    codes = codes_in_question(question, question.one("system"), question.one("systemVersion"))
    if question.given("code"):
        if not question.given("system"):
            raise MalformedRequestError("$validate-code needs the system of the code.", code="required")
    else:
        question.forbid(("system", "systemVersion"), "without code: the Coding has its own")
    systems = {code.system for code in codes if code.system}
    versioned = {f"{code.system}|{code.version}" for code in codes if code.system and code.version}
    asked = await value_set_in_question.value_set_in_question(question, systems | versioned)
    allow_abstract, language = question.one("abstract") is True, question.one("displayLanguage")

    def check(code: Code) -> Validation:
        found = _in_value_set(asked, code, allow_abstract)
        return code_checks.in_language(found, code, asked.terminology, language)

    found = await in_thread(lambda: validated(codes, check))
    await question.record()
    return answer(found)


def _in_value_set(asked: ValueSetInQuestion, code: Code, allow_abstract: bool) -> Validation:
    if code.system is None:
        # datatypes.html#Coding: without a system "the code cannot be interpreted".
        return Validation(False, f"The Coding of {code.code!r} has no system.", None)
    found = asked.terminology.validate_code(
        code.code,
        system=code.system,
        value_set=asked.question,
        display=code.display,
        allow_abstract=allow_abstract,
    )
    if not found.result:
        return found
    if code.version is None:
        return replace(found, message=_unchecked(asked.terminology, code, code.system))
    return _of_version(asked, code, code.system, code.version, found)


def _unchecked(terminology: Terminology, code: Code, system: str) -> str | None:
    """R4, message: "If this is provided when result = true, the message carries hints and warnings"."""
    try:
        known = terminology.code_system(system)
    except UnknownCodeSystemError:
        return f"CodeSystem {system} is not loaded: whether it has the code was not checked."
    if known.spelled(code.code) is not None:
        return None
    if known.is_complete:
        return f"{known.canonical} has no code {code.code!r}, which the value set lists."
    return f"CodeSystem {known.canonical} has not all its codes here: whether it has the code was not checked."


def _of_version(asked: ValueSetInQuestion, code: Code, system: str, version: str, found: Validation) -> Validation:
    """`found`, unless the value set is of another version of the system or that version has no such code."""
    include = asked.definition.get("compose", {}).get("include", ())
    named = {part.get("version") for part in include if part.get("system") == system}
    if named and None not in named and version not in named:
        expected = ", ".join(sorted(named))
        return Validation(False, f"The value set takes codes of {system} in version {expected}, not {version}.", None)
    try:
        known = asked.terminology.code_system(system, version)
    except UnknownCodeSystemError:
        return replace(found, message=f"Version {version} of {system} is not loaded: the code was checked without it.")
    if known.spelled(code.code) is None and known.is_complete:
        return Validation(False, f"{known.canonical} has no code {code.code!r}.", None)
    return found


async def validate_code_in_code_system(context: Context, request: Request) -> Result:
    """Whether a code is in a code system."""
    question = Question(context, request, _OF_CODE_SYSTEM, {"date": DATE}, "codeSystem")
    version = question.one("version")
    codes = codes_in_question(question, None, version)
    asked = await _code_system(question, [version, *(code.version for code in codes)])
    bare = bool(question.given("code"))
    allow_abstract, language = question.one("abstract") is True, question.one("displayLanguage")

    def check(code: Code) -> Validation:
        mine = code._replace(system=asked.url) if bare else code
        found = _in_code_system(asked, mine, version, allow_abstract)
        return code_checks.in_language(found, mine, asked.terminology, language)

    found = await in_thread(lambda: validated(codes, check))
    await question.record()
    return answer(found)


async def _code_system(question: Question, versions: Iterable[str | None]) -> CodeSystemInQuestion:
    if question.request.id:
        question.forbid(("url", "codeSystem"), "where it is asked of a CodeSystem")
        return await code_system_of_instance(question)
    if question.require_one("url", "codeSystem") == "codeSystem":
        sent = await question.resource()
        assert sent is not None
        return await code_system_by_itself(sent)
    return await code_system_of(question, question.one("url"), versions)


def _in_code_system(asked: CodeSystemInQuestion, code: Code, version: str | None, allow_abstract: bool) -> Validation:
    if code.system != asked.url:
        # R4, of coding: "The system must match the specified code system".
        return Validation(
            False, f"The Coding of {code.code!r} is of {code.system or 'no system'}, not {asked.url}.", None
        )
    if version is not None and code.version not in (None, version):
        return Validation(False, f"The Coding of {code.code!r} is of version {code.version}, not {version}.", None)
    terminology: Terminology = asked.terminology
    return terminology.validate_code(
        code.code,
        system=asked.url,
        version=code.version or version,
        display=code.display,
        allow_abstract=allow_abstract,
    )


VALIDATE_CODE_IN_VALUE_SET = terminology_operation(
    "ValueSet", "validate-code", ("type", "instance"), validate_code_in_value_set
)
VALIDATE_CODE_IN_CODE_SYSTEM = terminology_operation(
    "CodeSystem", "validate-code", ("type", "instance"), validate_code_in_code_system
)
