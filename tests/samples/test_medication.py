import pytest

from bhr_api.samples.story import Trajectory
from tests.samples.record import CLIENTS, codes, resources, story_of


def refused_share(trajectory: Trajectory) -> float:
    clients = [client for client in CLIENTS if story_of(client).trajectory == trajectory]
    doses = [dose for client in clients for dose in resources(client, "MedicationAdministration")]
    refused = [dose for dose in doses if dose["status"] == "not-done"]
    return len(refused) / len(doses)


def test_doses_are_recorded_in_the_residence_alone_once_a_day_for_four_weeks() -> None:
    for client in CLIENTS:
        days = [dose["effectiveDateTime"][:10] for dose in resources(client, "MedicationAdministration")]

        assert len(days) == len(set(days)) == (28 if story_of(client).lives_in_residence else 0)


def test_a_dose_was_either_given_with_its_amount_or_refused_with_the_reason() -> None:
    for client in CLIENTS:
        for dose in resources(client, "MedicationAdministration"):
            if dose["status"] == "completed":
                assert dose["dosage"]["dose"]["value"] == story_of(client).presentation.medicine.milligrams
            else:
                assert codes(dose["statusReason"][0]) == {"PATOBJ"}
                assert "dosage" not in dose


@pytest.mark.parametrize("other", ["improving", "plateau"])
def test_who_worsens_refuses_more_often(other: Trajectory) -> None:
    assert refused_share("worsening") > refused_share(other) > 0
