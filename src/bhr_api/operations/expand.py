"""ValueSet/$expand: the codes of a value set (FHIR R4, valueset-operation-expand.html)."""

import hashlib
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from bhr_api.fhir import json_text
from bhr_api.fhir.dates import instant_text
from bhr_api.fhir.definitions import Resource
from bhr_api.fhir.packages import split_canonical
from bhr_api.fhir.primitives import TESTS
from bhr_api.fhir.terminology.errors import UnknownCodeError, UnknownCodeSystemError
from bhr_api.fhir.terminology.expansions import Entry
from bhr_api.fhir.terminology.rendering import Key, Words, contained, nested, rendered
from bhr_api.fhir.terminology.terminology import Terminology
from bhr_api.interactions.context import Context
from bhr_api.interactions.requests import Request
from bhr_api.interactions.results import Result
from bhr_api.operations import value_set_in_question
from bhr_api.operations.system_versions import NAMES, SystemVersions
from bhr_api.operations.terminology_questions import DATE, Question, in_thread, terminology_operation
from bhr_api.operations.value_set_in_question import CONTEXT, ValueSetInQuestion

TYPES = MappingProxyType(
    {
        **value_set_in_question.TYPES,
        "filter": "string",
        "offset": "unsignedInt",
        "count": "unsignedInt",
        "includeDesignations": "boolean",
        "designation": "string",
        "includeDefinition": "boolean",
        "activeOnly": "boolean",
        "excludeNested": "boolean",
        "excludeNotForUI": "boolean",
        "excludePostCoordinated": "boolean",
        "displayLanguage": "code",
        "exclude-system": "canonical",
        **dict.fromkeys(NAMES, "canonical"),
    }
)
REFUSED = MappingProxyType({"context": CONTEXT, "contextDirection": CONTEXT, "date": DATE})
_PAGING = frozenset({"offset", "count"})
# ValueSet.expansion.parameter.value[x] has fewer types than parameters have.
_VALUES = {"unsignedInt": "valueInteger", "boolean": "valueBoolean", "code": "valueCode", "string": "valueString"}


async def expand(context: Context, request: Request) -> Result:
    """The ValueSet with its expansion, or a page of it. Raises what the terminology raises where it cannot expand."""
    question = Question(context, request, TYPES, REFUSED, "valueSet")
    wishes = _Wishes.of(question)
    asked = await value_set_in_question.value_set_in_question(question, wishes.versions.canonicals)
    timestamp = instant_text(context.now())
    body = await in_thread(lambda: json_text.dumps(_expanded(asked, wishes, timestamp)))
    await question.record()
    return Result(200, body)


@dataclass(frozen=True, slots=True)
class _Wishes:
    """What an expansion shall be like; `parameters` are those that were given, as the expansion tells them."""

    text: str
    offset: int
    count: int | None
    words: Words
    with_definition: bool
    active_only: bool
    is_nested: bool
    with_abstract: bool
    excluded: Sequence[str]
    versions: SystemVersions
    parameters: Sequence[Resource]

    @classmethod
    def of(cls, question: Question) -> "_Wishes":
        uses = question.all("designation")
        with_designations = question.one("includeDesignations")
        # Who asks for designations of some use or language asks for designations.
        shown = bool(uses) if with_designations is None else with_designations
        return cls(
            text=question.one("filter") or "",
            offset=question.one("offset") or 0,
            count=question.one("count"),
            words=Words(question.one("displayLanguage"), shown, [_use(one) for one in uses] or None),
            with_definition=question.one("includeDefinition") is True,
            active_only=question.one("activeOnly") is True,
            is_nested=question.one("excludeNested") is False,
            with_abstract=question.one("excludeNotForUI") is False,
            excluded=question.all("exclude-system"),
            versions=SystemVersions.of(question),
            parameters=[_told(*parameter) for parameter in question.primitives()],
        )

    @property
    def is_paged(self) -> bool:
        """R4: "Paging only applies to flat expansions"; of a nested one count=0 asks for the total alone."""
        return self.count == 0 or (not self.is_nested and bool(_PAGING & {one["name"] for one in self.parameters}))


def _use(token: str) -> tuple[str | None, str]:
    """search.html#token: `code` of any system, `system|code`, `|code` of none."""
    system, bar, code = token.rpartition("|")
    return (system, code) if bar else (None, code)


def _told(name: str, type_name: str, value: Any) -> Resource:
    return {"name": name, _VALUES.get(type_name, "valueUri"): value}


def _expanded(asked: ValueSetInQuestion, wishes: _Wishes, timestamp: str) -> Resource:
    definition = wishes.versions.applied(asked.definition)
    expansion = asked.terminology.expand(
        asked.question if definition is asked.definition else definition,
        text=wishes.text,
        active_only=wishes.active_only,
        include_designations=True,
        allow_abstract=wishes.with_abstract,
    )
    wishes.versions.require(expansion.code_systems, definition)
    entries = [one for one in expansion.entries if not _is_excluded(one, wishes.excluded)]
    head: Resource = {
        "identifier": _identifier(asked.definition, wishes, entries),
        "timestamp": timestamp,
        "total": len(entries),
        **({"offset": wishes.offset} if wishes.is_paged else {}),
        "parameter": [*wishes.parameters, *_versions(entries)],
    }
    end = None if wishes.count is None else wishes.offset + wishes.count
    page = entries[wishes.offset : end] if wishes.is_paged else entries
    rows = [contained(entry, wishes.words) for entry in page]
    if wishes.is_nested:
        rows = nested(rows, lambda row: _parents(asked.terminology, row))
    # FHIR's JSON has no empty arrays.
    whole = {name: value for name, value in {**head, "contains": rows}.items() if value != []}
    return rendered(asked.definition, whole, with_definition=wishes.with_definition)


def _is_excluded(entry: Entry, excluded: Sequence[str]) -> bool:
    return any(
        entry.system == system and version in (None, entry.version)
        for system, version in map(split_canonical, excluded)
    )


def _identifier(definition: Resource, wishes: _Wishes, entries: Sequence[Entry]) -> str:
    """R4: of the parameters, the versions and the codes; so the same for every page of an expansion."""
    digest = hashlib.sha256()
    digest.update(json_text.dumps(definition))
    digest.update(json_text.dumps([one for one in wishes.parameters if one["name"] not in _PAGING]))
    for entry in entries:
        digest.update(repr(entry).encode())
    return f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_OID, digest.hexdigest())}"


def _versions(entries: Iterable[Entry]) -> list[Resource]:
    """The parameter `version` of each code system that was used, as R4's own expansions have it."""
    used = dict.fromkeys(f"{one.system}|{one.version}" for one in entries if one.version)
    return [_told("version", "uri" if TESTS["uri"](canonical) else "string", canonical) for canonical in used]


def _parents(terminology: Terminology, row: Resource) -> list[Key]:
    system, version = row["system"], row.get("version")
    try:
        known = terminology.code_system(system)
        if known.version != version:
            known = terminology.code_system(system, version)
        return [(system, parent) for parent in known.parents(known.written(row["code"]))]
    except (UnknownCodeSystemError, UnknownCodeError):
        return []


EXPAND = terminology_operation("ValueSet", "expand", ("type", "instance"), expand)
