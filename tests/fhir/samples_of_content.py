"""Broken references, contained resources, extensions and narratives (FHIR R4, references.html, extensibility.html)."""

from tests.fhir.sample import (
    PATIENT,
    InvalidSample,
    Resource,
    broken,
    bundle,
    care_plan,
    consent,
    encounter,
    extended,
    narrative,
    observation,
    patient,
    response,
    risk_assessment,
    service_request,
    xhtml,
)

_TARGET = "structure value invalid invariant"


def _target(rule: str, resource: Resource, element: str) -> InvalidSample:
    return broken(f"reference-{rule}", resource, _TARGET, element, f"{element}.reference", f"{element}.type")


def _refers(reference: str) -> Resource:
    return {"reference": reference}


REFERENCES = [
    _target("observation-subject-practitioner", observation(subject=_refers("Practitioner/a")), "Observation.subject"),
    _target("careplan-subject-organization", care_plan(subject=_refers("Organization/a")), "CarePlan.subject"),
    _target("careplan-goal-condition", care_plan(goal=[_refers("Goal/a"), _refers("Condition/a")]),
            "CarePlan.goal[1]"),
    _target("encounter-participant-patient", encounter(participant=[{"individual": PATIENT}]),
            "Encounter.participant[0].individual"),
    _target("consent-patient-group", consent(patient=_refers("Group/a")), "Consent.patient"),
    _target("servicerequest-requester-careteam", service_request(requester=_refers("CareTeam/a")),
            "ServiceRequest.requester"),
    _target("risk-condition-observation", {**risk_assessment(), "condition": _refers("Observation/a")},
            "RiskAssessment.condition"),
    _target("response-author-group", response(author=_refers("Group/a")), "QuestionnaireResponse.author"),
    _target("versioned-of-a-wrong-type", observation(subject=_refers("Practitioner/a/_history/2")),
            "Observation.subject"),
    _target("by-type-element", observation(subject={"type": "Practitioner", "display": "A"}), "Observation.subject"),
    _target("type-not-that-of-the-reference", observation(subject={**PATIENT, "type": "Group"}),
            "Observation.subject"),
    _target("contained-of-a-wrong-type", observation(subject=_refers("#o"), contained=[
            {"resourceType": "Organization", "id": "o", "name": "A"}]), "Observation.subject"),
    _target("unknown-relative-type", observation(subject=_refers("Client/1")), "Observation.subject"),
    _target("with-a-space", observation(subject=_refers("Patient/a b")), "Observation.subject"),
    _target("with-an-id-of-65-characters", observation(subject=_refers("Patient/" + "a" * 65)),
            "Observation.subject"),
    _target("with-an-underscore-in-the-id", observation(subject=_refers("Patient/a_b")), "Observation.subject"),
    _target("without-an-id", observation(subject=_refers("Patient/")), "Observation.subject"),
    _target("in-a-backbone", {"resourceType": "Procedure", "status": "completed", "subject": PATIENT,
            "performer": [{"actor": _refers("Location/a")}]}, "Procedure.performer[0].actor"),
    broken("ref-1-contained-absent", observation(subject=_refers("#p")), "invariant not-found value",
           "Observation.subject", "Observation.subject.reference"),
    broken("ref-1-other-contained-id", observation(subject=_refers("#p"), performer=[_refers("#q")],
           contained=[patient(id="q")]), "invariant not-found value", "Observation.subject",
           "Observation.subject.reference"),
]  # fmt: skip

_HELD = observation(subject=_refers("#p"))

CONTAINED = [
    broken("dom-2-contained-in-contained",
           {**_HELD, "contained": [patient(id="p", managingOrganization=_refers("#o"), contained=[
               {"resourceType": "Organization", "id": "o", "name": "A"}])]},
           "invariant structure", "Observation", "Observation.contained[0]", "Observation.contained[0].contained",
           "Observation.contained[0].contained[0]"),
    broken("dom-3-unreferenced-contained", observation(contained=[patient(id="p")]), "invariant", "Observation",
           "Observation.contained[0]"),
    broken("dom-3-one-of-two-unreferenced", {**_HELD, "contained": [patient(id="p"), patient(id="q")]}, "invariant",
           "Observation", "Observation.contained[1]"),
    broken("dom-3-contained-without-id", observation(contained=[patient(active=True)]), "invariant required",
           "Observation", "Observation.contained[0]", "Observation.contained[0].id"),
    broken("dom-4-contained-versionid", {**_HELD, "contained": [patient(id="p", meta={"versionId": "1"})]},
           "invariant", "Observation", "Observation.contained[0]", "Observation.contained[0].meta",
           "Observation.contained[0].meta.versionId"),
    broken("dom-4-contained-lastupdated",
           {**_HELD, "contained": [patient(id="p", meta={"lastUpdated": "2026-01-01T00:00:00Z"})]},
           "invariant", "Observation", "Observation.contained[0]", "Observation.contained[0].meta",
           "Observation.contained[0].meta.lastUpdated"),
    broken("dom-5-contained-security",
           {**_HELD, "contained": [patient(id="p", meta={"security": [{"code": "R"}]})]},
           "invariant", "Observation", "Observation.contained[0]", "Observation.contained[0].meta",
           "Observation.contained[0].meta.security"),
    broken("contained-with-a-bad-code", {**_HELD, "contained": [patient(id="p", gender="m")]}, "code-invalid",
           "Observation.contained[0].gender"),
]  # fmt: skip

