"""Resources that break one constraint of severity error of the R4 definitions; the id starts with its key."""

from typing import Any

from tests.fhir.sample import (
    PATIENT,
    UCUM,
    InvalidSample,
    Resource,
    broken,
    bundle,
    care_plan,
    concept,
    condition,
    consent,
    document_reference,
    encounter,
    extended,
    goal,
    observation,
    patient,
    questionnaire,
    repeating,
    response,
    risk_assessment,
    service_request,
)


def _breaks(rule: str, resource: Resource, *expressions: str) -> InvalidSample:
    return broken(rule, resource, "invariant", *expressions)


_TIMING = "ServiceRequest.occurrence.ofType(Timing).repeat"
_SCORE = concept("http://loinc.org", "44261-6")
_HL7 = "http://terminology.hl7.org/CodeSystem/"
_ERROR_ALLERGY = concept(_HL7 + "allergyintolerance-verification", "entered-in-error")
_ACTIVE_ALLERGY = concept(_HL7 + "allergyintolerance-clinical", "active")
_ACTIVE = concept(_HL7 + "condition-clinical", "active")
_ERROR = concept(_HL7 + "condition-ver-status", "entered-in-error")
_PLAN: Resource = {"resourceType": "PlanDefinition", "status": "active"}
_MOTHER = {"resourceType": "FamilyMemberHistory", "status": "completed", "patient": PATIENT,
           "relationship": {"text": "mother"}, "bornString": "1966"}  # fmt: skip
_NAMED = {"url": "http://example.org/a", "name": "A"}

DATATYPES = [
    _breaks("age-1-zero", condition(onsetAge={"value": 0, "system": UCUM, "code": "a"}),
            "Condition.onset.ofType(Age)"),
    _breaks("age-1-without-code", condition(onsetAge={"value": 30, "unit": "years"}), "Condition.onset.ofType(Age)"),
    _breaks("age-1-other-system", condition(onsetAge={"value": 30, "system": "http://example.org", "code": "a"}),
            "Condition.onset.ofType(Age)"),
    _breaks("qty-3", observation(valueQuantity={"value": 5, "code": "mg"}), "Observation.valueQuantity"),
    _breaks("qty-3-in-a-component",
            observation(component=[{"code": {"text": "a"}, "valueQuantity": {"value": 5, "code": "mg"}}]),
            "Observation.component[0].valueQuantity"),
    _breaks("att-1", document_reference(data="aGk="), "DocumentReference.content[0].attachment"),
    _breaks("cpt-2", patient(telecom=[{"value": "555-0100"}]), "Patient.telecom[0]"),
    _breaks("cnt-3", extended(valueCount={"value": 3, "system": UCUM, "code": "mg"}),
            "Patient.extension[0].value.ofType(Count)"),
    _breaks("dis-1", extended(valueDistance={"value": 3, "unit": "km"}),
            "Patient.extension[0].value.ofType(Distance)"),
    _breaks("drt-1-other-system", encounter(length={"value": 50, "system": "http://example.org", "code": "min"}),
            "Encounter.length"),
    _breaks("drt-1-without-value", encounter(length={"system": UCUM, "code": "min"}), "Encounter.length"),
    _breaks("drq-1", {"resourceType": "Library", "status": "active", "type": {"text": "a"},
            "dataRequirement": [{"type": "Condition", "codeFilter": [{"valueSet": "http://example.org/v"}]}]},
            "Library.dataRequirement[0].codeFilter[0]"),
    _breaks("exp-1", extended(valueExpression={"language": "text/fhirpath"}),
            "Patient.extension[0].value.ofType(Expression)"),
    _breaks("per-1", encounter(period={"start": "2026-02-01", "end": "2026-01-01"}), "Encounter.period"),
    _breaks("per-1-across-zones",
            encounter(period={"start": "2026-01-01T10:00:00Z", "end": "2026-01-01T10:30:00+01:00"}),
            "Encounter.period"),
    _breaks("rng-2", observation(valueRange={"low": {"value": 9, "system": UCUM, "code": "mg"},
                                             "high": {"value": 5, "system": UCUM, "code": "mg"}}),
            "Observation.valueRange"),
    _breaks("rat-1", observation(valueRatio={"numerator": {"value": 1}}), "Observation.valueRatio"),
    _breaks("trd-1", {**_PLAN, "action": [{"trigger": [
            {"type": "data-added", "data": [{"type": "Condition"}], "timingDate": "2026-01-01"}]}]},
            "PlanDefinition.action[0].trigger[0]"),
    _breaks("trd-2", {**_PLAN, "action": [{"trigger": [{"type": "named-event", "name": "a", "condition":
            {"language": "text/fhirpath", "expression": "true"}}]}]}, "PlanDefinition.action[0].trigger[0]"),
    _breaks("trd-3", {**_PLAN, "action": [{"trigger": [{"type": "named-event"}]}]},
            "PlanDefinition.action[0].trigger[0]"),
    _breaks("tim-1", repeating(duration=30), _TIMING),
    _breaks("tim-2", repeating(frequency=1, period=1), _TIMING),
    _breaks("tim-4", repeating(duration=-30, durationUnit="min"), _TIMING),
    _breaks("tim-5", repeating(period=-1, periodUnit="d"), _TIMING),
    _breaks("tim-6", repeating(periodMax=2, periodUnit="d"), _TIMING),
    _breaks("tim-7", repeating(durationMax=60, durationUnit="min"), _TIMING),
    _breaks("tim-8", repeating(countMax=5), _TIMING),
    _breaks("tim-9-offset-without-when", repeating(offset=30), _TIMING),
    _breaks("tim-9-offset-with-a-meal-itself", repeating(offset=30, when=["C"]), _TIMING),
    _breaks("tim-10", repeating(timeOfDay=["08:00:00"], when=["MORN"]), _TIMING),
]  # fmt: skip

