"""The clients whom a person may choose: what a search for Patient by that person finds, by the same condition (visibility)."""

import json
import re
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlsplit

from bhr_api.access import Caller, Person, parse_scopes
from bhr_api.auth.audit import RequestSource
from bhr_api.auth.signed_in import SignedIn
from bhr_api.errors import InvalidParameterError
from bhr_api.fhir.references import ID
from bhr_api.interactions.context import Context
from bhr_api.interactions.requests import Request
from bhr_api.interactions.search import search

PAGE = 20
_SCOPE = parse_scopes("user/Patient.rs")
_DATE = re.compile(r"[0-9]{4}(-[0-9]{2}){0,2}")
_MOST_WORDS = 6
_USES = ("official", "usual")

ContextOf = Callable[[Caller, RequestSource], Awaitable[Context]]
PersonOf = Callable[[SignedIn], Awaitable[Person | None]]


@dataclass(frozen=True, slots=True)
class ClientChoice:
    """A client as the picker shows them."""

    id: str
    name: str
    birth_date: str | None


@dataclass(frozen=True, slots=True)
class ClientPage:
    """Some of the clients by name; `next` and `previous` are the cursors of the pages beside."""

    choices: Sequence[ClientChoice] = ()
    next: str | None = None
    previous: str | None = None


class ClientChoices:
    """Looks for clients as the person who is signed in, for the app `client_id`; the searches are audited as theirs."""

    def __init__(self, context_of: ContextOf, person_of: PersonOf) -> None:
        self._context_of, self._person_of = context_of, person_of

    async def person(self, user: SignedIn) -> Person | None:
        """The person with their roles as they are now; None when the account is no more."""
        return await self._person_of(user)

    async def page(
        self, user: SignedIn, client_id: str, text: str, cursor: str | None, source: RequestSource
    ) -> ClientPage:
        """A page of the clients whom `text` finds: by words of the name, the birth date or the id."""
        text = text.strip()
        context = await self._context(user, client_id, source)
        if context is None:
            return ClientPage()
        if cursor is None and ID.fullmatch(text) and any(letter.isdigit() for letter in text):
            by_id = await _found(context, [("_id", text)])
            if by_id.choices:
                return by_id
        criteria = [("_sort", "family,given"), ("_count", str(PAGE)), *_criteria(text)]
        try:
            return await _found(context, [*criteria, *([("_cursor", cursor)] if cursor else [])])
        except InvalidParameterError:
            # A cursor of another search, or an impossible date.
            return await _found(context, criteria) if cursor else ClientPage()

    async def named(
        self, user: SignedIn, client_id: str, ids: Collection[str], source: RequestSource
    ) -> Mapping[str, ClientChoice]:
        """Those of the clients with these ids whom the person may see."""
        wanted = [id for id in dict.fromkeys(ids) if ID.fullmatch(id)]
        context = await self._context(user, client_id, source) if wanted else None
        if context is None:
            return {}
        page = await _found(context, [("_id", ",".join(wanted)), ("_count", str(len(wanted)))])
        return {choice.id: choice for choice in page.choices}

    async def _context(self, user: SignedIn, client_id: str, source: RequestSource) -> Context | None:
        person = await self._person_of(user)
        if person is None:
            return None
        caller = Caller(user.tenant, client_id, _SCOPE, user.fhir_user, None, person)
        return await self._context_of(caller, source) if caller.may("s", "Patient") else None


def _criteria(text: str) -> list[tuple[str, str]]:
    """What is searched for; a comma or backslash of the text is no syntax."""
    if _DATE.fullmatch(text):
        return [("birthdate", text)]
    words = re.sub(r"[\\,$|]", " ", text).split()[:_MOST_WORDS]
    return [("name", word) for word in words if word.isprintable()]


async def _found(context: Context, parameters: Sequence[tuple[str, str]]) -> ClientPage:
    result = await search(context, Request("search-type", "Patient", parameters=parameters))
    assert result.body is not None
    bundle: dict[str, Any] = json.loads(result.body)
    links = {link["relation"]: link["url"] for link in bundle.get("link", ())}
    return ClientPage(
        [_choice(entry["resource"]) for entry in bundle.get("entry", ()) if entry["search"]["mode"] == "match"],
        _cursor(links.get("next")),
        _cursor(links.get("previous")),
    )


def _cursor(url: str | None) -> str | None:
    return None if url is None else parse_qs(urlsplit(url).query)["_cursor"][0]


def _choice(patient: Mapping[str, Any]) -> ClientChoice:
    return ClientChoice(patient["id"], display_name(patient.get("name", ())), patient.get("birthDate"))


def display_name(names: Sequence[Mapping[str, Any]]) -> str:
    """A person's name in a line: the official one, else the usual, else the first (FHIR R4, HumanName)."""
    ranked = sorted(names, key=lambda name: _USES.index(name["use"]) if name.get("use") in _USES else len(_USES))
    for name in ranked:
        parts = [*name.get("given", ()), name.get("family")]
        if told := name.get("text") or " ".join(part for part in parts if part):
            return str(told)
    return "(no name)"