_ODD = {"extension": [{"url": "http://example.org/a", "valueString": "b"}]}

EXTENSIONS = [
    broken("primitive-extension-list-for-single", patient(birthDate="1974", _birthDate=[_ODD]), "structure value",
           "Patient.birthDate"),
    broken("primitive-extension-single-for-list", patient(name=[{"given": ["A"], "_given": _ODD}]),
           "structure value", "Patient.name[0].given", "Patient.name[0].given[0]"),
    broken("primitive-extension-string", patient(birthDate="1974", _birthDate="about"), "structure value",
           "Patient.birthDate"),
    broken("primitive-extension-null", patient(birthDate="1974", _birthDate=None), "structure value",
           "Patient.birthDate"),
    broken("primitive-extension-empty", patient(birthDate="1974", _birthDate={}), "structure value invariant",
           "Patient.birthDate"),
    broken("primitive-extension-unknown-name", patient(birthDate="1974", _birthDate={"value": "1974"}), "structure",
           "Patient.birthDate", "Patient.birthDate.value"),
    broken("primitive-extension-of-no-element", patient(_nickname=_ODD), "structure", "Patient.nickname"),
    broken("primitive-extension-of-resourcetype", patient(_resourceType=_ODD), "structure", "Patient.resourceType"),
    broken("primitive-extension-longer-than-the-list", patient(name=[{"given": ["A"], "_given": [None, _ODD, None]}]),
           "structure value invariant", "Patient.name[0].given", "Patient.name[0].given[2]"),
    broken("null-paired-with-null", patient(name=[{"given": ["A", None], "_given": [_ODD, None]}]),
           "structure value invariant", "Patient.name[0].given[1]", "Patient.name[0].given"),
    broken("null-in-a-list-without-pair", patient(name=[{"given": ["A", None]}]), "structure value invariant",
           "Patient.name[0].given[1]", "Patient.name[0].given"),
    broken("primitive-only-an-id", patient(_birthDate={"id": "a"}), "structure value invariant", "Patient.birthDate"),
    broken("extension-without-url", patient(extension=[{"valueString": "a"}]), "required", "Patient.extension[0]",
           "Patient.extension[0].url"),
    broken("extension-without-url-in-a-primitive", patient(birthDate="1974", _birthDate={"extension": [
           {"valueString": "a"}]}), "required", "Patient.birthDate.extension[0]",
           "Patient.birthDate.extension[0].url"),
    broken("extension-url-with-a-space", patient(extension=[{"url": "http://example.org/a b", "valueString": "a"}]),
           "value", "Patient.extension[0].url"),
    broken("extension-url-null", patient(extension=[{"url": None, "valueString": "a"}]), "structure value required",
           "Patient.extension[0].url", "Patient.extension[0]"),
    broken("ext-1-value-and-extension", extended(valueString="a", extension=[{"url": "b", "valueString": "c"}]),
           "invariant", "Patient.extension[0]"),
    broken("ext-1-neither-value-nor-extension", extended(), "invariant", "Patient.extension[0]"),
    broken("ext-1-two-levels-down", extended(extension=[{"url": "b"}]), "invariant",
           "Patient.extension[0].extension[0]"),
    broken("ext-1-in-a-modifier", patient(modifierExtension=[{"url": "http://example.org/a"}]), "invariant",
           "Patient.modifierExtension[0]"),
    broken("modifier-extension-on-a-datatype", patient(name=[{"family": "A", "modifierExtension": [
           {"url": "http://example.org/a", "valueBoolean": True}]}]), "structure",
           "Patient.name[0].modifierExtension"),
    broken("extension-is-an-object", patient(extension={"url": "http://example.org/a", "valueString": "b"}),
           "structure value", "Patient.extension", "Patient.extension[0]"),
    broken("extension-value-of-a-bad-form", extended(valueDate="2026-02-30"), "value",
           "Patient.extension[0].value.ofType(date)"),
]  # fmt: skip