CARE = [
    _breaks("obs-3", observation(referenceRange=[{"type": {"text": "normal"}}]), "Observation.referenceRange[0]"),
    _breaks("obs-6", observation(valueInteger=12, dataAbsentReason={"text": "asked-declined"}), "Observation"),
    _breaks("obs-7", observation(code=_SCORE, valueInteger=12, component=[{"code": _SCORE, "valueInteger": 12}]),
            "Observation"),
    _breaks("cpl-3", care_plan(activity=[{"reference": {"reference": "Task/a"}, "detail": {"status": "scheduled"}}]),
            "CarePlan.activity[0]"),
    _breaks("gol-1", goal(target=[{"detailString": "7 hours"}]), "Goal.target[0]"),
    _breaks("con-1", condition(stage=[{"type": {"text": "a"}}]), "Condition.stage[0]"),
    _breaks("con-2", condition(evidence=[{"extension": [{"url": "http://example.org/a", "valueCode": "b"}]}]),
            "Condition.evidence[0]"),
    _breaks("con-4", condition(clinicalStatus=_ACTIVE, abatementDateTime="2026"), "Condition"),
    _breaks("con-5", condition(clinicalStatus=_ACTIVE, verificationStatus=_ERROR), "Condition"),
    _breaks("ppc-1", {key: value for key, value in consent().items() if key != "policyRule"}, "Consent"),
    _breaks("ctm-1", {"resourceType": "CareTeam",
            "contained": [{"resourceType": "Organization", "id": "o", "name": "A"}],
            "participant": [{"member": {"reference": "#o"}, "onBehalfOf": {"reference": "Organization/a"}}]},
            "CareTeam.participant[0]"),
    _breaks("mad-1", {"resourceType": "MedicationAdministration", "status": "completed", "subject": PATIENT,
            "medicationCodeableConcept": {"text": "sertraline"}, "effectiveDateTime": "2026-01-01",
            "dosage": {"text": "with food"}}, "MedicationAdministration.dosage"),
    _breaks("prr-1", service_request(orderDetail=[{"text": "weekly"}]), "ServiceRequest"),
    _breaks("ras-1", risk_assessment({"probabilityRange": {"low": {"value": 10}}}),
            "RiskAssessment.prediction[0].probability.ofType(Range)"),
    _breaks("ras-2", risk_assessment({"probabilityDecimal": 101}), "RiskAssessment.prediction[0]"),
    _breaks("pat-1", patient(contact=[{"relationship": [{"text": "mother"}]}]), "Patient.contact[0]"),
    _breaks("ait-1", {"resourceType": "AllergyIntolerance", "patient": PATIENT}, "AllergyIntolerance"),
    _breaks("ait-2", {"resourceType": "AllergyIntolerance", "patient": PATIENT, "clinicalStatus": _ACTIVE_ALLERGY,
            "verificationStatus": _ERROR_ALLERGY}, "AllergyIntolerance"),
    _breaks("fhs-1", {**_MOTHER, "ageString": "60"}, "FamilyMemberHistory"),
    _breaks("fhs-2", {**_MOTHER, "estimatedAge": True}, "FamilyMemberHistory"),
    _breaks("imm-1", {"resourceType": "Immunization", "status": "completed", "vaccineCode": {"text": "a"},
            "patient": PATIENT, "occurrenceDateTime": "2026", "education": [{"publicationDate": "2026"}]},
            "Immunization.education[0]"),
    _breaks("imr-1", {"resourceType": "ImmunizationRecommendation", "patient": PATIENT, "date": "2026",
            "recommendation": [{"forecastStatus": {"text": "due"}}]},
            "ImmunizationRecommendation.recommendation[0]"),
    _breaks("mdd-1", {"resourceType": "MedicationDispense", "status": "completed",
            "medicationCodeableConcept": {"text": "a"}, "whenPrepared": "2026-01-02T00:00:00Z",
            "whenHandedOver": "2026-01-01T00:00:00Z"}, "MedicationDispense"),
]  # fmt: skip


