"""A model of value sets as plain sets, written from R4's valueset.html alone; it shares no code with the program."""

from collections.abc import Iterable, Mapping

from bhr_api.fhir.definitions import Resource

Code = tuple[str, str]


class NaiveTerminology:
    """Small complete systems and value sets without circles."""

    def __init__(self, systems: Iterable[Resource], value_sets: Iterable[Resource]) -> None:
        self.systems = {one["url"]: flat(one["concept"], None) for one in systems}
        self.value_sets = {one["url"]: one for one in value_sets}

    def codes(self, url: str, allow_abstract: bool) -> set[Code]:
        """All codes of the value set."""
        compose = self.value_sets[url]["compose"]
        with_inactive = compose.get("inactive", True)
        included = [self.include(one, with_inactive, allow_abstract) for one in compose["include"]]
        excluded = [self.include(one, True, True) for one in compose.get("exclude", [])]
        return set().union(*included) - set().union(*excluded)

    def include(self, include: Resource, with_inactive: bool, allow_abstract: bool) -> set[Code]:
        """What meets all conditions of one include."""
        sets = [self.codes(url, allow_abstract) for url in include.get("valueSet", [])]
        if "system" in include:
            concepts = self.systems[include["system"]]
            if "concept" in include:
                chosen = {one["code"] for one in include["concept"]}
            else:
                chosen = {code for code, (_, abstract, _) in concepts.items() if allow_abstract or not abstract}
                for one in include.get("filter", []):
                    chosen &= self.filtered(concepts, one["op"], one["value"])
            if not with_inactive:
                chosen -= {code for code, (_, _, inactive) in concepts.items() if inactive}
            sets.append({(include["system"], code) for code in chosen})
        return set.intersection(*sets)

    def filtered(self, concepts: Mapping[str, "Facts"], op: str, value: str) -> set[str]:
        """Codes that one filter on the concept itself selects."""
        below = {code for code in concepts if value in above(concepts, code)}
        match op:
            case "is-a":
                return below
            case "descendent-of":
                return below - {value}
            case "is-not-a":
                return set(concepts) - below
            case "generalizes":
                return above(concepts, value)
            case "in":
                return set(value.split(","))
            case "not-in":
                return set(concepts) - set(value.split(","))
        raise AssertionError(op)


Facts = tuple[set[str], bool, bool]
"""Parents, abstract, inactive."""


def flat(concepts: Iterable[Resource], parent: str | None) -> dict[str, Facts]:
    """Code -> facts, of concepts and those within them."""
    found: dict[str, Facts] = {}
    for concept in concepts:
        properties = [(one["code"], one.get("valueCode", one.get("valueBoolean"))) for one in concept["property"]]
        parents = {str(value) for name, value in properties if name == "parent"} | ({parent} if parent else set())
        found[concept["code"]] = (parents, ("notSelectable", True) in properties, ("inactive", True) in properties)
        found |= flat(concept.get("concept", []), concept["code"])
    return found


def above(concepts: Mapping[str, Facts], code: str) -> set[str]:
    """The code and all above it."""
    return {code}.union(*(above(concepts, parent) for parent in concepts[code][0]))
