"""Scopes in plain words (SMART App Launch 2.2, scopes-and-launch-context.html)."""

import pytest

from bhr_api.pages.scope_words import in_short, in_words, what


@pytest.mark.parametrize(
    ("scope", "words"),
    [
        ("patient/CarePlan.rs", "See care plans"),
        ("patient/CarePlan.read", "See care plans"),
        ("patient/Goal.cruds", "See, add, change and delete goals"),
        ("patient/Observation.write", "Add, change and delete measurements, test results and screening scores"),
        ("patient/Goal.s", "Find goals"),
        ("patient/*.rs", "See everything that is open to you"),
        ("patient/ImagingStudy.r", "See imaging study records"),
        (
            "patient/Observation.rs?category=http://terminology.hl7.org/CodeSystem/observation-category|survey",
            "See measurements, test results and screening scores, only where category is survey",
        ),
    ],
)
def test_a_scope_is_told_in_words(scope: str, words: str) -> None:
    assert [one.words for one in in_words(scope).of_client] == [words]
    assert [one.words for one in in_words(scope.replace("patient/", "user/")).of_others] == [words]


def test_what_is_not_understood_is_not_told() -> None:
    words = in_words("patient/Goal.dus <script> launch/none")
    assert not [*words.of_client, *words.of_others, *words.of_user]


def test_what_an_app_does_not_get_is_told() -> None:
    words = in_words("patient/CarePlan.rs patient/Goal.c")
    assert "care plans" not in words.not_seen
    assert "goals" in words.not_seen
    assert not words.only_reads
    assert in_words("patient/*.rs").not_seen == []
    assert in_words("patient/*.rs").only_reads


def test_every_type_is_told_by_a_narrowed_wildcard_as_one() -> None:
    words = in_words("patient/*.cruds", lambda _: "patient/Goal.rs patient/CarePlan.crus")
    assert [one.words for one in words.of_client] == ["See, add and change everything that is open to you"]
    assert "notes and documents" in words.not_seen


def test_a_long_grant_is_told_in_short() -> None:
    names = ("Goal", "CarePlan", "ValueSet", "Binary", "Endpoint", "Task", "Flag", "List")
    told = in_short(" ".join([*(f"patient/{name}.rs" for name in names), "openid"]))
    assert told == [
        "In this record: see goals, care plans, tasks, alerts, value set records, binary records and 2 other kinds of entries",
        "Know that it is you, each time you use it",
    ]


def test_a_type_without_words_of_its_own_is_spelled_out() -> None:
    assert what("MedicinalProductAuthorization") == "medicinal product authorization records"
