"""From the definitions that a tenant has added to the parameters that it serves (FHIR R4, searchparameter.html)."""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from bhr_api.fhir.definitions import SearchParameter
from bhr_api.search.added_parameters import parameter_of, parts_by_url, unresolved
from bhr_api.search.served_parameters import BUILT_IN, ParameterSet, ServedParameters


class Added(NamedTuple):
    """A definition that every write leaves values of. `percent` of its index are made; None: it is complete.

    `is_to_answer`: it does or will; else it is on its way out.
    """

    definition: SearchParameter
    percent: int | None
    is_to_answer: bool = True


def served_with(added: Sequence[Added]) -> ServedParameters:
    """R4's and the project's parameters together with `added`.

    A composite of the resource answers by the indexes of its parts, so only when they all do.
    """
    if not added:
        return BUILT_IN
    parts = _parts(added)
    usable = [one for one in added if unresolved(one.definition, parts[one.definition.resource_type]) is None]
    made = {
        (one.definition.resource_type, one.definition.code): parameter_of(
            one.definition, parts[one.definition.resource_type]
        )
        for one in usable
    }
    waiting = progress_of(usable)
    leaving = {(one.definition.resource_type, one.definition.code) for one in usable if not one.is_to_answer}
    answering = [parameter for key, parameter in made.items() if key not in waiting and key not in leaving]
    return ServedParameters(
        ParameterSet(answering),
        ParameterSet(made.values()),
        waiting,
        frozenset(one.definition.code for one in usable if one.is_to_answer),
    )


def progress_of(added: Sequence[Added]) -> dict[tuple[str, str], int]:
    """How many percent are made, by (type, code), of what does not answer yet."""
    parts = _parts(added)
    percents = {(one.definition.resource_type, one.definition.url): one.percent for one in added}
    found: dict[tuple[str, str], int] = {}
    for one in added:
        definition = one.definition
        if not one.is_to_answer or unresolved(definition, parts[definition.resource_type]) is not None:
            continue
        own = [one.percent]
        if definition.expression == definition.resource_type:
            own += [percents.get((definition.resource_type, url)) for url, _ in definition.components]
        unfinished = [percent for percent in own if percent is not None]
        if unfinished:
            found[definition.resource_type, definition.code] = min(unfinished)
    return found


def _parts(added: Iterable[Added]) -> Mapping[str, Mapping[str, SearchParameter]]:
    by_type: dict[str, list[SearchParameter]] = {}
    for one in added:
        by_type.setdefault(one.definition.resource_type, []).append(one.definition)
    return {name: parts_by_url(name, own) for name, own in by_type.items()}
