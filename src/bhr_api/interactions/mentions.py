"""What else names a person: references, identifiers and names in resources that are in nobody's or another's record.

FHIR R4, references.html (literal and logical references). Text is compared as it is, so a nickname or another spelling is
not found: what this finds is told to the operator, who decides (docs/erasure.md).
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from bhr_api.fhir import json_text
from bhr_api.fhir.compartments import SHARED_TYPES
from bhr_api.fhir.definitions import RESOURCE_TYPE_NUMBERS, Resource

REFERS_TO_PATIENT = "refers to the patient"
REFERS_TO_RECORD = "refers to a resource of the record"
HAS_IDENTIFIER = "holds an identifier of the patient"
HAS_NAME = "holds the patient's name"
BELONGS = "is what the record refers to"

# What reads like a reference anywhere in the text: in an element, a URL or the narrative; and the URL that it ends.
_REFERENCE = re.compile(rb"[A-Z][A-Za-z]+/[A-Za-z0-9\-.]{1,64}")
_URL_BEFORE = re.compile(rb'https?://[^"\s<>\\]*\Z')
_LONGEST_URL = 2048
_NOBODYS_OWN = {name.encode() for name in RESOURCE_TYPE_NUMBERS.keys() - SHARED_TYPES}


def references_in(text: bytes, base_url: bytes) -> Iterator[bytes]:
    """Whatever reads like a reference to a resource of this server, as `Type/id`."""
    for match in _REFERENCE.finditer(text):
        url = _URL_BEFORE.search(text, max(0, match.start() - _LONGEST_URL), match.start())
        if url is None or url[0] == base_url + b"/":
            yield from _readings(match[0])


def _readings(reference: bytes) -> tuple[bytes, ...]:
    """The reference, and without a full stop: this may end a sentence, or the id."""
    return (reference, reference.rstrip(b".")) if reference.endswith(b".") else (reference,)


def plain(body: bytes) -> bytes:
    """The JSON with every character that was sent as an escape written as itself, so that its text can be compared."""
    if b"\\u" in body or b"\\/" in body:
        return json_text.dumps(json_text.parse(body))
    return body


@dataclass(slots=True)
class Traces:
    """By what a person's record can be recognised: the keys of its resources, and the patient's identifiers and names.

    `pointed_at` are the resources outside the record that it refers to and that are about nobody by their type, such as
    the Binary of a document.
    """

    base_url: bytes
    patient: bytes
    keys: set[bytes] = field(default_factory=set)
    pointed_at: set[bytes] = field(default_factory=set)
    identifiers: set[tuple[str | None, str]] = field(default_factory=set)
    names: set[bytes] = field(default_factory=set)

    def learn(self, key: bytes, body: bytes) -> None:
        """Take up what a version of the record says: what it refers to, and who the patient is."""
        text = plain(body)
        for reference in references_in(text, self.base_url):
            if reference.partition(b"/")[0] in _NOBODYS_OWN:
                self.pointed_at.add(reference)
        if key == self.patient:
            self._learn_patient(json_text.parse(body))

    def _learn_patient(self, patient: Resource) -> None:
        for identifier in patient.get("identifier", ()):
            if isinstance(identifier, dict) and isinstance(identifier.get("value"), str):
                self.identifiers.add((identifier.get("system"), identifier["value"]))
        for name in patient.get("name", ()):
            self.names |= set(_spellings(name)) if isinstance(name, dict) else set()

    def reasons(self, key: bytes, body: bytes, *, is_nobodys: bool) -> tuple[str, ...]:
        """Why the resource of that key and text has to do with the person; empty where nothing shows that it has."""
        text = plain(body)
        found = []
        references = self._references(text)
        if self.patient in references:
            found.append(REFERS_TO_PATIENT)
        if not self.keys.isdisjoint(references - {self.patient}):
            found.append(REFERS_TO_RECORD)
        if self._has_identifier(text):
            found.append(HAS_IDENTIFIER)
        if any(name in text for name in self.names):
            found.append(HAS_NAME)
        if is_nobodys and key in self.pointed_at:
            found.append(BELONGS)
        return tuple(found)

    def _references(self, text: bytes) -> set[bytes]:
        """The references to the record. Most texts have none, so what is quick is asked first (5 µs instead of 26)."""
        rough = {reading for reference in _REFERENCE.findall(text) for reading in _readings(reference)}
        if self.patient not in rough and self.keys.isdisjoint(rough):
            return set()
        return set(references_in(text, self.base_url))

    def _has_identifier(self, text: bytes) -> bool:
        if not any(json_text.dumps(value) in text for _, value in self.identifiers):
            return False
        return any(pair in self.identifiers for pair in _identifiers(json_text.parse(text)))


def _spellings(name: Resource) -> Iterator[bytes]:
    """A HumanName as it reads within a JSON string; a family or given name alone would be found with everybody."""
    given = [part for part in name.get("given", ()) if isinstance(part, str)]
    texts = [name.get("text")]
    if given and isinstance(name.get("family"), str):
        texts += [
            f"{' '.join(given)} {name['family']}",
            f"{given[0]} {name['family']}",
            f"{name['family']}, {given[0]}",
        ]
    for text in texts:
        if isinstance(text, str) and " " in text.strip():
            yield json_text.dumps(text.strip())[1:-1]


def _identifiers(node: Any) -> Iterator[tuple[str | None, str]]:
    """Every Identifier within a resource; ContactPoints look alike and do no harm."""
    if isinstance(node, dict):
        if isinstance(node.get("value"), str):
            yield node.get("system"), node["value"]
        for value in node.values():
            yield from _identifiers(value)
    elif isinstance(node, list):
        for item in node:
            yield from _identifiers(item)
