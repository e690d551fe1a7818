"""Values whose JSON kind or whose form is not that of their primitive type (FHIR R4, datatypes.html#primitive)."""

from tests.fhir.sample import (
    InvalidSample,
    broken,
    document_reference,
    encounter,
    extended,
    observation,
    patient,
    questionnaire,
    response,
)

_VALUE = "Patient.extension[0].value.ofType({})"


def _extension(rule: str, fhir_type: str, value: object, codes: str = "value") -> InvalidSample:
    name = "value" + fhir_type[0].upper() + fhir_type[1:]
    return broken(rule, extended(**{name: value}), codes, _VALUE.format(fhir_type))


def _number(rule: str, fhir_type: str, digits: str, codes: str = "value structure") -> InvalidSample:
    name = "value" + fhir_type[0].upper() + fhir_type[1:]
    body = '{"resourceType":"Patient","extension":[{"url":"http://example.org/sample","%s":%s}]}' % (name, digits)  # noqa: UP031
    # A server may bound the length of a number before it knows whose value it is: "" is that refusal.
    return broken(rule, body, codes, _VALUE.format(fhir_type), *([""] if len(digits) > 1000 else []))


_KIND = "structure value"

WRONG_KINDS = [
    broken("kind-string-for-boolean", patient(active="true"), _KIND, "Patient.active"),
    broken("kind-number-for-boolean", patient(active=1), _KIND, "Patient.active"),
    broken("kind-boolean-for-code", patient(gender=True), _KIND, "Patient.gender"),
    broken("kind-number-for-string", patient(name=[{"family": 5}]), _KIND, "Patient.name[0].family"),
    broken("kind-number-for-string-in-list", patient(name=[{"given": ["A", 5]}]), _KIND, "Patient.name[0].given[1]"),
    broken("kind-number-for-date", patient(birthDate=1974), _KIND, "Patient.birthDate"),
    broken("kind-number-for-datetime", observation(effectiveDateTime=2026), _KIND, "Observation.effectiveDateTime"),
    broken("kind-number-for-instant", patient(meta={"lastUpdated": 1767225600}), _KIND, "Patient.meta.lastUpdated"),
    broken("kind-number-for-id", patient(id=1), _KIND, "Patient.id"),
    broken("kind-number-for-uri", patient(implicitRules=1), _KIND, "Patient.implicitRules"),
    broken("kind-boolean-for-markdown", questionnaire(description=False), _KIND, "Questionnaire.description"),
    broken("kind-number-for-time", observation(valueTime=800), _KIND, "Observation.valueTime"),
    broken("kind-number-for-xhtml", patient(text={"status": "generated", "div": 1}), _KIND, "Patient.text.div"),
    broken(
        "kind-string-for-decimal", observation(valueQuantity={"value": "12"}), _KIND, "Observation.valueQuantity.value"
    ),
    broken("kind-string-for-integer", observation(valueInteger="12"), _KIND, "Observation.value.ofType(integer)"),
    broken("kind-string-for-positiveint", patient(telecom=[{"rank": "1"}]), _KIND, "Patient.telecom[0].rank"),
    broken("kind-boolean-for-decimal", extended(valueDecimal=True), _KIND, _VALUE.format("decimal")),
    broken("kind-boolean-for-integer", observation(valueInteger=True), _KIND, "Observation.value.ofType(integer)"),
    broken("kind-number-for-base64", extended(valueBase64Binary=12), _KIND, _VALUE.format("base64Binary")),
    broken("kind-number-for-canonical", response(questionnaire=1), _KIND, "QuestionnaireResponse.questionnaire"),
    broken("kind-object-for-primitive", patient(gender={"value": "male"}), _KIND, "Patient.gender"),
    broken("kind-string-for-object", patient(maritalStatus="single"), _KIND, "Patient.maritalStatus"),
    broken("kind-string-for-object-in-list", patient(name=["Ann"]), _KIND, "Patient.name[0]"),
    broken("kind-string-for-reference", observation(subject="Patient/p1"), _KIND, "Observation.subject"),
    broken("kind-string-for-backbone", patient(contact=["Ann"]), _KIND, "Patient.contact[0]"),
    broken("kind-list-in-list", patient(name=[[{"family": "A"}]]), _KIND, "Patient.name[0]", "Patient.name"),
    broken("kind-string-for-contained", patient(contained=["Patient/p2"]), _KIND, "Patient.contained[0]"),
]

