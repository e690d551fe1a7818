"""From a resource to what it leaves in the index."""

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import NamedTuple

from bhr_api.fhir.compartments import patients_of
from bhr_api.fhir.definitions import Resource
from bhr_api.search.entry import IndexEntry
from bhr_api.search.parameters import ROW_PARAMETERS, Extractor, Parameter
from bhr_api.search.served_parameters import BUILT_IN, ParameterSet
from bhr_api.search.tokens import TokenHasher
from bhr_api.search.types import composite, date, number, quantity, reference, string, token, uri
from bhr_api.search.types.token import TypedValue

# Rises by two when stored rows must be indexed anew (`bhr-api reindex`); see `referring.py` for what lies between.
INDEX_GENERATION = 3

_Index = Callable[[Parameter, list[TypedValue], IndexEntry], None]
_INDEX: Mapping[str, _Index] = {
    "token": token.index,
    "reference": reference.index,
    "string": string.index,
    "date": date.index,
    "number": number.index,
    "quantity": quantity.index,
    "uri": uri.index,
}


class _Step(NamedTuple):
    """What to do for one parameter; `present` is its marker, `leave` None for a composite of inner elements."""

    parameter: Parameter
    extract: Extractor
    leave: _Index | None
    present: int | None


@lru_cache(maxsize=4096)
def _plan(resource_type: str, hasher: TokenHasher, parameters: ParameterSet) -> tuple[_Step, ...]:
    """The parameters of a type that leave values, for one tenant."""
    return tuple(
        _Step(
            parameter,
            parameter.extract,
            _INDEX.get(parameter.type),
            None if parameter.is_mandatory else hasher.present(resource_type, code),
        )
        for code, parameter in parameters.of(resource_type).items()
        if code not in ROW_PARAMETERS and not parameter.made_of and not parameter.is_composite_of_resource
    )


def index_entry(
    resource: Resource, hasher: TokenHasher, base_url: str, parameters: ParameterSet = BUILT_IN.indexed
) -> IndexEntry:
    """What `resource`, which has its id, leaves in the index of the tenant of `hasher`, which has `parameters`.

    `base_url` is this server's FHIR base: absolute references under it are local ones.
    """
    resource_type = resource["resourceType"]
    entry = IndexEntry(
        resource_type,
        hasher,
        base_url,
        hasher.resource(resource_type, resource["id"]),
        resource.get("version"),
        tuple(hasher.resource("Patient", id) for id in patients_of(resource, base_url)),
    )
    for parameter, extract, leave, present in _plan(resource_type, hasher, parameters):
        values = extract(resource)
        if not values:
            continue
        if leave is None:
            composite.index(parameter, values, resource, entry)
            continue
        if present is not None:
            entry.tokens.add(present)
        leave(parameter, values, entry)
    if entry.patient is None:
        _mark_foreign_patient(parameters.of(resource_type).get("patient"), resource, entry)
    return entry


def _mark_foreign_patient(parameter: Parameter | None, resource: Resource, entry: IndexEntry) -> None:
    """A patient of another server, or one named by an identifier only, is in no patient column; `:missing` asks for it."""
    if parameter is not None and parameter.made_of and parameter.extract(resource):
        entry.tokens.add(entry.hasher.present(entry.resource_type, "patient"))
