"""How much two descriptions of a patient agree (FHIR R4, patient-operation-match.html, valueset-match-grade.html).

Each field that both have is compared, from 0 (they contradict) to 1 (they agree), and counts by its weight. What one of them
lacks does not count, but an agreement in little is no certainty: the sum is divided by EVIDENCE at least. The weights are the
server's own judgement, told in docs/named-operations.md; R4 leaves the algorithm open.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from decimal import Decimal
from itertools import product
from typing import NamedTuple

from bhr_api.fhir.definitions import Resource
from bhr_api.search.folding import normalised

EVIDENCE = Decimal(16)
CERTAIN, PROBABLE, POSSIBLE = Decimal("0.95"), Decimal("0.8"), Decimal("0.5")

_SAME, _DIFFERENT = Decimal(1), Decimal(0)
_MISTYPED, _PARTLY, _HALF = Decimal("0.8"), Decimal("0.7"), Decimal("0.5")
_SHORTEST_MISTYPED = 4


class Match(NamedTuple):
    """The `score` of 0 to 1, and the grade that R4 has for it."""

    score: Decimal
    grade: str


def compared(sent: Resource, candidate: Resource) -> Match:
    """How well `candidate` is the patient that `sent` describes."""
    agreements = {
        field: agreement
        for field, (_, compare) in FIELDS.items()
        if (agreement := compare(sent, candidate)) is not None
    }
    weight = sum((FIELDS[field][0] for field in agreements), Decimal())
    agreed = sum((FIELDS[field][0] * agreement for field, agreement in agreements.items()), Decimal())
    score = (agreed / max(weight, EVIDENCE)).quantize(Decimal("0.0001"))
    return Match(score, _grade(score, agreements))


def _grade(score: Decimal, agreements: Mapping[str, Decimal]) -> str:
    """Names and a date of birth are shared by several people: certainty takes more than these."""
    corroborated = any(agreements.get(field, _DIFFERENT) >= _PARTLY for field in ("identifier", "telecom", "address"))
    if score >= CERTAIN and corroborated:
        return "certain"
    if score >= PROBABLE:
        return "probable"
    return "possible" if score >= POSSIBLE else "certainly-not"


def _identifiers(sent: Resource, candidate: Resource) -> Decimal | None:
    """Other values under the same system contradict; identifiers of different systems say nothing of one another."""
    ours, theirs = (
        {(one.get("system"), one["value"]) for one in patient.get("identifier", ()) if "value" in one}
        for patient in (sent, candidate)
    )
    if ours & theirs:
        return _SAME
    return _DIFFERENT if {system for system, _ in ours} & {system for system, _ in theirs} else None


def _birth_dates(sent: Resource, candidate: Resource) -> Decimal | None:
    ours, theirs = sent.get("birthDate"), candidate.get("birthDate")
    if ours is None or theirs is None:
        return None
    if ours == theirs:
        return _SAME
    if ours.startswith(theirs) or theirs.startswith(ours):
        return _PARTLY
    our_parts, their_parts = ours.split("-"), theirs.split("-")
    if len(our_parts) != len(their_parts):
        return _DIFFERENT
    differing = sum(one != other for one, other in zip(our_parts, their_parts, strict=True))
    # One part mistyped, or day and month exchanged.
    return _HALF if differing == 1 or sorted(our_parts) == sorted(their_parts) else _DIFFERENT


def _families(sent: Resource, candidate: Resource) -> Decimal | None:
    return _best(_names(sent, "family"), _names(candidate, "family"), _alike)


def _given_names(sent: Resource, candidate: Resource) -> Decimal | None:
    return _best(_names(sent, "given"), _names(candidate, "given"), _alike)


def _names(patient: Resource, part: str) -> set[str]:
    found = (name.get(part) for name in patient.get("name", ()))
    texts = (text for value in found for text in ([value] if isinstance(value, str) else value or ()))
    return {normalised(text) for text in texts if text}


def _best(ours: Iterable[str], theirs: Iterable[str], compare: Callable[[str, str], Decimal]) -> Decimal | None:
    return max((compare(one, other) for one, other in product(ours, theirs)), default=None)


def _alike(one: str, other: str) -> Decimal:
    """The same; one letter mistyped; or one the beginning of the other, as an initial or half of a double name."""
    if one == other:
        return _SAME
    if min(len(one), len(other)) >= _SHORTEST_MISTYPED and _is_mistyped(one, other):
        return _MISTYPED
    return _PARTLY if _begins(one, other) or _begins(other, one) else _DIFFERENT


def _begins(long: str, short: str) -> bool:
    beginning = short.rstrip(".")
    return beginning != "" and long.startswith(beginning)


def _is_mistyped(one: str, other: str) -> bool:
    """Whether one letter was changed, added or left out, or two neighbours exchanged."""
    short, long = sorted((one, other), key=len)
    if len(long) - len(short) > 1:
        return False
    start = next((place for place, (a, b) in enumerate(zip(short, long, strict=False)) if a != b), len(short))
    if len(short) < len(long):
        return short[start:] == long[start + 1 :]
    rest = start + 2
    exchanged = short[start:rest] == long[start:rest][::-1] and short[rest:] == long[rest:]
    return exchanged or short[start + 1 :] == long[start + 1 :]


def _genders(sent: Resource, candidate: Resource) -> Decimal | None:
    ours, theirs = sent.get("gender", "unknown"), candidate.get("gender", "unknown")
    if "unknown" in (ours, theirs):
        return None
    return _SAME if ours == theirs else _DIFFERENT


def _telecoms(sent: Resource, candidate: Resource) -> Decimal | None:
    """Who has another number may have several: only an agreement counts."""
    return _SAME if set(_contacts(sent)) & set(_contacts(candidate)) else None


def _contacts(patient: Resource) -> Iterator[str]:
    for contact in patient.get("telecom", ()):
        value = normalised(contact.get("value", "")).strip()
        if "@" not in value:
            value = "".join(character for character in value if character.isdigit())
        if value:
            yield value


def _addresses(sent: Resource, candidate: Resource) -> Decimal | None:
    pairs = product(sent.get("address", ()), candidate.get("address", ()))
    return max((found for pair in pairs if (found := _address(*pair)) is not None), default=None)


def _address(one: Resource, other: Resource) -> Decimal | None:
    """Postal code counts half, city and line a quarter each, as far as both have them."""
    parts = {"postalCode": Decimal(2), "city": Decimal(1), "line": Decimal(1)}
    shared = {part: weight for part, weight in parts.items() if one.get(part) and other.get(part)}
    if not shared:
        return None
    agreed = sum((weight for part, weight in shared.items() if _texts(one[part]) & _texts(other[part])), Decimal())
    return agreed / sum(shared.values())


def _texts(value: object) -> set[str]:
    texts = value if isinstance(value, list) else [value]
    return {" ".join(normalised(text).split()) for text in texts if isinstance(text, str)}


FIELDS: Mapping[str, tuple[Decimal, Callable[[Resource, Resource], Decimal | None]]] = {
    "identifier": (Decimal(16), _identifiers),
    "birthDate": (Decimal(6), _birth_dates),
    "family": (Decimal(5), _families),
    "given": (Decimal(5), _given_names),
    "telecom": (Decimal(3), _telecoms),
    "address": (Decimal(2), _addresses),
    "gender": (Decimal(1), _genders),
}
"""Field -> its weight, and how it is compared; None where it cannot be."""