def _story(rule: str, div: str) -> InvalidSample:
    return broken(
        f"xhtml-{rule}",
        patient(text=narrative(div)),
        "invariant structure value invalid",
        "Patient.text.div",
        "Patient.text",
    )


_DOCTYPE = '<!DOCTYPE div [<!ENTITY a SYSTEM "file:///etc/passwd">]>'

NARRATIVES = [
    _story("script", xhtml("a<script>alert(1)</script>")),
    _story("onclick", xhtml('<p onclick="alert(1)">a</p>')),
    _story("onerror-on-an-image", xhtml('<img src="a.png" onerror="alert(1)"/>')),
    _story("event-on-the-root", '<div xmlns="http://www.w3.org/1999/xhtml" onload="a()">a</div>'),
    _story("link-to-javascript", xhtml('<a href="javascript:alert(1)">a</a>')),
    _story("link-to-javascript-in-another-case", xhtml('<a href=" JavaScript:alert(1)">a</a>')),
    _story("image-from-javascript", xhtml('a<img src="javascript:alert(1)"/>')),
    _story("style-element", xhtml("<style>p {color: red}</style>a")),
    _story("iframe", xhtml('a<iframe src="http://example.org"></iframe>')),
    _story("object", xhtml('a<object data="http://example.org"></object>')),
    _story("form", xhtml('<form action="http://example.org"><input name="a"/></form>a')),
    _story("link-element", xhtml('a<link rel="stylesheet" href="http://example.org/a.css"/>')),
    _story("base-element", xhtml('a<base href="http://example.org/"/>')),
    _story("head-and-body", xhtml("<head><title>a</title></head><body>a</body>")),
    _story("svg", xhtml('a<svg xmlns="http://www.w3.org/2000/svg"><text>a</text></svg>')),
    _story("not-well-formed", '<div xmlns="http://www.w3.org/1999/xhtml"><p>a</div>'),
    _story("unclosed-break", xhtml("a<br>b")),
    _story("bare-ampersand", xhtml("a & b")),
    _story("html-entity", xhtml("a&nbsp;b")),
    _story("attribute-without-quotes", xhtml("<p class=a>b</p>")),
    _story("plain-text", "PHQ-9: 12"),
    _story("two-roots", xhtml("a") + xhtml("b")),
    _story("text-after-the-root", xhtml("a") + " b"),
    _story("wrong-root", '<p xmlns="http://www.w3.org/1999/xhtml">a</p>'),
    _story("no-namespace", "<div>a</div>"),
    _story("wrong-namespace", '<div xmlns="http://www.w3.org/1999/html">a</div>'),
    _story("element-of-another-namespace", xhtml('<p xmlns="http://example.org">a</p>')),
    _story("external-entity", _DOCTYPE + xhtml("&a;")),
    _story("internal-entity", '<!DOCTYPE div [<!ENTITY a "b">]>' + xhtml("&a;")),
    _story("empty-div", xhtml("")),
    _story("only-whitespace", xhtml(" \n <p> </p>")),
    _story("element-in-capitals", xhtml('a<IMG src="a.png"/>')),
    _story("unknown-attribute", xhtml('<p foo="a">b</p>')),
    _story("style-with-a-script", xhtml('<p style="background: url(javascript:alert(1))">a</p>')),
    _story("control-character-reference", xhtml("a&#1;b")),
]

CONTENT = [
    *REFERENCES,
    *CONTAINED,
    *EXTENSIONS,
    *NARRATIVES,
    broken("code-in-an-entry", bundle("collection", {"resource": patient(gender="m")}), "code-invalid",
           "Bundle.entry[0].resource.gender"),
    broken("ref-1-in-an-entry", bundle("collection", {"resource": _HELD}), "invariant not-found value",
           "Bundle.entry[0].resource.subject", "Bundle.entry[0].resource.subject.reference"),
    broken("dom-3-in-an-entry", bundle("collection", {"resource": observation(contained=[patient(id="p")])}),
           "invariant", "Bundle.entry[0].resource", "Bundle.entry[0].resource.contained[0]"),
    broken("contained-ids-twice", {**_HELD, "contained": [patient(id="p"), patient(id="p")]}, "value invariant",
           "Observation.contained[1].id", "Observation.contained[1]", "Observation.contained[0].id", "Observation"),
    broken("element-id-with-a-space", patient(name=[{"id": "a b", "family": "A"}]), "value", "Patient.name[0].id"),
    broken("language-that-is-no-tag", patient(language="not a language"), "code-invalid value", "Patient.language"),
]  # fmt: skip
