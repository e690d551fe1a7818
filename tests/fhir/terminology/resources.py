"""Small code systems and value sets, and a source that holds them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from bhr_api.fhir.definitions import Resource
from bhr_api.fhir.terminology.terminology import Terminology

MOODS = "https://example.org/CodeSystem/moods"
BASE = "https://example.org/ValueSet/"


@dataclass
class Shelf:
    """A source of resources, by canonical with and without version; `asked` counts the questions."""

    resources: dict[str, Resource] = field(default_factory=dict)
    asked: int = 0

    def add(self, *resources: Resource) -> "Shelf":
        for resource in resources:
            self.resources[resource["url"]] = resource
            self.resources[f"{resource['url']}|{resource.get('version')}"] = resource
        return self

    def value_set(self, canonical: str) -> Resource | None:
        return self._of_type("ValueSet", canonical)

    def code_system(self, canonical: str) -> Resource | None:
        return self._of_type("CodeSystem", canonical)

    def _of_type(self, resource_type: str, canonical: str) -> Resource | None:
        self.asked += 1
        found = self.resources.get(canonical)
        return found if found is not None and found["resourceType"] == resource_type else None


def terminology(*resources: Resource) -> Terminology:
    return Terminology(Shelf().add(*resources))


def code_system(concepts: Iterable[Resource], url: str = MOODS, **elements: Any) -> Resource:
    return {
        "resourceType": "CodeSystem",
        "url": url,
        "name": "Moods",
        "status": "active",
        "content": "complete",
        "caseSensitive": True,
        "concept": list(concepts),
        **elements,
    }


def concept(code: str, *children: Resource, **properties: Any) -> Resource:
    """A concept; a property that is a bool or a str becomes a valueBoolean or a valueCode."""
    made: Resource = {"code": code, "display": code.capitalize()}
    if properties:
        made["property"] = [
            {"code": name, "valueBoolean" if isinstance(value, bool) else "valueCode": value}
            for name, value in properties.items()
        ]
    if children:
        made["concept"] = list(children)
    return made


def value_set(name: str, *include: Resource, exclude: Iterable[Resource] = (), **compose: Any) -> Resource:
    rules: Resource = {"include": list(include), **compose}
    if excluded := list(exclude):
        rules["exclude"] = excluded
    return {"resourceType": "ValueSet", "url": BASE + name, "status": "active", "compose": rules}


def include(*codes: str, system: str | None = MOODS, value_sets: Iterable[str] = (), **elements: Any) -> Resource:
    """One include: the whole system, listed codes, or with `filters` as (property, op, value)."""
    made: Resource = {} if system is None else {"system": system}
    if codes:
        made["concept"] = [{"code": code} for code in codes]
    if filters := elements.pop("filters", ()):
        made["filter"] = [dict(zip(("property", "op", "value"), one, strict=True)) for one in filters]
    if imported := [BASE + name for name in value_sets]:
        made["valueSet"] = imported
    return made | elements


def filtered(property_name: str, op: str, value: str) -> Resource:
    return include(filters=[(property_name, op, value)])


# mood > (low > (sad, empty), high > (glad, manic)), blue is a child of low and of colour by property.
MOOD_CONCEPTS: tuple[Mapping[str, Any], ...] = (
    concept(
        "mood",
        concept("low", concept("sad", valence="negative"), concept("empty", inactive=True)),
        concept("high", concept("glad", valence="positive"), concept("manic")),
        notSelectable=True,
    ),
    concept("colour"),
    concept("blue", parent="low", subsumedBy="colour"),
)


def moods(**elements: Any) -> Resource:
    declared = [{"code": "valence", "type": "code"}]
    return code_system([dict(one) for one in MOOD_CONCEPTS], property=declared, **elements)


def codes_of(terms: Terminology, resource: Resource | str, **options: Any) -> list[str]:
    return [entry.code for entry in terms.expand(resource, **options).entries]