FORMATS = [
    broken("date-month-13", patient(birthDate="2026-13-01"), "value", "Patient.birthDate"),
    broken("date-30-february", patient(birthDate="2026-02-30"), "value", "Patient.birthDate"),
    broken("date-29-february-of-a-common-year", patient(birthDate="2023-02-29"), "value", "Patient.birthDate"),
    broken("date-29-february-1900", patient(birthDate="1900-02-29"), "value", "Patient.birthDate"),
    broken("date-31-april", patient(birthDate="2026-04-31"), "value", "Patient.birthDate"),
    broken("date-day-00", patient(birthDate="2026-01-00"), "value", "Patient.birthDate"),
    broken("date-two-digit-year", patient(birthDate="26-01-01"), "value", "Patient.birthDate"),
    broken("date-year-0000", patient(birthDate="0000"), "value", "Patient.birthDate"),
    broken("date-without-leading-zeros", patient(birthDate="2026-1-1"), "value", "Patient.birthDate"),
    broken("date-with-a-time", patient(birthDate="2026-01-01T00:00:00Z"), "value", "Patient.birthDate"),
    broken("date-slashes", patient(birthDate="2026/01/01"), "value", "Patient.birthDate"),
    broken("date-surrounded-by-spaces", patient(birthDate=" 2026-01-01"), "value", "Patient.birthDate"),
    broken("date-other-digits", patient(birthDate="２０２６-01-01"), "value", "Patient.birthDate"),
    broken("date-final-newline", patient(birthDate="2026-01-01\n"), "value", "Patient.birthDate"),
    broken(
        "datetime-time-without-zone",
        observation(effectiveDateTime="2026-01-01T10:00:00"),
        "value",
        "Observation.effectiveDateTime",
    ),
    broken(
        "datetime-without-seconds",
        observation(effectiveDateTime="2026-01-01T10:00Z"),
        "value",
        "Observation.effectiveDateTime",
    ),
    broken(
        "datetime-hour-24",
        observation(effectiveDateTime="2026-01-01T24:00:00Z"),
        "value",
        "Observation.effectiveDateTime",
    ),
    broken(
        "datetime-zone-15",
        observation(effectiveDateTime="2026-01-01T10:00:00+15:00"),
        "value",
        "Observation.effectiveDateTime",
    ),
    broken(
        "datetime-space-for-t",
        observation(effectiveDateTime="2026-01-01 10:00:00Z"),
        "value",
        "Observation.effectiveDateTime",
    ),
    broken(
        "datetime-no-such-day",
        observation(effectiveDateTime="2026-02-30T10:00:00Z"),
        "value",
        "Observation.effectiveDateTime",
    ),
    broken("datetime-in-a-period", encounter(period={"start": "yesterday"}), "value", "Encounter.period.start"),
    broken(
        "instant-without-seconds",
        patient(meta={"lastUpdated": "2026-01-01T10:00Z"}),
        "value",
        "Patient.meta.lastUpdated",
    ),
    broken("instant-date-only", patient(meta={"lastUpdated": "2026-01-01"}), "value", "Patient.meta.lastUpdated"),
    broken(
        "instant-without-zone",
        patient(meta={"lastUpdated": "2026-01-01T10:00:00.000"}),
        "value",
        "Patient.meta.lastUpdated",
    ),
    broken("time-hour-25", observation(valueTime="25:00:00"), "value", "Observation.valueTime"),
    broken("time-hour-24", observation(valueTime="24:00:00"), "value", "Observation.valueTime"),
    broken("time-without-seconds", observation(valueTime="08:00"), "value", "Observation.valueTime"),
    broken("time-with-a-zone", observation(valueTime="08:00:00Z"), "value", "Observation.valueTime"),
    broken("uri-with-a-space", patient(implicitRules="http://example.org/a b"), "value", "Patient.implicitRules"),
    _extension("url-with-a-space", "url", "http://example.org/a b"),
    broken(
        "canonical-with-a-space",
        response(questionnaire="http://example.org/q |1"),
        "value",
        "QuestionnaireResponse.questionnaire",
    ),
    _extension("uuid-not-hexadecimal", "uuid", "urn:uuid:0c3151bd-1cbf-4d64-b04d-cd9187a4c6eg"),
    _extension("uuid-without-urn", "uuid", "0c3151bd-1cbf-4d64-b04d-cd9187a4c6e0"),
    _extension("oid-first-arc-3", "oid", "urn:oid:3.1"),
    _extension("oid-without-urn", "oid", "1.2.3"),
    _extension("oid-leading-zero", "oid", "urn:oid:1.02"),
    _extension("base64-bad-character", "base64Binary", "aGVs*G8="),
    _extension("base64-wrong-length", "base64Binary", "aGVsb"),
    broken(
        "base64-in-an-attachment",
        document_reference(contentType="text/plain", data="not base64!"),
        "value",
        "DocumentReference.content[0].attachment.data",
    ),
    broken(
        "code-double-space",
        observation(code={"coding": [{"code": "a  b"}]}),
        "value",
        "Observation.code.coding[0].code",
    ),
    broken(
        "code-leading-space",
        observation(code={"coding": [{"code": " a"}]}),
        "value",
        "Observation.code.coding[0].code",
    ),
    broken(
        "code-trailing-space",
        observation(code={"coding": [{"code": "a "}]}),
        "value",
        "Observation.code.coding[0].code",
    ),
    broken("id-of-65-characters", patient(id="a" * 65), "value", "Patient.id"),
    broken("id-underscore", patient(id="a_b"), "value", "Patient.id"),
    broken("id-slash", patient(id="a/b"), "value", "Patient.id"),
    broken("id-other-letters", patient(id="José"), "value", "Patient.id"),
    broken("id-final-newline", patient(id="abc\n"), "value", "Patient.id"),
    broken("id-in-meta", patient(meta={"versionId": "1 2"}), "value", "Patient.meta.versionId"),
    broken("positiveint-zero", patient(telecom=[{"rank": 0}]), "value", "Patient.telecom[0].rank"),
    broken("positiveint-negative", patient(telecom=[{"rank": -1}]), "value", "Patient.telecom[0].rank"),
    broken(
        "unsignedint-negative",
        document_reference(url="http://example.org/a.pdf", size=-1),
        "value",
        "DocumentReference.content[0].attachment.size",
    ),
    _number("integer-overflow", "integer", "2147483648"),
    _number("integer-underflow", "integer", "-2147483649"),
    _number("integer-fraction", "integer", "1.5"),
    _number("integer-with-point-zero", "integer", "1.0"),
    _number("integer-exponent", "integer", "1e2"),
    _number("integer-of-4000-digits", "integer", "9" * 4000),
    _number("positiveint-overflow", "positiveInt", "2147483648"),
    _number("unsignedint-overflow", "unsignedInt", "2147483648"),
    broken(
        "string-empty", patient(name=[{"family": ""}]), "value structure invariant required", "Patient.name[0].family"
    ),
    broken(
        "markdown-empty",
        questionnaire(description=""),
        "value structure invariant required",
        "Questionnaire.description",
    ),
    broken("uri-empty", patient(implicitRules=""), "value structure invariant required", "Patient.implicitRules"),
    broken(
        "string-over-1-megabyte",
        patient(name=[{"family": "x" * (1024 * 1024 + 1)}]),
        "value too-long",
        "Patient.name[0].family",
    ),
]