def _item(kind: str, link_id: str = "1", **elements: Any) -> Resource:
    return {"linkId": link_id, "type": kind, **elements}


_OPTIONS = [{"valueString": "never"}, {"valueString": "often"}]
_WHEN = {"question": "1", "operator": "=", "answerString": "a"}

QUESTIONS = [
    _breaks("que-1-group-without-items", questionnaire(_item("group")), "Questionnaire.item[0]"),
    _breaks("que-1-display-with-items", questionnaire(_item("display", text="a", item=[_item("string", "1.1")])),
            "Questionnaire.item[0]"),
    _breaks("que-1-nested-group", questionnaire(_item("group", item=[_item("group", "1.1")])),
            "Questionnaire.item[0].item[0]"),
    _breaks("que-2", questionnaire(_item("string"), _item("string")), "Questionnaire"),
    _breaks("que-2-across-levels", questionnaire(_item("group", item=[_item("string")])), "Questionnaire"),
    _breaks("que-3", questionnaire(_item("display", code=[{"code": "a"}])), "Questionnaire.item[0]"),
    _breaks("que-4", questionnaire(_item("choice", answerOption=_OPTIONS, answerValueSet="http://example.org/v")),
            "Questionnaire.item[0]"),
    _breaks("que-5", questionnaire(_item("boolean", answerOption=_OPTIONS)), "Questionnaire.item[0]"),
    _breaks("que-6", questionnaire(_item("display", required=True)), "Questionnaire.item[0]"),
    _breaks("que-7", questionnaire(_item("string"), _item("string", "2", enableWhen=[{**_WHEN, "operator": "exists"}])),
            "Questionnaire.item[1].enableWhen[0]"),
    _breaks("que-8", questionnaire(_item("group", item=[_item("string", "2")], initial=[{"valueString": "a"}])),
            "Questionnaire.item[0]"),
    _breaks("que-9", questionnaire(_item("display", readOnly=True)), "Questionnaire.item[0]"),
    _breaks("que-10", questionnaire(_item("choice", maxLength=5)), "Questionnaire.item[0]"),
    _breaks("que-11", questionnaire(_item("choice", answerOption=_OPTIONS, initial=[{"valueString": "never"}])),
            "Questionnaire.item[0]"),
    _breaks("que-12", questionnaire(_item("string"), _item("string", "2", enableWhen=[_WHEN, _WHEN, _WHEN])),
            "Questionnaire.item[1]"),
    _breaks("que-13", questionnaire(_item("string", repeats=False, initial=_OPTIONS)), "Questionnaire.item[0]"),
    _breaks("que-13-repeats-absent", questionnaire(_item("string", initial=_OPTIONS)), "Questionnaire.item[0]"),
    _breaks("qrs-1", response({"linkId": "1", "answer": [{"valueBoolean": True}], "item": [{"linkId": "1.1"}]}),
            "QuestionnaireResponse.item[0]"),
    _breaks("qrs-1-inside-an-answer", response({"linkId": "1", "answer": [{"valueBoolean": True, "item": [
            {"linkId": "2", "answer": [{"valueBoolean": True}], "item": [{"linkId": "3"}]}]}]}),
            "QuestionnaireResponse.item[0].answer[0].item[0]"),
]  # fmt: skip

