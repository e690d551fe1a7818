"""Resources to patch by FHIRPath, and operations on them."""

from tests.fhir.patch.patch_samples import Json, operation, patient


def identifiers(*numbers: int) -> list[Json]:
    return [{"system": "http://example.org", "value": f"value {number}"} for number in numbers]


def move(source: int, destination: int) -> Json:
    return operation("move", "Patient.identifier", source=source, destination=destination)


def insert(index: int) -> Json:
    return operation("insert", "Patient.identifier", index=index, value={"valueIdentifier": identifiers(3)[0]})


BORN = patient(birthDate="1920-01-01")
CONTACT = patient(contact=[{"name": {"text": "a name"}, "gender": "male"}])
TWO = patient(identifier=identifiers(1, 2))
THREE = patient(identifier=identifiers(1, 2, 3))
FOUR = patient(identifier=identifiers(1, 2, 3, 4))
MARRIED = patient(maritalStatus={"id": "1", "text": "married"})
NEW_BORN = {"valueDate": "1930-01-01"}
PLAIN_NAMES = patient(name=[{"given": ["Ann", "Ann"]}, {"given": ["Ann"]}], gender="male")
NOTED: Json = {"extension": [{"url": "http://example.org/note", "valueString": "x"}]}
NOTED_NAME = patient(name=[{"given": ["Ann", "Bo", "Cy"], "_given": [None, NOTED, None]}])
OBSERVATION: Json = {"resourceType": "Observation", "status": "final", "code": {"text": "x"}}
