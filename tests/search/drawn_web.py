"""How the resources of a record hang together: the links that queries follow (FHIR R4, references.html)."""

from collections import defaultdict
from collections.abc import Sequence

from tests.search.drawn_resources import TYPES
from tests.search.drawn_values import BASE_URL
from tests.search.reference_parameters import PARAMETERS, parameter
from tests.search.reference_paths import Resource
from tests.search.reference_record import Caller, SeenRecord


def _links() -> dict[str, list[tuple[str, str]]]:
    """For each type the (name, target) of its reference parameters."""
    return {
        resource_type: [
            (name, target)
            for name, asked in of_type.items()
            for target in asked.targets
        ]
        for resource_type, of_type in PARAMETERS.items()
    }  # fmt: skip


LINKS = _links()
REFERRERS = {
    target: [(kind, name) for kind, links in LINKS.items() for name, to in links if to == target] for target in TYPES
}


class Web:
    """The resources of a record and, for each, every link from it, with `*` in the place of a type, and where it leads."""

    def __init__(self, resources: Sequence[Resource]) -> None:
        record = SeenRecord(resources, Caller(), BASE_URL)
        self.of_type = record.of_type
        self.links: dict[tuple[str, str], list[tuple[str, Resource]]] = defaultdict(list)
        for kind, links in LINKS.items():
            for name in dict.fromkeys(name for name, _ in links):
                for source in record.of_type[kind]:
                    for target in record.referred(parameter(kind, name), source):
                        self.links[key(source)].append((f"{name}*.", target))
                        self.links[key(target)].append((f"_has:{kind}:{name}:", source))


def key(resource: Resource) -> tuple[str, str]:
    """The (type, id) of a resource."""
    return resource["resourceType"], resource["id"]
