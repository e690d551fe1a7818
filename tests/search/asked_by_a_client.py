"""Searches as a client asks them: of a type, a compartment or the whole server, walked by the links of small pages.

FHIR R4, http.html#search and #paging.
"""

import itertools
import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from urllib.parse import quote

from bhr_api.errors import RefusalError
from bhr_api.interactions.perform import perform_reading
from bhr_api.interactions.requests import parse_request
from tests.search.drawn_values import BASE_URL
from tests.search.reference_compartment import is_in_compartment
from tests.search.reference_evaluator import found
from tests.search.reference_order import in_order, sort_keys
from tests.search.reference_paths import Resource
from tests.search.reference_refusals import NotAllowedError, UnknownTermsError
from tests.search.stored_record import FORBIDDEN, MEANINGLESS, UNKNOWN, Question

COUNT = 3
Name = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Page:
    """The (type, id) of the matches of a page and of what came with them, and how many matches there are in all."""

    matches: list[Name]
    brought: set[Name]
    total: int


class ClientQuestion(Question):
    """A query with an address; its pages are those that the links lead to."""

    @cached_property
    def expected(self) -> list[Resource] | str:
        """What the evaluator finds, of all types."""
        types = self.asked.types or (self.asked.resource_type,)
        if not self.asked.types and not self.asked.resource_type:
            types = tuple(name for name in self.seen.of_type if self.asked.caller.may_search(name))
        try:
            return [one for name in types for one in self._found(name)]
        except NotAllowedError:
            return FORBIDDEN
        except UnknownTermsError:
            return UNKNOWN
        except KeyError:
            # On some of the types it means nothing: http.html#vsearch, "400".
            return MEANINGLESS

    def _found(self, resource_type: str) -> list[Resource]:
        if not self.asked.caller.may_search(resource_type):
            raise NotAllowedError(resource_type)
        matches = found(self.seen, resource_type, self.asked.criteria, now=self.now)
        _, _, patient = (self.asked.address or "").rpartition("/")[0].rpartition("Patient/")
        return [one for one in matches if is_in_compartment(self.seen, one, patient)] if patient else matches

    def difference(self) -> str | None:
        """What is wrong in the server's pages, in the first respect in which something is."""
        try:
            pages = list(self._asked_pages())
        except RefusalError as error:
            if error.issues[0].code == "too-costly":
                raise
            return None if self._is_to_be_refused_so(error) else f"refused by {error!r}"
        if isinstance(self.expected, str):
            return f"answered, though {self.expected}"
        named = {_name(one): one for one in self.expected}
        matches = [name for page in pages for name in page.matches]
        if sorted(matches) != sorted(named):
            return f"found {sorted(matches)} instead of {sorted(named)}"
        if totals := {page.total for page in pages} - {len(matches)}:
            return f"counted {totals} instead of {len(matches)}"
        if any(len(page.matches) != COUNT for page in pages[:-1]):
            return f"pages of {[len(page.matches) for page in pages]}"
        return self._disorder([named[name] for name in matches]) or self._brought_wrongly(pages, named)

    def _asked_pages(self) -> Iterator[Page]:
        shape = [("_count", str(COUNT)), ("_total", "accurate")]
        asked = [f"{quote(name)}={quote(value)}" for name, value in [*self.asked.parameters, *shape]]
        url: str | None = f"{BASE_URL}/{self.asked.address}?{'&'.join(asked)}"
        while url is not None:
            path, _, query = url.removeprefix(BASE_URL).removeprefix("/").partition("?")
            result = self.stored.record.run(perform_reading(self.context, parse_request("GET", path, query)))
            assert result.body is not None
            bundle = json.loads(result.body)
            yield _page(bundle)
            url = next((link["url"] for link in bundle["link"] if link["relation"] == "next"), None)

    def _disorder(self, matches: list[Resource]) -> str | None:
        if not self.asked.sort:
            return None
        keys = [sort_keys(self.seen, one, self.asked.sort) for one in matches]
        for place, (one, other) in enumerate(itertools.pairwise(keys)):
            if not in_order(one, other):
                return f"{_name(matches[place])} {one} came before {_name(matches[place + 1])} {other}"
        return None

    def _brought_wrongly(self, pages: list[Page], named: dict[Name, Resource]) -> str | None:
        for page in pages:
            if difference := self._brought([named[name] for name in page.matches], page.brought):
                return f"with the page of {page.matches} {difference}"
        return None


def _page(bundle: Any) -> Page:
    by_mode: dict[str, list[Name]] = {"match": [], "include": []}
    for entry in bundle.get("entry", []):
        # An outcome is a remark, such as that a chain went to the current version of what a reference names another of.
        if entry["search"]["mode"] != "outcome":
            by_mode[entry["search"]["mode"]].append(_name(entry["resource"]))
    return Page(by_mode["match"], set(by_mode["include"]), bundle["total"])


def _name(resource: Resource) -> Name:
    return resource["resourceType"], resource["id"]
