"""Valid R4 resources that a naive validator refuses; the id of each names what is unusual in it."""

from tests.fhir.sample import (
    PATIENT,
    UCUM,
    Resource,
    body_of,
    bundle,
    care_plan,
    concept,
    condition,
    document_reference,
    encounter,
    extended,
    narrative,
    observation,
    patient,
    questionnaire,
    repeating,
    response,
    risk_assessment,
    xhtml,
)

_NOTE: Resource = {"extension": [{"url": "http://example.org/note", "valueString": "about"}]}
_ABSENT: Resource = {
    "extension": [{"url": "http://hl7.org/fhir/StructureDefinition/data-absent-reason", "valueCode": "unknown"}]
}


def _weighing(digits: str) -> str:
    return '{"resourceType":"Observation","status":"final","code":{"text":"w"},"valueQuantity":{"value":%s}}' % digits  # noqa: UP031


def _nested_extension(levels: int) -> Resource:
    inner: Resource = {"url": "a", "valueBoolean": True}
    for _ in range(levels):
        inner = {"url": "a", "extension": [inner]}
    return patient(extension=[inner])


_RESOURCES: dict[str, Resource | str] = {
    "only-a-type": patient(),
    "date-year": patient(birthDate="1974"),
    "date-year-and-month": patient(birthDate="1974-12"),
    "date-leap-day": patient(birthDate="2024-02-29"),
    "date-leap-day-of-2000": patient(birthDate="2000-02-29"),
    "datetime-year": observation(effectiveDateTime="2026"),
    "datetime-zone-plus-14": observation(effectiveDateTime="2026-01-01T10:00:00+14:00"),
    "datetime-zone-minus-zero": observation(effectiveDateTime="2026-01-01T10:00:00-00:00"),
    "datetime-nine-fraction-digits": observation(effectiveDateTime="2026-01-01T10:00:00.123456789Z"),
    "datetime-leap-second": observation(effectiveDateTime="2016-12-31T23:59:60Z"),
    "time-with-a-fraction": observation(valueTime="23:59:59.999"),
    "decimal-trailing-zero": _weighing("1.10"),
    "decimal-exponent": _weighing("1E-7"),
    "decimal-small-exponent-letter": _weighing("6.02e+23"),
    "decimal-negative-zero": _weighing("-0.0"),
    "decimal-many-digits": _weighing("3.14159265358979323846264338327950288"),
    "decimal-without-point": _weighing("70"),
    "integer-greatest": observation(valueInteger=2147483647),
    "integer-least": observation(valueInteger=-2147483648),
    "unsignedint-zero": document_reference(url="http://example.org/a", size=0),
    "boolean-false": patient(active=False, deceasedBoolean=False),
    "id-of-64-characters": patient(id="aB-." * 16),
    "code-with-a-single-space": observation(code={"coding": [{"code": "long term"}]}),
    "uri-urn": patient(identifier=[{"system": "urn:ietf:rfc:3986", "value": "urn:oid:1.2.3"}]),
    "uri-oid-as-a-system": patient(identifier=[{"system": "urn:oid:2.16.840.1.113883.4.1", "value": "1"}]),
    "base64-with-line-breaks": document_reference(contentType="text/plain", data="aGVs\nbG8="),
    "unicode-names": patient(name=[{"family": "Ñúñez-O’Brien", "given": ["李", "😀", "e\u0301"]}]),
    "unicode-by-escapes": '{"resourceType":"Patient","name":[{"family":"\\ud83d\\ude00\\u00e9"}]}',
    "unicode-letter-that-normalises": patient(name=[{"family": "ﬁ\u00a0x"}]),
    "string-with-tab-and-newline": patient(name=[{"text": "a\tb\r\nc"}]),
    "string-that-looks-like-markup": patient(name=[{"text": "<script>'; DROP TABLE \\"}]),
    "white-space-around-tokens": ' {\n\t"resourceType" : "Patient" ,\r\n "active" : true }\n',
    "type-not-the-first-name": '{"id":"a","active":true,"resourceType":"Patient"}',
    "primitive-extension-without-value": patient(_birthDate=_NOTE),
    "primitive-extension-beside-value": patient(birthDate="1974-12-25", _birthDate={"id": "b", **_NOTE}),
    "given-with-a-null": patient(name=[{"given": ["Ann", None], "_given": [None, _NOTE]}]),
    "given-extension-list-of-nulls-and-one": patient(name=[{"given": ["A", "B", "C"], "_given": [None, _NOTE, None]}]),
    "given-only-extensions": patient(name=[{"_given": [_NOTE]}]),
    "required-code-given-by-its-extension": {
        "resourceType": "Observation",
        "_status": _ABSENT,
        "code": {"text": "a"},
    },
    "required-choice-given-by-its-extension": {
        "resourceType": "MedicationAdministration",
        "status": "completed",
        "medicationCodeableConcept": {"text": "a"},
        "subject": PATIENT,
        "_effectiveDateTime": _ABSENT,
    },
    "datatype-with-only-an-extension": patient(maritalStatus=_NOTE),
    "extension-nested-in-an-extension": extended(
        extension=[{"url": "a", "extension": [{"url": "b", "valueCode": "c"}]}]
    ),
    "extension-forty-levels-deep": _nested_extension(40),
    "extension-with-a-relative-url": patient(extension=[{"url": "a", "valueString": "b"}]),
    "extension-holding-a-signature-free-period": extended(valuePeriod={"start": "2026"}),
    "modifier-extension-on-the-resource": patient(
        modifierExtension=[{"url": "http://example.org/a", "valueCode": "b"}]
    ),
    "extension-on-a-reference": observation(subject=_ABSENT),
    "contained-referenced": observation(subject={"reference": "#p"}, contained=[patient(id="p")]),
    "contained-referenced-by-another-contained": observation(
        subject={"reference": "#p"},
        contained=[
            patient(id="p", managingOrganization={"reference": "#o"}),
            {"resourceType": "Organization", "id": "o", "name": "A"},
        ],
    ),
    "contained-referring-to-its-container": patient(
        contained=[{**observation(), "id": "o", "subject": {"reference": "#"}}]
    ),
    "contained-referenced-by-a-canonical": response(
        questionnaire="#q", contained=[{**questionnaire({"linkId": "1", "type": "string"}), "id": "q"}]
    ),
    "contained-referenced-from-an-extension": patient(
        extension=[{"url": "http://example.org/a", "valueReference": {"reference": "#o"}}],
        contained=[{"resourceType": "Organization", "id": "o", "name": "A"}],
    ),
    "reference-to-another-server": observation(subject={"reference": "https://other.example/fhir/Patient/1"}),
    "reference-to-a-server-of-unknown-types": observation(subject={"reference": "https://other.example/Clients/77"}),
    "reference-by-urn-uuid": observation(subject={"reference": "urn:uuid:0c3151bd-1cbf-4d64-b04d-cd9187a4c6e0"}),
    "reference-by-urn-oid": observation(subject={"reference": "urn:oid:1.2.3.4"}),
    "reference-to-a-version": observation(subject={"reference": "Patient/p1/_history/3"}),
    "reference-by-identifier": observation(subject={"type": "Patient", "identifier": {"value": "1"}}),
    "reference-by-display": observation(subject={"display": "A neighbour"}),
    "reference-to-any-type": observation(focus=[{"reference": "Basic/a"}]),
    "data-absent-reason-without-value": observation(dataAbsentReason={"text": "refused"}),
    "component-with-data-absent-reason": observation(
        component=[{"code": {"text": "item 9"}, "dataAbsentReason": {"text": "refused"}}]
    ),
    "quantity-with-a-comparator": observation(valueQuantity={"value": 10, "comparator": "<", "unit": "drinks"}),
    "quantity-without-value": observation(valueQuantity={"unit": "mg"}),
    "code-outside-an-extensible-binding": patient(maritalStatus=concept("http://example.org/m", "living-apart")),
    "concept-with-a-second-system": condition(
        clinicalStatus={
            "coding": [
                {"system": "http://example.org/local", "code": "ongoing"},
                {"system": "http://terminology.hl7.org/CodeSystem/condition-clinical", "code": "active"},
            ]
        }
    ),
    "con-3-is-a-warning": condition(
        category=[concept("http://terminology.hl7.org/CodeSystem/condition-category", "problem-list-item")]
    ),
    "period-open-start": encounter(period={"end": "2026-01-01"}),
    "period-of-one-day": encounter(period={"start": "2026-01-01", "end": "2026-01-01"}),
    "period-of-mixed-precision": encounter(period={"start": "2026-01-01T10:00:00Z", "end": "2026-01-01"}),
    "period-across-zones": encounter(period={"start": "2026-01-01T10:30:00+01:00", "end": "2026-01-01T09:45:00Z"}),
    "range-without-low": observation(valueRange={"high": {"value": 5}}),
    "timing-weekly": repeating(frequency=1, period=1, periodUnit="wk", dayOfWeek=["mon", "thu"]),
    "timing-offset-before-a-meal": repeating(offset=30, when=["ACM"]),
    "timing-zero-duration": repeating(duration=0, durationUnit="min"),
    "age-in-years": condition(onsetAge={"value": 30, "system": UCUM, "code": "a"}),
    "risk-of-100": risk_assessment({"probabilityDecimal": 100}),
    "risk-in-per-cent": risk_assessment({"probabilityRange": {"low": {"value": 5, "system": UCUM, "code": "%"}}}),
    "plan-activity-by-reference": care_plan(activity=[{"reference": {"reference": "Task/a"}}]),
    "answer-with-items-inside": response(
        {"linkId": "1", "answer": [{"valueBoolean": True, "item": [{"linkId": "1.1"}]}]}
    ),
    "item-without-answer": response({"linkId": "1", "text": "Left out"}),
    "two-enable-conditions-with-behavior": questionnaire(
        {"linkId": "1", "type": "boolean"},
        {
            "linkId": "2",
            "type": "string",
            "enableBehavior": "any",
            "enableWhen": [
                {"question": "1", "operator": "exists", "answerBoolean": False},
                {"question": "1", "operator": "=", "answerBoolean": True},
            ],
        },
    ),
    "narrative-of-an-image-only": patient(text=narrative(xhtml('<img src="data:image/png;base64,aGk=" alt=""/>'))),
    "narrative-with-a-table-and-style": patient(
        text=narrative(xhtml('<table style="width: 50%"><tr><td colspan="2">a &amp; b &#160; &lt;c</td></tr></table>'))
    ),
    "narrative-with-links-and-a-break": patient(text=narrative(xhtml('<a name="x">a</a><br/><a href="#x">b</a>'))),
    "narrative-that-mentions-script": patient(text=narrative(xhtml("onclick=&quot;javascript:&quot; is text"))),
    "narrative-with-a-prefix-free-language": patient(
        text=narrative('<div xmlns="http://www.w3.org/1999/xhtml" lang="en" xml:lang="en"><p>a</p></div>')
    ),
    "contained-in-an-entry": bundle(
        "collection", {"resource": observation(subject={"reference": "#p"}, contained=[patient(id="p")])}
    ),
    "contained-in-a-parameter": {
        "resourceType": "Parameters",
        "parameter": [{"name": "a", "resource": observation(subject={"reference": "#p"}, contained=[patient(id="p")])}],
    },
    "deletion-in-a-history": bundle(
        "history",
        {
            "fullUrl": "http://example.org/Patient/a",
            "request": {"method": "DELETE", "url": "Patient/a"},
            "response": {"status": "204"},
        },
    ),
    "narrative-with-a-comment": patient(text=narrative(xhtml("<!-- a -->b"))),
    "mime-type-with-a-parameter": document_reference(contentType="text/plain; charset=utf-8", url="http://example.org"),
    "language-with-a-region": patient(language="de-CH"),
    "bundle-without-entries": bundle("searchset", total=0),
    "batch-entry-with-only-a-request": bundle("batch", {"request": {"method": "GET", "url": "Patient/a"}}),
    "history-of-one-resource": bundle(
        "history",
        *[
            {
                "fullUrl": "http://example.org/Patient/a",
                "resource": patient(id="a", meta={"versionId": version}),
                "request": {"method": "PUT", "url": "Patient/a"},
                "response": {"status": "200"},
            }
            for version in ("1", "2")
        ],
    ),
    "parameters-with-a-part": {
        "resourceType": "Parameters",
        "parameter": [{"name": "a", "part": [{"name": "b", "valueCode": "c"}]}],
    },
    "binary": {"resourceType": "Binary", "contentType": "application/pdf", "data": "aGk="},
}

VALID = {rule: body_of(content) for rule, content in _RESOURCES.items()}