_READ = {"method": "GET", "url": "Patient"}
_DOCUMENT = {"identifier": {"system": "http://example.org", "value": "1"}, "timestamp": "2026-01-01T00:00:00Z"}
_COMPOSITION: Resource = {
    "resourceType": "Composition", "status": "final", "type": {"text": "summary"}, "date": "2026",
    "author": [{"reference": "Practitioner/a"}], "title": "Summary",
}  # fmt: skip
_FIRST = {"fullUrl": "http://example.org/Composition/c", "resource": _COMPOSITION}

BUNDLES = [
    _breaks("bdl-1", bundle("collection", total=1), "Bundle"),
    _breaks("bdl-2", bundle("collection", {"resource": patient(), "search": {"mode": "match"}}), "Bundle"),
    _breaks("bdl-3-batch-without-request", bundle("batch", {"resource": patient()}), "Bundle"),
    _breaks("bdl-3-collection-with-request", bundle("collection", {"resource": patient(), "request": _READ}),
            "Bundle"),
    _breaks("bdl-4-collection-with-response", bundle("collection", {"resource": patient(), "response":
            {"status": "200"}}), "Bundle"),
    _breaks("bdl-4-answer-without-response", bundle("transaction-response", {"resource": patient()}), "Bundle"),
    _breaks("bdl-5", bundle("collection", {"fullUrl": "http://example.org/Patient/a"}), "Bundle.entry[0]"),
    _breaks("bdl-7", bundle("collection", *[{"fullUrl": "http://example.org/Patient/a", "resource":
            patient(id="a", meta={"versionId": "1"})}] * 2), "Bundle"),
    _breaks("bdl-8", bundle("collection", {"fullUrl": "http://example.org/Patient/a/_history/1", "resource":
            patient(id="a")}), "Bundle.entry[0]"),
    _breaks("bdl-9", bundle("document", _FIRST, timestamp="2026-01-01T00:00:00Z"), "Bundle"),
    _breaks("bdl-10", bundle("document", _FIRST, identifier=_DOCUMENT["identifier"]), "Bundle"),
    _breaks("bdl-11", bundle("document", {"fullUrl": "http://example.org/Patient/a", "resource": patient(id="a")},
            **_DOCUMENT), "Bundle"),
    _breaks("bdl-12", bundle("message", {"fullUrl": "http://example.org/Patient/a", "resource": patient(id="a")}),
            "Bundle"),
    _breaks("cmp-1", {**_COMPOSITION, "section": [{"title": "a"}]}, "Composition.section[0]"),
    _breaks("cmp-2", {**_COMPOSITION, "section": [{"entry": [PATIENT], "emptyReason": {"text": "a"}}]},
            "Composition.section[0]"),
]  # fmt: skip

_BUSY = {"participant": [{"status": "accepted", "actor": PATIENT}]}
_LIST: Resource = {"resourceType": "List", "status": "current", "mode": "working"}
_MEASURED = {"resourceType": "MeasureReport", "status": "complete", "measure": "http://example.org/m",
             "period": {"start": "2026"}}  # fmt: skip
_TERMS: Resource = {"resourceType": "ValueSet", "status": "active"}
_CAPABLE = {"resourceType": "CapabilityStatement", "status": "active", "date": "2026", "fhirVersion": "4.0.1",
            "format": ["json"]}  # fmt: skip
_SHAPE = {"resourceType": "StructureDefinition", **_NAMED, "status": "draft", "kind": "logical", "abstract": True,
          "type": "http://example.org/a"}  # fmt: skip
