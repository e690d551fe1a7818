"""CodeSystem/$subsumes: how two codes stand to one another (FHIR R4, codesystem-operation-subsumes.html)."""

from types import MappingProxyType

from bhr_api.errors import MalformedRequestError
from bhr_api.fhir.terminology.errors import CannotExpandError
from bhr_api.interactions.context import Context
from bhr_api.interactions.requests import Request
from bhr_api.interactions.results import Result
from bhr_api.operations.code_system_in_question import CodeSystemInQuestion, code_system_of, code_system_of_instance
from bhr_api.operations.terminology_questions import Code, Question, in_thread, parameters, terminology_operation

TYPES = MappingProxyType(
    {
        "codeA": "code",
        "codeB": "code",
        "system": "uri",
        "version": "string",
        "codingA": "Coding",
        "codingB": "Coding",
    }
)


async def subsumes(context: Context, request: Request) -> Result:
    """Parameters with the outcome. Raises UnknownCodeSystemError, UnknownCodeError, CannotExpandError."""
    question = Question(context, request, TYPES, {})
    a, b = _code(question, "A"), _code(question, "B")
    asked, version = await _code_system(question, a, b)
    for code in (a, b):
        _require_system(code, asked.url, version)
    outcome = await in_thread(lambda: asked.terminology.subsumes(asked.url, a.code, b.code, version))
    await question.record()
    return parameters({"name": "outcome", "valueCode": outcome})


def _code(question: Question, letter: str) -> Code:
    if question.require_one(f"code{letter}", f"coding{letter}") == f"code{letter}":
        return Code(None, None, question.one(f"code{letter}"), None)
    coding = question.coding(f"coding{letter}")
    assert coding is not None
    if coding.system is None:
        raise MalformedRequestError(f"$subsumes needs the system of coding{letter}.", code="required")
    return coding


async def _code_system(question: Question, a: Code, b: Code) -> tuple[CodeSystemInQuestion, str | None]:
    version = question.one("version") or a.version or b.version
    if question.request.id:
        question.forbid(("system",), "where it is asked of a CodeSystem")
        return await code_system_of_instance(question), version
    system = question.one("system") or a.system or b.system
    if system is None:
        raise MalformedRequestError("$subsumes needs the system of the codes.", code="required")
    return await code_system_of(question, system, [version]), version


def _require_system(code: Code, url: str, version: str | None) -> None:
    """R4 lets codings be of other systems where their relation is well established, which is not known here of any."""
    if code.system not in (None, url):
        raise CannotExpandError(f"How codes of {code.system} stand to those of {url} is not known here.")
    if code.version not in (None, version):
        raise CannotExpandError(f"How codes of version {code.version} stand to those of {version} is not known here.")


SUBSUMES = terminology_operation("CodeSystem", "subsumes", ("type", "instance"), subsumes)
