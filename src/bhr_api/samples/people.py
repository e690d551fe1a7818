"""Made-up names, addresses and telecoms; nobody is called this and nobody lives there.

Given names are common ones of many cultures, family names and towns are invented. Telephone numbers are the ones kept
for fiction (555-0100 to 555-0199), mail goes to example.org (RFC 2606 §3).
"""

from dataclasses import dataclass
from random import Random
from typing import Final

from bhr_api.fhir.definitions import Resource

GIVEN_NAMES: Final = {
    "female": (
        "Amara", "Linh", "Soledad", "Priya", "Ingrid", "Noor", "Keiko", "Dyani", "Brigid", "Zola", "Halina", "Mei",
        "Xiomara", "Leilani", "Tamsin", "Adaeze",
    ),
    "male": (
        "Mateo", "Tariq", "Kwame", "Bao", "Anders", "Ravi", "Joaquin", "Elan", "Tomasz", "Kenji", "Malik", "Declan",
        "Yusuf", "Nikolai", "Keanu", "Desmond",
    ),
    "other": ("Ari", "Sol", "Wren", "Kiran", "Indigo", "Marlowe"),
}  # fmt: skip

FAMILY_NAMES: Final = (
    "Lanternwood", "Okarundi", "Velarosa", "Quillmoor", "Nguyenbrook", "Ashglimmer", "Ixtlanova", "Thistlewane",
    "Harufield", "Morrowfen", "Adeyhollow", "Pinyonridge", "Saltmarrow", "Castelumbra", "Brackenvar", "Tallowmere",
    "Zephyrine-Vale", "Duskarelli", "Rookhaven-Ito", "Fennimarsh", "Oyelumina", "Copperlark", "Winterquay", "Sandoveja",
)  # fmt: skip

TOWNS: Final = (("Mesquite Hollow", "85000"), ("Copper Lantern", "85000"), ("Ocotillo Flats", "86000"))
STREETS: Final = ("Palo Verde Loop", "Quail Feather Way", "Old Smelter Road", "Desert Lantern Drive", "Acacia Bend")


@dataclass(frozen=True, slots=True)
class Person:
    """Who somebody is: a name and an administrative gender (R4 valueset-administrative-gender.html)."""

    given: str
    family: str
    gender: str

    @property
    def full_name(self) -> str:
        """The name as it is said."""
        return f"{self.given} {self.family}"

    @property
    def human_name(self) -> Resource:
        """The name as a HumanName."""
        return {"use": "official", "family": self.family, "given": [self.given], "text": self.full_name}


def person(random: Random, *, gender: str | None = None, family: str | None = None) -> Person:
    """Somebody new; with `family` a relative of somebody known."""
    chosen = gender or random.choices(("female", "male", "other"), (48, 46, 6))[0]
    return Person(random.choice(GIVEN_NAMES[chosen]), family or random.choice(FAMILY_NAMES), chosen)


def address(random: Random) -> Resource:
    """A home address in an invented town; no ZIP code in use ends in 000 there."""
    town, postal_code = random.choice(TOWNS)
    line = f"{random.randrange(100, 9900)} {random.choice(STREETS)}"
    return {"use": "home", "line": [line], "city": town, "state": "AZ", "postalCode": postal_code, "country": "US"}


def phone(random: Random, use: str = "mobile") -> Resource:
    """A telephone number of the range kept for fiction."""
    return {"system": "phone", "value": f"+1-602-555-01{random.randrange(100):02}", "use": use}


def email(mailbox: str, use: str = "work") -> Resource:
    """A mail address that can never be delivered."""
    return {"system": "email", "value": f"{mailbox}@example.org", "use": use}
