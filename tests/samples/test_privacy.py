"""Nobody real is in the samples, and what they say of consent holds together."""

import base64
import re

import pytest

from bhr_api.fhir.definitions import Resource
from tests.samples.record import CLIENTS, codes, objects, path, resources, story_of

EVERYBODY = [0, *CLIENTS]


@pytest.mark.parametrize("client", EVERYBODY)
def test_telephones_are_in_the_range_for_fiction_and_mail_goes_to_example_org(client: int) -> None:
    reserved = {"phone": re.compile(r"\+1-602-555-01\d\d"), "email": re.compile(r"[a-z0-9.-]+@example\.org")}
    points = [one for one in objects(resources(client)) if one.get("system") in ("phone", "email", "sms", "fax")]

    assert points
    assert all(reserved[point["system"]].fullmatch(point["value"]) for point in points)


@pytest.mark.parametrize("client", EVERYBODY)
def test_no_text_holds_another_telephone_or_mail_address(client: int) -> None:
    for resource in resources(client):
        texts = [value for one in objects(resource) for name, value in one.items() if name in ("text", "description")]
        texts += [base64.b64decode(one["data"]).decode() for one in objects(resource) if "data" in one]
        for text in texts:
            assert not re.search(r"@|\d{3}[-. ]\d{4}", str(text)), path(resource)


@pytest.mark.parametrize("client", EVERYBODY)
def test_identifiers_belong_to_the_samples_or_to_the_server(client: int) -> None:
    for resource in resources(client):
        identifiers = resource.get("identifier", [])
        for identifier in identifiers if isinstance(identifiers, list) else [identifiers]:
            assert identifier["system"].startswith(
                ("http://example.org/", "https://bhr-api.github.io/fhir/identifier/")
            )


@pytest.mark.parametrize("client", CLIENTS)
def test_consents_are_privacy_consents_in_the_shape_of_pcf(client: int) -> None:
    consents = resources(client, "Consent")

    assert len(consents) >= 2
    for consent in consents:
        assert codes(consent["scope"]) == {"patient-privacy"}
        assert consent["provision"]["type"] == "permit"
        # PCF: one level of exceptions, and none of action, class, code in a provision.
        provisions = [consent["provision"], *consent["provision"].get("provision", [])]
        assert not any({"action", "class", "code"} & provision.keys() for provision in provisions)
        assert not any("provision" in provision for provision in provisions[1:])


def part_2_consents() -> list[Resource]:
    consents = [consent for client in CLIENTS for consent in resources(client, "Consent")]
    return [consent for consent in consents if "42CFRPart2CD" in codes(consent["category"][0])]


def test_every_client_of_the_part_2_programme_has_a_part_2_consent_and_nobody_else() -> None:
    having = {consent["patient"]["reference"] for consent in part_2_consents()}

    assert having == {
        f"Patient/{story_of(client).patient_id}" for client in CLIENTS if story_of(client).presentation.part_2
    }


@pytest.mark.parametrize("consent", part_2_consents(), ids=path)
def test_a_part_2_consent_has_every_element_of_42_cfr_2_31(consent: Resource) -> None:
    provision = consent["provision"]
    roles = {code for actor in provision["actor"] for code in codes(actor["role"])}

    assert consent["dateTime"]
    assert consent["performer"]
    assert consent["organization"]
    assert consent["sourceAttachment"]["data"]
    assert "IRCP" in roles
    assert provision["purpose"]
    assert provision["securityLabel"]
    assert provision["period"]["end"]


@pytest.mark.parametrize("client", CLIENTS)
def test_a_guardian_signs_for_a_minor_and_an_adult_signs_alone(client: int) -> None:
    signers = {who["reference"].partition("/")[0] for one in resources(client, "Consent") for who in one["performer"]}

    assert signers == ({"RelatedPerson"} if story_of(client).presentation.youth else {"Patient"})


def test_recent_notes_of_support_workers_wait_for_a_signature_and_no_author_signs_alone() -> None:
    notes = [note for client in CLIENTS for note in resources(client, "DocumentReference")]

    assert {note["docStatus"] for note in notes} == {"preliminary", "final"}
    for note in notes:
        assert note.get("authenticator") not in note["author"]
        assert note["docStatus"] == "final" or "authenticator" not in note
