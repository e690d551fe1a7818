"""Required bindings: which codes an element takes (FHIR R4, terminologies.html#required).

Value sets over HL7's own code systems are listed. Those over languages, media types and currencies are held against the
form that their standards give codes (BCP 47, RFC 6838, ISO 4217); LOINC and UCUM ones are not checked.
"""

import re
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

from bhr_api.fhir.definitions import value_set_codes

IsCode = Callable[[str], object]

_MEDIA_TYPE = re.compile(r"[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]*/[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]*(\s*;.*)?", re.ASCII)
# BCP 47: language[-extlang][-script][-region][-variant]..., or a private or grandfathered tag.
_LANGUAGE = re.compile(r"([A-Za-z]{2,8}|[xX]|[iI])(-[A-Za-z0-9]{1,8})*", re.ASCII)
_CURRENCY = re.compile(r"[A-Z]{3}", re.ASCII)

_FORMS: Mapping[str, IsCode] = {
    "http://hl7.org/fhir/ValueSet/all-languages": _LANGUAGE.fullmatch,
    "http://hl7.org/fhir/ValueSet/mimetypes": _MEDIA_TYPE.fullmatch,
    "http://www.rfc-editor.org/bcp/bcp13.txt": _MEDIA_TYPE.fullmatch,
    "http://hl7.org/fhir/ValueSet/currencies": _CURRENCY.fullmatch,
}
# R4 binds these to media types but describes and uses the short names of formats too.
_SHORT_FORMATS = frozenset({"json", "xml", "ttl"})
_ELEMENTS_WITH_SHORT_FORMATS = ("CapabilityStatement", "TestScript.")


def code_test(value_set: str, type_name: str) -> IsCode | None:
    """Whether a code alone is in `value_set`, for an element of `type_name`; None if that is not known."""
    codes = value_set_codes(value_set)
    if codes is not None:
        return frozenset(code for _, code in codes).__contains__
    form = _FORMS.get(value_set)
    if form is not None and type_name.startswith(_ELEMENTS_WITH_SHORT_FORMATS):
        return lambda code: code in _SHORT_FORMATS or form(code)
    return form


def is_coding_in(coding: Mapping[str, Any], value_set: str) -> bool:
    """Whether the coding's system and code are in `value_set`, as far as that is known."""
    code, system = coding.get("code"), coding.get("system")
    codes = value_set_codes(value_set)
    if codes is None:
        form = _FORMS.get(value_set)
        return form is None or (isinstance(code, str) and bool(form(code)))
    return isinstance(code, str) and isinstance(system, str) and (system, code) in codes


@cache
def examples_of(value_set: str) -> str:
    """The codes of a small value set, or its name, for a sentence."""
    codes = sorted({code for _, code in value_set_codes(value_set) or ()})
    return ", ".join(codes) if 0 < len(codes) <= 15 else f"the codes of {value_set}"