_OPERATION = {"resourceType": "OperationDefinition", "name": "A", "status": "draft", "kind": "operation", "code": "a",
              "system": True, "type": False, "instance": False}  # fmt: skip


def _parameter(**elements: Any) -> Resource:
    return {**_OPERATION, "parameter": [{"name": "a", "use": "in", "min": 0, "max": "1", **elements}]}


OTHERS = [
    _breaks("org-1", {"resourceType": "Organization", "active": True}, "Organization"),
    _breaks("org-2", {"resourceType": "Organization", "name": "A", "address": [{"use": "home", "city": "B"}]},
            "Organization.address[0]", "Organization.address"),
    _breaks("org-3", {"resourceType": "Organization", "name": "A", "telecom": [
            {"use": "home", "system": "phone", "value": "1"}]}, "Organization.telecom[0]", "Organization.telecom"),
    _breaks("grp-1", {"resourceType": "Group", "type": "person", "actual": False, "member": [{"entity": PATIENT}]},
            "Group"),
    _breaks("lst-1", {**_LIST, "entry": [{"item": PATIENT}], "emptyReason": {"text": "a"}}, "List"),
    _breaks("lst-2", {**_LIST, "entry": [{"item": PATIENT, "deleted": True}]}, "List"),
    _breaks("lst-3", {**_LIST, "mode": "snapshot", "entry": [{"item": PATIENT, "date": "2026"}]}, "List"),
    _breaks("app-1", {"resourceType": "Appointment", "status": "proposed", "participant": [{"status": "accepted"}]},
            "Appointment.participant[0]"),
    _breaks("app-2", {"resourceType": "Appointment", "status": "proposed", **_BUSY, "start": "2026-01-01T00:00:00Z"},
            "Appointment"),
    _breaks("app-3", {"resourceType": "Appointment", "status": "booked", **_BUSY}, "Appointment"),
    _breaks("app-4", {"resourceType": "Appointment", "status": "proposed", **_BUSY,
            "cancelationReason": {"text": "a"}}, "Appointment"),
    _breaks("apr-1", {"resourceType": "AppointmentResponse", "participantStatus": "accepted",
            "appointment": {"reference": "Appointment/a"}}, "AppointmentResponse"),
    _breaks("sev-1", {"resourceType": "AuditEvent", "type": {"code": "rest"}, "recorded": "2026-01-01T00:00:00Z",
            "agent": [{"requestor": True}], "source": {"observer": {"reference": "Device/a"}},
            "entity": [{"name": "a", "query": "YQ=="}]}, "AuditEvent.entity[0]"),
    _breaks("inv-1-empty-parameter", {"resourceType": "Parameters", "parameter": [{"name": "a"}]},
            "Parameters.parameter[0]"),
    _breaks("inv-1-value-and-resource", {"resourceType": "Parameters", "parameter": [
            {"name": "a", "valueString": "b", "resource": patient()}]}, "Parameters.parameter[0]"),
    _breaks("ipn-1", {"resourceType": "InsurancePlan", "alias": ["a"]}, "InsurancePlan"),
    _breaks("lnk-1", {"resourceType": "Linkage", "item": [{"type": "source", "resource": PATIENT}]}, "Linkage"),
    _breaks("mea-1", {"resourceType": "Measure", "status": "draft", "group": [{"stratifier": [
            {"code": {"text": "a"}, "component": [{"criteria": {"language": "text/cql", "expression": "a"}}]}]}]},
            "Measure"),
    _breaks("mrp-1", {**_MEASURED, "type": "data-collection", "group": [{"code": {"text": "a"}}]}, "MeasureReport"),
    _breaks("mrp-2", {**_MEASURED, "type": "summary", "group": [{"stratifier": [{"stratum": [
            {"measureScore": {"value": 1}}]}]}]}, "MeasureReport"),
    _breaks("rqg-1", {"resourceType": "RequestGroup", "status": "active", "intent": "plan", "action": [
            {"title": "a"}]}, "RequestGroup.action[0]"),
    _breaks("vsd-1", {**_TERMS, "compose": {"include": [{"version": "1"}]}}, "ValueSet.compose.include[0]"),
    _breaks("vsd-2", {**_TERMS, "compose": {"include": [{"valueSet": ["http://example.org/v"], "concept": [
            {"code": "a"}]}]}}, "ValueSet.compose.include[0]"),
    _breaks("vsd-3", {**_TERMS, "compose": {"include": [{"system": "http://example.org/s", "concept": [
            {"code": "a"}], "filter": [{"property": "a", "op": "=", "value": "b"}]}]}},
            "ValueSet.compose.include[0]"),
    _breaks("vsd-1-in-an-exclusion", {**_TERMS, "compose": {"include": [{"system": "http://example.org/s"}],
            "exclude": [{"version": "1"}]}}, "ValueSet.compose.exclude[0]"),
    _breaks("vsd-9", {**_TERMS, "expansion": {"timestamp": "2026", "contains": [{"display": "a"}]}},
            "ValueSet.expansion.contains[0]"),
    _breaks("vsd-10", {**_TERMS, "expansion": {"timestamp": "2026", "contains": [{"code": "a"}]}},
            "ValueSet.expansion.contains[0]"),
    _breaks("csd-1", {"resourceType": "CodeSystem", "status": "draft", "content": "complete", "concept": [
            {"code": "a"}, {"code": "a"}]}, "CodeSystem"),
    _breaks("cmd-1", {"resourceType": "ConceptMap", "status": "draft", "group": [{"element": [{"code": "a", "target": [
            {"code": "b", "equivalence": "inexact"}]}]}]}, "ConceptMap.group[0].element[0].target[0]"),
    _breaks("cmd-2", {"resourceType": "ConceptMap", "status": "draft", "group": [{"element": [{"code": "a"}],
            "unmapped": {"mode": "fixed"}}]}, "ConceptMap.group[0].unmapped"),
    _breaks("cpb-1", {**_CAPABLE, "kind": "requirements", "description": "a"}, "CapabilityStatement"),
    _breaks("cpb-14", {**_CAPABLE, "kind": "instance", "description": "a", "rest": [{"mode": "server"}]},
            "CapabilityStatement"),
    _breaks("cpb-9", {**_CAPABLE, "kind": "requirements", "description": "a", "rest": [{"mode": "server", "resource": [
            {"type": "Patient"}, {"type": "Patient"}]}]}, "CapabilityStatement.rest[0]"),
    _breaks("opd-1", _parameter(documentation="a"), "OperationDefinition.parameter[0]"),
    _breaks("opd-2", _parameter(type="integer", searchType="token"), "OperationDefinition.parameter[0]"),
    _breaks("spd-1", {"resourceType": "SearchParameter", **_NAMED, "status": "draft", "description": "a", "code": "a",
            "base": ["Patient"], "type": "string", "xpath": "f:Patient"}, "SearchParameter"),
    _breaks("spd-2", {"resourceType": "SearchParameter", **_NAMED, "status": "draft", "description": "a", "code": "a",
            "base": ["Patient"], "type": "string", "chain": ["name"]}, "SearchParameter"),
    _breaks("sdf-6", _SHAPE, "StructureDefinition"),
    _breaks("sdf-18", {**_SHAPE, "contextInvariant": ["true"], "differential": {"element": [
            {"id": "a", "path": "a"}]}}, "StructureDefinition"),
    _breaks("eld-2", {**_SHAPE, "differential": {"element": [{"id": "a", "path": "a"}, {"id": "a.b", "path": "a.b",
            "min": 2, "max": "1"}]}}, "StructureDefinition.differential.element[1]"),
    _breaks("nsd-2", {"resourceType": "NamingSystem", "name": "A", "status": "draft", "kind": "identifier",
            "date": "2026", "uniqueId": [{"type": "uri", "value": "http://a.example", "preferred": True},
            {"type": "uri", "value": "http://b.example", "preferred": True}]}, "NamingSystem"),
    _breaks("msq-3", {"resourceType": "MolecularSequence", "coordinateSystem": 2}, "MolecularSequence"),
]  # fmt: skip

INVARIANTS = [*DATATYPES, *CARE, *QUESTIONS, *BUNDLES, *OTHERS]
